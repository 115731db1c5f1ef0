/**
 * A life as text, for the database, and back. Ours alone: what people query are the columns and `runs`.
 *
 * The record stands beside it and says most of what its facts say: of those fields the text holds what differs.
 */
import type { Json, Seconds } from './event.ts';
import type { Fact, Process, Said } from './fact.ts';
import { createLife, factsOf, foldFacts, type Life } from './life.ts';
import type { Task } from './task.ts';

type Field = Exclude<keyof Said, 'extra'>;

/** What `Said` and the record call by the same names. */
type Shown = Pick<Task, Field>;

/** The fields of `Said` that are not as the record has them, null where the fact does not say them; 1: all are; 0: it says nothing. */
type StoredSaid = { [field in Field]?: Json } & { extra?: Said['extra'] };

/** subject, place among the processes, clock, timestamp, arrived, said. */
type StoredFact = readonly [string, number, number, Seconds, Seconds, StoredSaid | 0 | 1];

/** hostname, pid, and the key where it is not the usual one. */
type StoredProcess = readonly [string, number | null, string?];

interface StoredLife {
  readonly processes: readonly StoredProcess[];
  readonly facts: readonly StoredFact[];
  readonly dropped?: number;
  readonly floor?: Seconds;
}

const CALL: readonly Field[] = ['name', 'args', 'kwargs', 'eta', 'expires', 'retries', 'root_id', 'parent_id'];
/** What a fact of this subject and the record are likely to say alike. */
const ALIKE: ReadonlyMap<string, readonly Field[]> = new Map<string, readonly Field[]>([
  ['sent', [...CALL, 'exchange', 'routing_key']],
  ['received', CALL],
  ['succeeded', ['result', 'runtime']],
  ['failed', ['exception', 'traceback']],
  ['retried', ['exception', 'traceback']],
]);

/** Columns of text hold no NUL and no lone surrogate: what has such is not told by the record. */
const UNSTORABLE = /[\0\ud800-\udfff]/;

/** @param record the task as its other columns hold it */
export function storeLife(life: Life, record: Shown): string {
  const processes: Process[] = [];
  const stored = factsOf(life).map(({ subject, process, clock, timestamp, arrived, said }): StoredFact => {
    let place = processes.findIndex(({ key }) => key === process.key);
    if (place < 0) place = processes.push(process) - 1;
    return [subject, place, clock, timestamp, arrived, said === null ? 0 : storeSaid(said, subject, record)];
  });
  const { dropped, floor } = life;
  const text: StoredLife = { processes: processes.map(storeProcess), facts: stored };
  return JSON.stringify(floor === null ? text : { ...text, dropped, floor });
}

/**
 * @param record the task as it was when its life was stored
 * @throws SyntaxError for what `storeLife` did not write
 */
export function restoreLife(text: string, record: Shown): Life {
  const { processes, facts, dropped, floor }: StoredLife = JSON.parse(text);
  const known = processes.map(
    ([hostname, pid, key]): Process => ({ hostname, pid, key: key ?? usualKey(hostname, pid) }),
  );
  const life = createLife();
  if (dropped !== undefined) life.dropped = dropped;
  if (floor !== undefined) life.floor = floor;
  const told = facts.map(([subject, place, clock, timestamp, arrived, stored]): Fact => {
    const said = stored === 0 ? null : restoreSaid(stored === 1 ? {} : stored, subject, record);
    return { subject, process: known[place] as Process, clock, timestamp, arrived, said };
  });
  foldFacts(life, told);
  return life;
}

function storeSaid(said: Said, subject: string, record: Shown): StoredSaid | 1 {
  const alike = ALIKE.get(subject) ?? [];
  let differing: StoredSaid | null = null;
  for (const field of alike) {
    const value = said[field] ?? null;
    if (value === record[field] && !(typeof value === 'string' && UNSTORABLE.test(value))) continue;
    differing ??= {};
    differing[field] = value;
  }
  for (const key in said) {
    const field = key as keyof Said;
    const value = said[field] ?? null;
    if (value === null || alike.includes(field as Field)) continue;
    differing ??= {};
    Object.assign(differing, { [field]: value });
  }
  return differing ?? 1;
}

function restoreSaid(stored: StoredSaid, subject: string, record: Shown): Said {
  const said: Record<string, unknown> = {};
  for (const field of ALIKE.get(subject) ?? [])
    said[field] = (stored[field] === undefined ? record[field] : stored[field]) ?? undefined;
  for (const key in stored) said[key] ??= stored[key as keyof StoredSaid] ?? undefined;
  said['extra'] = stored.extra ?? null;
  return said as unknown as Said;
}

function storeProcess({ hostname, pid, key }: Process): StoredProcess {
  return key === usualKey(hostname, pid) ? [hostname, pid] : [hostname, pid, key];
}

function usualKey(hostname: string, pid: number | null): string {
  return `${hostname} ${pid}`;
}
