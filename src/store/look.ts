/** The database as those see it who want to know whether all is well with it. */
import type { SeenDatabase } from '../domain/findings.ts';
import { reasonOf } from '../errors.ts';
import type { Database } from './database.ts';
import { lackingIn } from './fitness.ts';
import { migrationStatus } from './migrate.ts';

/** Changes nothing. Where it does not answer, that is what is seen. */
export async function lookAt(database: Database): Promise<SeenDatabase> {
  const seen = {
    exists: true,
    schema: database.schema,
    version: null,
    error: null,
    applied: 0,
    pending: [],
    unknown: [],
    lacking: [],
  };
  try {
    const { rows } = await database.knex.raw('show server_version');
    const { applied, pending, unknown } = await migrationStatus(database);
    const lacking = await lackingIn(database);
    return { ...seen, version: String(rows[0].server_version), applied: applied.length, pending, unknown, lacking };
  } catch (error) {
    return { ...seen, error: reasonOf(error) };
  }
}
