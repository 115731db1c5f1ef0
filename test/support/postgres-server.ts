/** A Postgres server of a test's own, which it may stop without harm to others. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Embedded, openEmbedded } from '../../src/store/embedded.ts';

export interface PostgresServer extends AsyncDisposable {
  readonly url: string;
  /** At once, as `pg_ctl stop -m immediate` does: it recovers at the next start. Returns when it is gone. */
  stop(): Promise<void>;
  /** Returns when it answers. */
  start(): Promise<void>;
}

/** Starts one in a directory of its own. */
export async function openPostgresServer(): Promise<PostgresServer> {
  const directory = await mkdtemp(join(tmpdir(), 'celerycam-postgres-'));
  let server: Embedded | null = await openEmbedded(directory);
  const { url } = server;
  return {
    url,
    async stop() {
      const lock = await readFile(join(directory, 'postgres', 'postmaster.pid'), 'utf8');
      process.kill(Number.parseInt(lock, 10), 'SIGQUIT');
      await server?.[Symbol.asyncDispose]();
      server = null;
    },
    async start() {
      server = await openEmbedded(directory);
    },
    async [Symbol.asyncDispose]() {
      await server?.[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
