/** Tasks and workers as clients see them, in the API and in the feed: Celery's names, JSON types, null for what is not known. */
import { z } from 'zod';
import type { Json, Seconds } from '../domain/event.ts';
import { doubtOf, type Liveness, orphanOf } from '../domain/liveness.ts';
import { runsOf } from '../domain/runs.ts';
import type { State } from '../domain/state.ts';
import { lifeOf, type Task } from '../domain/task.ts';
import { skewOf, type Worker } from '../domain/worker.ts';

/** Epoch seconds, or a length of time in seconds. */
const seconds = z.number().nullable();
const text = z.string().nullable();
/** Has a name of its own, so that declarations of schemas with it refer to this file, and a browser's compiler reads no more. */
export interface JsonSchema extends z.ZodType<Json> {}
export const json: JsonSchema = z.json();
const extra = z.record(z.string(), json).nullable();

/** One run of a task: an attempt, a redelivery or a re-run. */
export const runRecord = z.strictObject({
  number: z.number().int(),
  retries: z.number().nullable(),
  worker: text,
  pid: z.number().nullable(),
  received: seconds,
  started: seconds,
  state: z.string(),
  ended: seconds,
  result: text,
  exception: text,
  traceback: text,
  runtime: seconds,
});

export const taskRecord = z.strictObject({
  cluster: z.string(),
  task_id: z.string(),
  name: text,
  state: z.string(),
  sent: seconds,
  received: seconds,
  started: seconds,
  succeeded: seconds,
  failed: seconds,
  retried: seconds,
  revoked: seconds,
  rejected: seconds,
  args: text,
  kwargs: text,
  result: text,
  exception: text,
  traceback: text,
  eta: text,
  expires: text,
  retries: z.number().nullable(),
  runtime: seconds,
  timestamp: seconds,
  clock: z.number().nullable(),
  exchange: text,
  routing_key: text,
  root_id: text,
  parent_id: text,
  client: text,
  worker: text,
  children: z.array(z.string()),
  /** The process that was executing it is gone, so that it may never end; null while that is not known. */
  orphaned: z.strictObject({ at: z.number(), reason: z.enum(['goodbye', 'lost', 'replaced']) }).nullable(),
  /** Why it may never end although its worker lives, in a sentence; null where there is no ground to doubt that it will. */
  doubt: text,
  /** Null where the `celery` reducer folds, which knows none. */
  runs: z.array(runRecord).nullable(),
  extra,
});

export const workerRecord = z.strictObject({
  cluster: z.string(),
  hostname: z.string(),
  /** `SUSPECT`: later than two heartbeats. Never where the `celery` reducer folds, which knows no reasons either. */
  status: z.enum(['ONLINE', 'SUSPECT', 'OFFLINE']),
  /** Why it is OFFLINE. */
  reason: z.enum(['goodbye', 'lost']).nullable(),
  /** ONLINE: since when its process is known. Else when it said goodbye, or was last heard of. */
  since: seconds,
  pid: z.number().nullable(),
  freq: seconds,
  heartbeats: z.array(z.number()),
  clock: z.number().nullable(),
  active: z.number().nullable(),
  processed: z.number().nullable(),
  loadavg: z.array(z.number()).nullable(),
  sw_ident: text,
  sw_ver: text,
  sw_sys: text,
  /** By how much the clock of its host is ahead of this monitor's, estimated from its latest heartbeats. */
  skew: seconds,
  extra,
});

export type TaskRecord = z.output<typeof taskRecord>;
export type WorkerRecord = z.output<typeof workerRecord>;

/** @param now epoch seconds, for what time decides */
export function toTaskRecord(state: State, task: Task, now: Seconds): TaskRecord {
  const life = lifeOf(task);
  const { kind: _, uuid, children, life: _life, stored_life: _stored, ...fields } = task;
  // A literal that began with what is spread, or spread a second one, would take eight times as long.
  return {
    cluster: state.cluster,
    task_id: uuid,
    ...fields,
    children: children === null ? [] : [...children],
    orphaned: orphanOf(task, state, now),
    doubt: doubtOf(task, state),
    runs: life && runsOf(life),
  };
}

/** @param liveness as `livenessOf` judges it */
export function toWorkerRecord(state: State, worker: Worker, liveness: Liveness): WorkerRecord {
  const { kind: _, incarnation: _incarnation, loadavg, ...fields } = worker;
  return {
    cluster: state.cluster,
    ...fields,
    ...liveness,
    loadavg: loadavg === null ? null : [...loadavg],
    skew: skewOf(worker),
  };
}
