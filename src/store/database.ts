/** The one connection pool, and the schema that it works in. */
import createKnex, { type Knex } from 'knex';
import pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import { MonitorError, reasonOf, redactUrl } from '../errors.ts';
import { Watch } from './watch.ts';

export interface DatabaseOptions {
  /** `postgres://user:password@host:port/name`. */
  readonly url: string;
  /** The Postgres schema that holds everything; it need not exist yet. */
  readonly schema: string;
  /** Connections at most: at least 2. @default 6 */
  readonly poolSize?: number;
  /** How long the server may be silent before it is asked whether it is still at work. @default 5 */
  readonly silence?: Seconds;
}

/** A database that answered once. It may go away and come back: every use of the pool connects anew where needed. */
export interface Database extends AsyncDisposable {
  readonly knex: Knex;
  readonly schema: string;
}

/** Seconds to wait for a connection. */
const CONNECT_TIMEOUT = 10;

/**
 * What the server, the database or the role may have set otherwise. How long work may take is bounded by us, and what a
 * timeout cuts would be tried again for ever; numbers must be read back as they were written; and what a broker was told
 * is recorded must outlive a crash of the server.
 */
const SESSION = `
  set statement_timeout = 0; set lock_timeout = 0; set extra_float_digits = 1; set datestyle = 'ISO';
  set default_transaction_isolation = 'read committed';
  select set_config('synchronous_commit', 'local', false) where current_setting('synchronous_commit') = 'off'`;

/**
 * Connects.
 * @throws MonitorError DATABASE_UNREACHABLE, also where the server refuses the login or has no such database;
 *   CONFIG_INVALID for a URL that cannot be read, a pooler that gives no sessions, a database whose encoding is not UTF-8.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, schema, poolSize = 6, silence = 5 } = options;
  const connection = connectionOf(url);
  const watch = new Watch(connection, silence);
  const knex = createPool(connection, watch, schema, poolSize);
  const close = async (): Promise<void> => {
    await knex.destroy();
    watch[Symbol.dispose]();
  };
  try {
    await haveOwnSessions(knex);
    const { rows } = await knex.raw('show server_encoding');
    const encoding: unknown = rows[0]?.server_encoding;
    if (encoding !== 'UTF8') {
      const hint = "create one with: CREATE DATABASE celerycam ENCODING 'UTF8' TEMPLATE template0";
      throw new MonitorError('CONFIG_INVALID', `the database is encoded in ${encoding}, expected UTF8; ${hint}`);
    }
  } catch (cause) {
    await close();
    if (cause instanceof MonitorError) throw cause;
    const message = `the database at ${redactUrl(url)} could not be reached: ${reasonOf(cause)}`;
    throw new MonitorError('DATABASE_UNREACHABLE', message, { cause });
  }
  return { knex, schema, [Symbol.asyncDispose]: close };
}

/** Two connections at once: the watch refuses the second where both have the same session. */
async function haveOwnSessions(knex: Knex): Promise<void> {
  const first: pg.Client = await knex.client.acquireConnection();
  try {
    await knex.client.releaseConnection(await knex.client.acquireConnection());
  } finally {
    await knex.client.releaseConnection(first);
  }
}

function connectionOf(url: string): pg.ClientConfig {
  try {
    new URL(url);
  } catch (cause) {
    const expected = 'expected postgres://user:password@host:port/database';
    throw new MonitorError('CONFIG_INVALID', `the database URL cannot be read; ${expected}`, { cause });
  }
  return {
    connectionString: url,
    application_name: 'celerycam',
    connectionTimeoutMillis: CONNECT_TIMEOUT * 1000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    types: { getTypeParser },
  };
}

function createPool(connection: pg.ClientConfig, watch: Watch, schema: string, poolSize: number): Knex {
  const afterCreate = (client: pg.Client, done: (error: unknown) => void): void => {
    const fail = (error: unknown): void => {
      // knex forgets it, but does not close it.
      client.end().catch(ignore);
      done(error);
    };
    client
      .query(SESSION)
      .then(() => watch.admit(client))
      .then(() => done(null), fail);
  };
  return createKnex({
    client: 'pg',
    connection: connection as Knex.PgConnectionConfig,
    searchPath: [schema],
    pool: { min: 0, max: poolSize, afterCreate },
    acquireConnectionTimeout: (CONNECT_TIMEOUT + 5) * 1000,
    // knex would write about connections that it replaces to the console; what matters of it reaches the caller.
    log: { warn: ignore, error: ignore, debug: ignore, deprecate: ignore },
  });
}

/** bigint as number: positions and ids are exact up to 2^53. */
function getTypeParser(oid: number, format?: 'text' | 'binary'): unknown {
  return oid === pg.types.builtins.INT8 ? Number : pg.types.getTypeParser(oid, format as 'text');
}

function ignore(): void {}
