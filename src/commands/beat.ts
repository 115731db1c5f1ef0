/** `celerycam beat`: sends periodic tasks, and nothing else. */
import { createBeat } from '../beating.ts';
import type { Config } from '../config.ts';
import { createDiagnostics } from '../diagnostics.ts';
import { createJournal } from '../journal/postgres.ts';
import { type Logger, logDiagnostics } from '../log.ts';
import type { Database } from '../store/database.ts';
import { migrateUp } from '../store/migrate.ts';

/** Leads whenever it is its turn, until the signal aborts. @throws MonitorError */
export async function beat(config: Config, database: Database, log: Logger, signal: AbortSignal): Promise<void> {
  await migrateUp(database);
  const diagnostics = createDiagnostics();
  logDiagnostics(diagnostics, log);
  const epoch = await createJournal(database.knex, { ...config.journal, diagnostics }).epoch();
  const beat = createBeat(config, { db: database.knex, epoch, diagnostics });
  log.info({}, 'ready: leads when no other beat does');
  await beat.run(signal);
}
