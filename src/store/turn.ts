/** A lock in the database that one process holds at a time, by name: whose turn it is to do what only one may do. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import { every, isAbort, sleep } from '../runtime.ts';

/** How long to wait before asking again, seconds. */
const AGAIN = 1;

/** A process that is frozen keeps its connections: who has the turn says so now and then, and loses it when silent for so long. */
const LEASE: Seconds = 10;
const SIGN_OF_LIFE: Seconds = 2;

export interface Turn {
  /** Another process has it. */
  readonly waiting: boolean;
  /**
   * Works when it is this process's turn, and again when it comes back; ends when the work ends by itself or the signal aborts. When the database goes away meanwhile
   * the work goes on; it is stopped only when the database is back and the turn has gone to another process.
   */
  take(work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void>;
}

/** Whether some process has the turn of that name at this moment. @throws the driver's errors */
export async function isTaken(db: Knex, name: string): Promise<boolean> {
  // Locks of two keys, of this database alone.
  const held = `select from pg_locks join pg_database d on d.oid = database
    where datname = current_database() and locktype = 'advisory' and objsubid = 2 and granted
      and classid = hashtext(current_schema())::oid and objid = hashtext(?)::oid`;
  const { rows } = await db.raw(`select exists (${held}) as taken`, [name]);
  return rows[0].taken === true;
}

/** @param name what the turn is about; one per name and schema */
export function createTurn(db: Knex, name: string): Turn {
  let waiting = false;

  /** A connection that holds the lock; null where another process holds it. @throws when the database does not answer */
  async function hold(): Promise<pg.Client | null> {
    const client: pg.Client = await db.client.acquireConnection();
    try {
      const { rows } = await client.query<{ held: boolean }>(
        'select pg_try_advisory_lock(hashtext(current_schema()), hashtext($1)) as held',
        [name],
      );
      waiting = rows[0]?.held !== true;
      if (!waiting) {
        await client.query(`set idle_session_timeout = '${LEASE}s'`);
        return client;
      }
    } catch (error) {
      await db.client.releaseConnection(client);
      throw error;
    }
    await db.client.releaseConnection(client);
    return null;
  }

  async function release(client: pg.Client): Promise<void> {
    await client.query('select pg_advisory_unlock_all(); reset idle_session_timeout').catch(() => undefined);
    await db.client.releaseConnection(client);
  }

  /** Keeps the lock, taking it anew when its connection is lost; ends when another process has it or the signal aborts. */
  async function keep(first: pg.Client, signal: AbortSignal): Promise<void> {
    for (let client: pg.Client | null = first; client !== null; ) {
      await live(client, signal);
      await release(client);
      client = null;
      while (client === null && !signal.aborted) {
        const held = await hold().catch(() => undefined);
        if (held === null) return;
        if (held) client = held;
        else await sleep(AGAIN, signal).catch(() => undefined);
      }
      if (client !== null && signal.aborted) return release(client);
    }
  }

  return {
    get waiting() {
      return waiting;
    },
    async take(work, signal) {
      while (!signal.aborted) {
        const client = await hold().catch(() => null);
        if (client === null) {
          await sleep(AGAIN, signal).catch((error) => {
            if (!isAbort(error)) throw error;
          });
          continue;
        }
        const inner = new AbortController();
        const both = AbortSignal.any([signal, inner.signal]);
        const keeping = keep(client, both).finally(() => inner.abort());
        let finished = false;
        try {
          await work(both);
          finished = !both.aborted;
        } finally {
          inner.abort();
          await keeping;
        }
        if (finished) return;
      }
    },
  };
}

/** Gives signs of life until the connection is gone or the signal aborts. */
async function live(client: pg.Client, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const living = every(
    SIGN_OF_LIFE,
    () => client.query('select'),
    () => undefined,
  );
  await Promise.all([
    ended(client, signal).then(() => stop.abort()),
    living(stop.signal).catch((error) => {
      if (!isAbort(error)) throw error;
    }),
  ]);
}

/** Settles when the connection is gone or the signal aborts. */
export function ended(client: pg.Client, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      client.off('end', done);
      resolve();
    };
    client.on('end', done);
    signal.addEventListener('abort', done);
    if (signal.aborted) done();
  });
}
