/** A life as text, for the database, and back. Ours alone: what people query are the columns and `runs`. */
import type { Seconds } from './event.ts';
import type { Fact, Said } from './fact.ts';
import { createLife, foldFacts, type Life } from './life.ts';

/** subject, hostname, pid, key of the process where it is not the usual one, clock, timestamp, arrived, said. */
type StoredFact = readonly [string, string, number | null, string | 0, number, Seconds, Seconds, Said | 0];

interface StoredLife {
  readonly facts: readonly StoredFact[];
  readonly dropped?: number;
  readonly floor?: Seconds;
}

export function storeLife({ facts, dropped, floor }: Life): string {
  const stored = facts.map(({ subject, process, clock, timestamp, arrived, said }): StoredFact => {
    const { hostname, pid, key } = process;
    return [subject, hostname, pid, key === usualKey(hostname, pid) ? 0 : key, clock, timestamp, arrived, said ?? 0];
  });
  const life: StoredLife = dropped > 0 ? { facts: stored, dropped, floor } : { facts: stored };
  return JSON.stringify(life);
}

/** @throws SyntaxError for what `storeLife` did not write */
export function restoreLife(text: string): Life {
  const { facts, dropped, floor }: StoredLife = JSON.parse(text);
  const life = createLife();
  if (dropped !== undefined) life.dropped = dropped;
  if (floor !== undefined) life.floor = floor;
  life.facts = facts.map(([subject, hostname, pid, key, clock, timestamp, arrived, said]): Fact => {
    const process = { hostname, pid, key: key === 0 ? usualKey(hostname, pid) : key };
    return { subject, process, clock, timestamp, arrived, said: said === 0 ? null : said };
  });
  foldFacts(life);
  return life;
}

function usualKey(hostname: string, pid: number | null): string {
  return `${hostname} ${pid}`;
}
