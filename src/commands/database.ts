/** The database as `doctor` sees it. */
import { existsSync } from 'node:fs';
import type { SeenDatabase } from '../domain/findings.ts';
import { reasonOf } from '../errors.ts';
import type { AsyncStack } from '../runtime.ts';
import { type DatabaseChoice, openConfigured } from '../store/configured.ts';
import { lookAt } from '../store/look.ts';

/** What `doctor` wants to know of the database. Changes nothing. */
export async function lookAtDatabase(options: DatabaseChoice, stack: AsyncStack): Promise<SeenDatabase> {
  const exists = options.url !== null || existsSync(options.dataDir);
  const nothing = { applied: 0, pending: [], unknown: [], lacking: [], periodic: null };
  const seen = { exists, schema: options.schema, version: null, error: null, ...nothing };
  if (!exists) return seen;
  try {
    return await lookAt(await openConfigured(options, stack));
  } catch (error) {
    return { ...seen, error: reasonOf(error) };
  }
}
