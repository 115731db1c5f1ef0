import { expect, test } from 'vitest';
import { MonitorError } from '../../src/errors.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrateDown, migrateUp, migrationStatus } from '../../src/store/migrate.ts';
import { freshDatabase } from '../support/services.ts';

const NAMES = ['001_journal', '002_snapshots', '003_questions'];

/** Everything that a schema holds, with its columns. */
async function contents({ knex, schema }: Database): Promise<unknown> {
  const { rows } = await knex.raw(
    `select table_name, column_name, data_type from information_schema.columns
      where table_schema = ? and table_name not like 'migrations%' order by 1, 2`,
    [schema],
  );
  return rows;
}

test('up, down and up again leads to the same schema', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  expect(await migrationStatus(database)).toEqual({ applied: [], pending: NAMES, unknown: [] });
  expect(await migrateUp(database)).toEqual(NAMES);
  expect(await migrationStatus(database)).toEqual({ applied: NAMES, pending: [], unknown: [] });
  expect(await migrateUp(database)).toEqual([]);
  const before = await contents(database);
  expect(before).not.toEqual([]);
  expect(await migrateDown(database)).toEqual(['003_questions']);
  expect(await migrateDown(database, { all: true })).toEqual(['002_snapshots', '001_journal']);
  expect(await contents(database)).toEqual([]);
  expect(await migrateDown(database)).toEqual([]);
  await migrateUp(database);
  expect(await contents(database)).toEqual(before);
});

test('two schemas of one database live side by side', async () => {
  await using fresh = await freshDatabase();
  await using one = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await using other = await openDatabase({ url: fresh.url, schema: 'Other "one"' });
  await migrateUp(one);
  await migrateUp(other);
  await one.knex('journal_head').update({ position: 7 });
  expect(await other.knex('journal_head').first('position')).toEqual({ position: 0 });
  await migrateDown(other, { all: true });
  expect(await migrationStatus(one)).toMatchObject({ applied: NAMES });
});

test('four processes that start at once migrate once', async () => {
  await using fresh = await freshDatabase();
  const databases = await Promise.all(
    Array.from({ length: 4 }, () => openDatabase({ url: fresh.url, schema: 'celerycam', poolSize: 2 })),
  );
  const applied = await Promise.all(databases.map(migrateUp));
  expect(applied.filter((names) => names.length > 0)).toEqual([NAMES]);
  await Promise.all(databases.map((database) => database[Symbol.asyncDispose]()));
});

test('a lock that a killed process left behind does not stop the next', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  await migrateDown(database);
  await database.knex('migrations_lock').update({ is_locked: 1 });
  expect(await migrateUp(database)).toEqual(['003_questions']);
});

test('a schema of a newer program is refused', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  await database.knex('migrations').insert({ name: '999_future', batch: 9, migration_time: new Date() });
  expect(await migrationStatus(database)).toMatchObject({ unknown: ['999_future'] });
  for (const attempt of [migrateUp, migrateDown]) {
    const error = await attempt(database).catch((reason: unknown) => reason);
    expect(MonitorError.is(error, 'DATABASE_OUTDATED')).toBe(true);
    expect(error).toMatchObject({ message: expect.stringContaining('999_future') });
  }
});

test.each([
  ['nobody listens', 'postgres://postgres:hunter2@127.0.0.1:1/x', 'DATABASE_UNREACHABLE'],
  ['no such database', null, 'DATABASE_UNREACHABLE'],
  ['not a URL', 'hunter2', 'CONFIG_INVALID'],
])('opening where %s fails with a sentence and no password', async (_, given, code) => {
  await using fresh = await freshDatabase();
  const url = given ?? fresh.url.replace(/\/[^/]*$/, '/celerycam_absent');
  const error: unknown = await openDatabase({ url, schema: 'celerycam' }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain('hunter2');
});

test('a database that is not encoded in UTF-8 is refused', async () => {
  await using fresh = await freshDatabase();
  await using admin = await openDatabase({ url: fresh.url, schema: 'public' });
  const name = new URL(fresh.url).pathname.slice(1);
  await admin.knex.raw(
    `create database ${name}_latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0`,
  );
  const error: unknown = await openDatabase({ url: `${fresh.url}_latin`, schema: 'celerycam' }).catch(
    (e: unknown) => e,
  );
  await admin.knex.raw(`drop database ${name}_latin`);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('LATIN1') });
});
