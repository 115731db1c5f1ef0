/** Results of tasks as the tables of Celery's result backends have them. Celery's names; times are epoch seconds. */
import { z } from 'zod';
import type { Json } from '../domain/event.ts';
import type { Member } from '../domain/group-members.ts';
import { FAILURE, READY_STATES, REVOKED, SUCCESS } from '../domain/states.ts';
import { json } from './records.ts';

const seconds = z.number().nullable();
const text = z.string().nullable();

/** What is stored of one task. */
export const resultRecord = z.strictObject({
  task_id: z.string(),
  /** `PENDING` also where nothing is stored of it, as in Celery: then `table` is null. */
  status: z.string(),
  /** Of an exception `{"exc_type", "exc_message", "exc_module"}`; of other values see the table of marked forms in the README. */
  result: json,
  /** The same as Python writes it (`repr`), or the JSON that is stored: that tells tuples, sets, dates and bytes apart. */
  text,
  /** Classes of objects in it that are more than data: of these nothing is shown but their names. */
  opaque: z.array(z.string()),
  /** Why the result, or whether there is one, cannot be told, in a sentence; null where it can. */
  problem: text,
  traceback: text,
  date_done: seconds,
  /** This and what follows is stored with `result_extended` only. */
  name: text,
  args: json,
  kwargs: json,
  worker: text,
  retries: z.number().nullable(),
  queue: text,
  /** Tasks that it called; null where the table does not say. */
  children: z.array(z.string()).nullable(),
  /** Where it is stored: `public.celery_taskmeta`. */
  table: text,
});

/** A group whose result was saved (`GroupResult.save()`). */
export const groupAnswer = z.strictObject({
  group_id: z.string(),
  /** When it was saved. */
  date_done: seconds,
  table: z.string(),
  /** Tasks in it, those of groups within it included. */
  total: z.number().int(),
  /** As in Celery, how many of them succeeded. */
  completed_count: z.number().int(),
  /** All have ended. */
  ready: z.boolean(),
  /** All have succeeded. */
  successful: z.boolean(),
  /** Some have failed. */
  failed: z.boolean(),
  /** The results, joined in the order of the tasks, a list in it for each group within; null until all have succeeded, and where one cannot be told. */
  result: z.array(json).nullable(),
  /** In order. */
  children: z.array(resultRecord),
});

export type ResultRecord = z.output<typeof resultRecord>;
export type GroupAnswer = z.output<typeof groupAnswer>;

/** A group as it was saved. */
export interface SavedGroup extends Pick<GroupAnswer, 'group_id' | 'date_done' | 'table'> {
  readonly members: readonly Member[];
}

/** @param children what is stored of its tasks, in their order */
export function toGroupAnswer({ members, ...group }: SavedGroup, children: readonly ResultRecord[]): GroupAnswer {
  const completed_count = children.filter(({ status }) => status === SUCCESS).length;
  const successful = completed_count === children.length;
  let next = 0;
  const joined = (of: readonly Member[]): Json[] =>
    of.map((member) => (typeof member === 'string' ? (children[next++]?.result ?? null) : joined(member)));
  return {
    ...group,
    total: children.length,
    completed_count,
    ready: children.every(({ status }) => READY_STATES.has(status)),
    successful,
    failed: children.some(({ status }) => status === FAILURE || status === REVOKED),
    result: successful && children.every(({ problem }) => problem === null) ? joined(members) : null,
    children: [...children],
  };
}
