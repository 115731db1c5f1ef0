/** Brings the schema up to date, back, or tells how it stands. */
import type { Knex } from 'knex';
import { MIGRATIONS, type Migration } from '../../migrations/index.ts';
import { MonitorError } from '../errors.ts';
import type { Database } from './database.ts';
import { lackingIn } from './fitness.ts';

export interface MigrationStatus {
  readonly applied: readonly string[];
  readonly pending: readonly string[];
  /** Applied by a newer program: this one does not know them. */
  readonly unknown: readonly string[];
}

/**
 * Applies what is missing and returns its names. Creates the schema where it does not exist. Safe to run at once from
 * several processes: one does it and the others wait.
 * @throws MonitorError DATABASE_OUTDATED where a newer program was here before, DATABASE_UNFIT where it cannot be recorded in.
 */
export async function migrateUp(database: Database): Promise<readonly string[]> {
  const lacking = await lackingIn(database);
  if (lacking.length > 0)
    throw new MonitorError('DATABASE_UNFIT', `the database cannot be recorded in: ${lacking.join('; ')}`);
  return exclusively(database, async (knex) => {
    await createSchema(database);
    refuseNewer(await migrationStatus(database));
    const [, names]: [number, string[]] = await knex.migrate.latest(settings(database));
    return names;
  });
}

/** Takes back the newest migration, or all: **what its tables hold is lost.** Returns the names. */
export async function migrateDown(
  database: Database,
  options: { readonly all?: boolean } = {},
): Promise<readonly string[]> {
  return exclusively(database, async (knex) => {
    const { applied, unknown } = await migrationStatus(database);
    refuseNewer({ unknown });
    const undone: string[] = [];
    for (let n = options.all ? applied.length : Math.min(1, applied.length); n > 0; n -= 1) {
      const [, names]: [number, string[]] = await knex.migrate.down(settings(database));
      undone.push(...names);
    }
    return undone;
  });
}

/** What is applied and what is not. Changes nothing. */
export async function migrationStatus(database: Database): Promise<MigrationStatus> {
  const { knex, schema } = database;
  const known = MIGRATIONS.map(({ name }) => name);
  const exists = await knex.schema.withSchema(schema).hasTable(TABLE);
  const rows: { name: string }[] = exists ? await knex.withSchema(schema).table(TABLE).orderBy('id') : [];
  const applied = rows.map(({ name }) => name);
  return {
    applied: applied.filter((name) => known.includes(name)),
    pending: known.filter((name) => !applied.includes(name)),
    unknown: applied.filter((name) => !known.includes(name)),
  };
}

const TABLE = 'migrations';

function settings({ schema }: Database): Knex.MigratorConfig {
  return {
    tableName: TABLE,
    schemaName: schema,
    migrationSource: {
      getMigrations: async () => [...MIGRATIONS],
      getMigrationName: (migration: Migration) => migration.name,
      getMigration: async (migration: Migration) => migration,
    },
  };
}

function refuseNewer({ unknown }: Pick<MigrationStatus, 'unknown'>): void {
  if (unknown.length === 0) return;
  const message = `the database was set up by a newer celerycam (${unknown.join(', ')}): update celerycam`;
  throw new MonitorError('DATABASE_OUTDATED', message);
}

/** One process at a time. The lock ends with its connection, so a process that was killed leaves none behind. */
async function exclusively<T>({ knex, schema }: Database, work: (knex: Knex) => Promise<T>): Promise<T> {
  return knex.transaction(async (lock) => {
    await lock.raw(`select pg_advisory_xact_lock(hashtext('celerycam migrations'), hashtext(?))`, [schema]);
    // knex keeps a lock of its own in a table, which outlives a killed process. Whoever is here is alone.
    const own = `${TABLE}_lock`;
    if (await knex.schema.withSchema(schema).hasTable(own))
      await knex.withSchema(schema).table(own).update('is_locked', 0);
    return work(knex);
  });
}

async function createSchema({ knex, schema }: Database): Promise<void> {
  // Asked first, because CREATE needs a right that somebody may lack for whom the schema was made.
  const { rows } = await knex.raw('select 1 from pg_namespace where nspname = ?', [schema]);
  if (rows.length === 0) await knex.raw('create schema ??', [schema]);
}
