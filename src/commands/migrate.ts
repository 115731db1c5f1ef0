/** `celerycam migrate`: the database's schema, brought up to date, taken back, or told about. */

import type { Database } from '../store/database.ts';
import { migrateDown, migrateUp, migrationStatus } from '../store/migrate.ts';

export type Direction = 'up' | 'down' | 'status';

/** Does it and prints what was done. */
export async function migrate(database: Database, direction: Direction, all: boolean): Promise<void> {
  const print = (sign: string, names: readonly string[]): void => {
    for (const name of names) process.stdout.write(`${sign} ${name}\n`);
  };
  if (direction === 'up') print('applied', await migrateUp(database));
  if (direction === 'down') print('taken back', await migrateDown(database, { all }));
  const { applied, pending, unknown } = await migrationStatus(database);
  if (direction === 'status') {
    print('applied', applied);
    print('pending', pending);
    print('unknown to this program', unknown);
  }
  const rest = pending.length === 0 ? 'up to date' : `${pending.length} pending`;
  process.stdout.write(`schema ${database.schema}: ${applied.length} applied, ${rest}\n`);
}
