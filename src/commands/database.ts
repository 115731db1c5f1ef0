/** The database as `doctor` sees it. */
import { existsSync } from 'node:fs';
import { reasonOf } from '../errors.ts';
import type { AsyncStack } from '../runtime.ts';
import { type DatabaseChoice, openConfigured } from '../store/configured.ts';
import { migrationStatus } from '../store/migrate.ts';
import type { SeenDatabase } from './findings.ts';

/** What `doctor` wants to know of the database. Changes nothing. */
export async function lookAtDatabase(options: DatabaseChoice, stack: AsyncStack): Promise<SeenDatabase> {
  const exists = options.url !== null || existsSync(options.dataDir);
  const seen = { exists, schema: options.schema, version: null, error: null, applied: 0, pending: [], unknown: [] };
  if (!exists) return seen;
  try {
    const database = await openConfigured(options, stack);
    const { rows } = await database.knex.raw('show server_version');
    const { applied, pending, unknown } = await migrationStatus(database);
    return { ...seen, version: String(rows[0].server_version), applied: applied.length, pending, unknown };
  } catch (error) {
    return { ...seen, error: reasonOf(error) };
  }
}
