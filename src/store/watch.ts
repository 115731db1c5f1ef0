/**
 * Finds connections whose other end has gone without a word (a network that went away, a proxy that froze), however long
 * work with them may rightly take: where one is silent the server is asked, over another, whether it works for it.
 */
import type { Socket } from 'node:net';
import pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { sqlState } from '../postgres.ts';

/** A connection of the pool, and the session that it has on the server. */
interface Session {
  readonly client: pg.Client;
  /** As `ID` names it; null until the server has told. */
  id: string | null;
  /** What had gone to and fro at the last look, in bytes. */
  moved: number;
}

/**
 * What names a session for ever: process ids come again. When it began is hidden from those who have changed their role
 * (`alter role … set role`, as for passwords that a vault gives out).
 */
const ID = `pid || '/' || coalesce(extract(epoch from backend_start)::text, '')`;

/** How long an answer that the server has sent may be on its way. */
const ON_THE_WAY: Seconds = 1;

const SHARED =
  'the address of the database is that of a pooler, by which connections share sessions (PgBouncer: pool_mode = transaction); ' +
  'name the server itself, or one with pool_mode = session';

export class Watch implements Disposable {
  readonly #config: pg.ClientConfig;
  readonly #timer: NodeJS.Timeout;
  readonly #sessions = new Set<Session>();
  /** Sessions whose connection broke. The server may not know, and they may hold locks. */
  readonly #lost = new Set<string>();
  #asking: pg.Client | null = null;

  /**
   * @param config how the connections are made
   * @param silence a connection that waits so long for the server, without a byte to or fro, is looked into
   */
  constructor(config: pg.ClientConfig, silence: Seconds) {
    const patience = silence * 1000;
    this.#config = { ...config, connectionTimeoutMillis: patience, query_timeout: patience };
    this.#timer = setInterval(() => void this.#look(), patience);
  }

  /**
   * For the pool: takes a new connection into care, and ends the sessions of those that were lost before it is used.
   * @throws MonitorError CONFIG_INVALID where another connection has the same session
   */
  async admit(client: pg.Client): Promise<void> {
    const session: Session = { client, id: null, moved: 0 };
    this.#sessions.add(session);
    client.on('end', () => this.#sessions.delete(session));
    client.on('error', () => {
      if (session.id !== null) this.#lost.add(session.id);
    });
    const query = `select ${ID} as id from pg_stat_activity where pid = pg_backend_pid()`;
    session.id = (await client.query<{ id: string }>(query)).rows[0]?.id ?? null;
    for (const other of this.#sessions) {
      // Locks, temporary tables and the schema in use belong to a session: here any transaction may get another one.
      if (other !== session && other.id === session.id) throw new MonitorError('CONFIG_INVALID', SHARED);
    }
    const lost = [...this.#lost];
    if (lost.length === 0) return;
    try {
      await client.query(`select pg_terminate_backend(pid, 5000) from pg_stat_activity where ${ID} = any($1)`, [lost]);
    } catch (error) {
      // A server that forbids it ends them in its own time.
      if (sqlState(error) === null) throw error;
    }
    for (const id of lost) this.#lost.delete(id);
  }

  async #look(): Promise<void> {
    if (this.#asking) return;
    const silent = [...this.#sessions].filter((session) => {
      const before = session.moved;
      session.moved = movedOf(session.client);
      return session.moved === before;
    });
    const waiting = silent.filter(({ client }) => isWaiting(client));
    if (waiting.length === 0) return;
    const working = await this.#working(waiting);
    const lives = ({ client, id, moved }: Session): boolean =>
      movedOf(client) !== moved || (id !== null && working.has(id));
    if (waiting.every(lives)) return;
    // Those that nobody waits for are no better than the others: whoever took one would have to find out again.
    for (const session of silent) if (!lives(session)) cut(session.client);
  }

  /** Of these, the sessions that the server works for; none where it does not answer. */
  async #working(sessions: readonly Session[]): Promise<ReadonlySet<string | null>> {
    const client = new pg.Client(this.#config);
    client.on('error', () => undefined);
    this.#asking = client;
    try {
      await client.connect();
      // One that waits for us has answered, or waits for what will never come.
      const { rows } = await client.query<{ id: string }>(
        `select ${ID} as id from pg_stat_activity where ${ID} = any($1)
          and coalesce(state, '') not like 'idle%' and coalesce(wait_event_type, '') <> 'Client'`,
        [sessions.map(({ id }) => id)],
      );
      const working = new Set(rows.map(({ id }) => id));
      if (working.size < sessions.length) await new Promise((resolve) => setTimeout(resolve, ON_THE_WAY * 1000));
      return working;
    } catch (error) {
      // One that refuses us lives, and what it works for is not known.
      return new Set(sqlState(error) === null ? [] : sessions.map(({ id }) => id));
    } finally {
      this.#asking = null;
      client.end().catch(() => undefined);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    if (this.#asking) cut(this.#asking);
  }
}

/** Breaks a connection: whoever uses it gets an error, and the pool throws it away. */
function cut(client: pg.Client): void {
  client.connection.stream.destroy(new Error('the database did not answer in time'));
}

/** Bytes to and fro, as far as the operating system has taken them. */
function movedOf(client: pg.Client): number {
  const { bytesRead, bytesWritten, writableLength } = client.connection.stream as Socket;
  return bytesRead + bytesWritten - writableLength;
}

/** It has asked and has no answer, and what came of it was read. */
function isWaiting(client: pg.Client & { readonly readyForQuery?: boolean }): boolean {
  return client.readyForQuery === false && (client.connection.stream as Socket).readableLength === 0;
}
