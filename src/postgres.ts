/** Postgres on the hot path: one transaction on one connection of the pool, COPY both ways, what an error means. */
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import type { Knex } from 'knex';
import type pg from 'pg';
import { from, to } from 'pg-copy-streams';
import type { Seconds } from './domain/event.ts';
import { MonitorError, reasonOf } from './errors.ts';
import { now } from './runtime.ts';

/** How long work with a connection may take. */
export interface Patience {
  /** The connection is cut after so long, so that a dead network or a stuck server cannot hold us for ever. */
  readonly seconds: Seconds;
  /** When it aborts, work under way has `GRACE` seconds left. */
  readonly signal?: AbortSignal | undefined;
}

/** Bytes to a chunk of COPY. */
const CHUNK = 65_536;

/** What it may still take once the program stops. */
const GRACE: Seconds = 5;

/** Runs `work` on one connection of the pool. Throws what `work` or Postgres threw. */
export async function withClient<T>(db: Knex, patience: Patience, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client: pg.Client = await db.client.acquireConnection();
  const cut = (): unknown => client.connection.stream.destroy(new Error('the database did not answer in time'));
  const timers = [setTimeout(cut, patience.seconds * 1000)];
  const hurry = (): unknown => timers.push(setTimeout(cut, GRACE * 1000));
  if (patience.signal?.aborted) hurry();
  patience.signal?.addEventListener('abort', hurry);
  try {
    return await work(client);
  } finally {
    patience.signal?.removeEventListener('abort', hurry);
    timers.forEach(clearTimeout);
    await db.client.releaseConnection(client);
  }
}

/**
 * Runs `work` in one transaction on one connection. Throws what `work` or Postgres threw, after a rollback.
 * An error thrown after `work` returned leaves open whether the transaction was committed.
 * @param start further statements for the same round trip as BEGIN
 */
export async function transaction<T>(
  db: Knex,
  patience: Patience,
  work: (client: pg.Client) => Promise<T>,
  start = '',
): Promise<T> {
  return withClient(db, patience, async (client) => {
    try {
      // A process that stops in the middle must not hold its locks: other recorders wait for them. And what is compiled here
      // is run once: compiling takes longer than all else where rows are many, and Postgres thinks it worth that by their number.
      await client.query(`begin; set local idle_in_transaction_session_timeout = '60s'; set local jit = off; ${start}`);
      const result = await work(client);
      await client.query('commit');
      return result;
    } catch (error) {
      // Fails only on a connection that is gone, which the pool then throws away.
      await client.query('rollback').catch(() => undefined);
      throw error;
    }
  });
}

/**
 * For `start`: rows are looked up by their key, one by one, and no table is read whole. Where Postgres has no statistics
 * yet, or old ones, it may believe otherwise.
 */
export const BY_KEY = 'set local enable_hashjoin = off; set local enable_mergejoin = off';

/** `COPY … FROM STDIN`. A line is asked for when Postgres takes it, so that they need not all be in memory. */
export async function copyIn(client: pg.Client, target: string, lines: Iterable<string>): Promise<void> {
  await pipeline(chunksOf(lines), client.query(from(`copy ${target} from stdin`)));
}

/** `COPY (query) TO STDOUT`: the bytes as they come. */
export async function* copyOut(client: pg.Client, query: string, format = ''): AsyncGenerator<Buffer, void, undefined> {
  yield* client.query(to(`copy (${query}) to stdout ${format}`));
}

/** Whole lines of what `copyOut` gives, many at a time. */
export async function* copyLines(bytes: AsyncIterable<Buffer>): AsyncGenerator<string[], void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const end = chunk.lastIndexOf(10);
    if (end < 0) rest = Buffer.concat([rest, chunk]);
    else {
      yield Buffer.concat([rest, chunk.subarray(0, end)])
        .toString()
        .split('\n');
      rest = chunk.subarray(end + 1);
    }
  }
}

/**
 * Lines as bytes, many to a chunk. Each is written at once, since a text put together of many parts holds all of them until
 * it is: ten thousand rows of such texts cost more time in garbage collection than everything else. The event loop has its
 * turn between two chunks: Postgres may take them as fast as they are made.
 */
export async function* chunksOf(lines: Iterable<string>): AsyncGenerator<Buffer, void, undefined> {
  let buffer = Buffer.allocUnsafe(CHUNK);
  let used = 0;
  for (const line of lines) {
    // UTF-8 takes three bytes at most for each unit of UTF-16.
    const most = line.length * 3;
    if (used > 0 && most > CHUNK - used) {
      yield buffer.subarray(0, used);
      await setImmediate();
      buffer = Buffer.allocUnsafe(CHUNK);
      used = 0;
    }
    if (most > CHUNK) yield Buffer.from(line);
    else used += buffer.write(line, used);
  }
  if (used > 0) yield buffer.subarray(0, used);
}

/**
 * By what things expire: the earlier of our clock and the server's, so that one of them that has jumped ahead removes
 * nothing. Epoch seconds.
 */
export async function expiryTime(db: Knex): Promise<Seconds> {
  const { rows } = await db.raw('select extract(epoch from clock_timestamp())::float8 as at');
  return Math.min(now(), rows[0].at);
}

/** The five characters by which Postgres says what was wrong; null for an error that is not the server's. */
export function sqlState(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code)
    ? error.code
    : null;
}

/** The server refused the rows themselves (data exception, constraint, a limit of its own): again will not help. */
export function isRefusal(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlState(error) ?? '');
}

/** A driver's error as ours. */
export function databaseError(error: unknown): MonitorError {
  if (error instanceof MonitorError) return error;
  return new MonitorError('DATABASE_UNREACHABLE', `the database failed: ${reasonOf(error)}`, { cause: error });
}
