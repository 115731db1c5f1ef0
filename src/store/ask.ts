/** One question: a transaction that sees one moment of the database, may not take long, and is about one snapshot. */
import type { Knex } from 'knex';
import type pg from 'pg';
import { type Answer, type Refusal, refuse } from '../answer.ts';
import type { AsOf } from '../contract/history.ts';
import type { Seconds } from '../domain/event.ts';
import { databaseError, sqlState, transaction } from '../postgres.ts';
import { isoTime } from '../postgres-text.ts';
import { Parameters } from './parameters.ts';

/** A single statement may take so long. */
const STATEMENT_TIMEOUT: Seconds = 5;

/** A question as a whole. */
const PATIENCE: Seconds = 20;

/**
 * Where Postgres has no statistics yet, or old ones, it may believe that to read a large table whole, or to sort a large part
 * of it, is cheaper than to go by an index; and what a second processor gains is not worth what it takes from the recorder.
 */
const START = `set transaction isolation level repeatable read, read only;
  set local statement_timeout = ${STATEMENT_TIMEOUT * 1000};
  set local enable_seqscan = off; set local enable_sort = off;
  set local enable_hashjoin = off; set local enable_mergejoin = off;
  set local max_parallel_workers_per_gather = 0; set local work_mem = '32MB'`;

/** @throws MonitorError where the database fails */
export async function ask<T>(db: Knex, work: (client: pg.Client) => Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await transaction(db, { seconds: PATIENCE }, work, START);
  } catch (error) {
    if (sqlState(error) === '57014')
      return refuse('slow', `the database did not answer within ${STATEMENT_TIMEOUT} seconds; ask for less`);
    throw databaseError(error);
  }
}

/** Rows of a statement, of which `make` makes the text. */
export async function rows<Row extends object>(
  client: pg.Client,
  make: (parameters: Parameters) => string,
): Promise<Row[]> {
  const parameters = new Parameters();
  const text = make(parameters);
  return (await client.query<Row>(text, parameters.values)).rows;
}

const AS_OF = 'id as snapshot, extract(epoch from taken_at)::float8 as taken_at, position';

/** The latest snapshot, or the last one at or before a moment. */
export async function momentOf(client: pg.Client, at: Seconds | null): Promise<AsOf | Refusal> {
  // By the time that was asked for as the database rounds it: taken_at is exact to a millisecond.
  const before = at === null ? '' : `where taken_at <= '${isoTime(Math.min(Math.max(at, 0), MAX_TIME))}'`;
  const order = at === null ? 'id desc' : 'snapshots.taken_at desc, id desc';
  const [found] = await rows<AsOf>(client, () => `select ${AS_OF} from snapshots ${before} order by ${order} limit 1`);
  if (found) return found;
  return at === null || at > MAX_TIME
    ? refuse('unrecorded', 'nothing was recorded yet')
    : refuse('unrecorded', `nothing was recorded at or before ${shown(at)}`);
}

/** The first snapshot that is kept. */
export async function firstOf(client: pg.Client): Promise<AsOf | null> {
  const [found] = await rows<AsOf>(client, () => `select ${AS_OF} from snapshots order by id limit 1`);
  return found ?? null;
}

/** A snapshot that a list was begun with. */
export async function snapshotOf(client: pg.Client, id: number): Promise<AsOf | null> {
  const [found] = await rows<AsOf>(client, (p) => `select ${AS_OF} from snapshots where id = ${p.add(id, 'bigint')}`);
  return found ?? null;
}

/** The last moment that people mean, in the year 9999. */
const MAX_TIME: Seconds = 253_402_300_799;

function shown(at: Seconds): string {
  return at < 0 ? `${at}` : isoTime(at);
}
