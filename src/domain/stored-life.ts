/**
 * A life as text, for the database, and back. Ours alone: what people query are the columns and `runs`.
 *
 * The record stands beside it and says most of what its facts say: of those fields the text holds what differs.
 */
import type { Json, Seconds } from './event.ts';
import type { Call, Fact, Process, Said } from './fact.ts';
import { createLife, factsOf, foldFacts, type Life } from './life.ts';
import type { Task } from './task.ts';

type Field = keyof Call | Exclude<keyof Said, 'extra'>;

/** All that an event says. */
type Words = Call & Said;

/** What a fact and the record call by the same names. */
type Shown = Pick<Task, Field>;

/** The fields of `Call` and `Said` that are not as the record has them, null where the fact does not say them; 1: all are; 0: it says nothing. */
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

const CALL: readonly (keyof Call)[] = ['name', 'args', 'kwargs', 'eta', 'expires', 'retries', 'root_id', 'parent_id'];
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
  const stored = factsOf(life).map(({ subject, process, clock, timestamp, arrived, call, said }): StoredFact => {
    let place = processes.findIndex(({ key }) => key === process.key);
    if (place < 0) place = processes.push(process) - 1;
    return [
      subject,
      place,
      clock,
      timestamp,
      arrived,
      call || said ? storeSaid({ extra: null, ...call, ...said }, subject, record) : 0,
    ];
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
    const words = stored === 0 ? null : restoreWords(stored === 1 ? {} : stored, subject, record);
    const process = known[place] as Process;
    return {
      subject,
      process,
      clock,
      timestamp,
      arrived,
      call: words && callOf(words, subject),
      said: words && saidOf(words, subject),
    };
  });
  foldFacts(life, told);
  return life;
}

function storeSaid(said: Words, subject: string, record: Shown): StoredSaid | 1 {
  const alike = ALIKE.get(subject) ?? [];
  let differing: StoredSaid | null = null;
  for (const field of alike) {
    const value = said[field] ?? null;
    if (value === record[field] && !(typeof value === 'string' && UNSTORABLE.test(value))) continue;
    differing ??= {};
    differing[field] = value;
  }
  for (const key in said) {
    const field = key as keyof Words;
    const value = said[field] ?? null;
    if (value === null || alike.includes(field as Field)) continue;
    differing ??= {};
    Object.assign(differing, { [field]: value });
  }
  return differing ?? 1;
}

function restoreWords(stored: StoredSaid, subject: string, record: Shown): Words {
  const said: Record<string, unknown> = {};
  for (const field of ALIKE.get(subject) ?? [])
    said[field] = (stored[field] === undefined ? record[field] : stored[field]) ?? undefined;
  for (const key in stored) said[key] ??= stored[key as keyof StoredSaid] ?? undefined;
  said['extra'] = stored.extra ?? null;
  return said as unknown as Words;
}

function callOf(
  { name, args, kwargs, eta, expires, retries, root_id, parent_id }: Words,
  subject: string,
): Call | null {
  return isOfCall(subject) ? { name, args, kwargs, eta, expires, retries, root_id, parent_id } : null;
}

function saidOf(words: Words, subject: string): Said | null {
  if (!isOfCall(subject)) return words;
  const { exchange, routing_key, extra } = words;
  return exchange === undefined && routing_key === undefined && extra === null
    ? null
    : { exchange, routing_key, extra };
}

function isOfCall(subject: string): boolean {
  return subject === 'sent' || subject === 'received';
}

function storeProcess({ hostname, pid, key }: Process): StoredProcess {
  return key === usualKey(hostname, pid) ? [hostname, pid] : [hostname, pid, key];
}

function usualKey(hostname: string, pid: number | null): string {
  return `${hostname} ${pid}`;
}
