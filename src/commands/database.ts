/** The configured database, for commands that need nothing else. */
import type { Config } from '../config.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import type { AsyncStack } from '../runtime.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { migrationStatus } from '../store/migrate.ts';
import type { SeenDatabase } from './findings.ts';

/** Opens it; the stack closes it. @throws MonitorError */
export async function openConfigured(options: Config['database'], stack: AsyncStack): Promise<Database> {
  const { url, schema } = options;
  if (url === null) throw new MonitorError('EMBEDDED_POSTGRES', 'the embedded Postgres is not there yet');
  return stack.use(await openDatabase({ url, schema }));
}

/** What `doctor` wants to know of it. Changes nothing. */
export async function lookAtDatabase(options: Config['database'], stack: AsyncStack): Promise<SeenDatabase> {
  const seen = { schema: options.schema, version: null, error: null, applied: 0, pending: [], unknown: [] };
  try {
    const database = await openConfigured(options, stack);
    const { rows } = await database.knex.raw('show server_version');
    const { applied, pending, unknown } = await migrationStatus(database);
    return { ...seen, version: String(rows[0].server_version), applied: applied.length, pending, unknown };
  } catch (error) {
    return { ...seen, error: reasonOf(error) };
  }
}
