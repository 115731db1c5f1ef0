/** Databases that cannot be recorded in say so at the start; those with settings of their own are recorded in all the same. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrateUp } from '../../src/store/migrate.ts';
import { NOON, received, taskEvent } from '../support/database.ts';
import { type Fresh, freshDatabase } from '../support/services.ts';

const SIGNAL = new AbortController().signal;

let fresh: Fresh;
let admin: Database;
let name: string;
/** A user who owns nothing. */
let user: string;
beforeAll(async () => {
  fresh = await freshDatabase();
  admin = await openDatabase({ url: fresh.url, schema: 'public' });
  name = new URL(fresh.url).pathname.slice(1);
  user = `${name}_user`;
  await admin.knex.raw('create role ?? login', [user]);
  await admin.knex.raw('revoke all on database ?? from public', [name]);
  await admin.knex.raw('grant connect on database ?? to ??', [name, user]);
});
afterAll(async () => {
  await admin.knex.raw('drop owned by ?? cascade', [user]);
  await admin.knex.raw('drop role ??', [user]);
  await admin[Symbol.asyncDispose]();
  await fresh[Symbol.asyncDispose]();
});

async function openAsUser(schema: string): Promise<Database> {
  const url = new URL(fresh.url);
  url.username = user;
  return openDatabase({ url: url.href, schema });
}

test('what a user may not do is said, with what to type; once it is typed, all is well', async () => {
  await using database = await openAsUser('theirs');
  const refusal = (text: string) => ({ code: 'DATABASE_UNFIT', message: expect.stringContaining(text) });
  const schema = `create schema "theirs" authorization ${user}`;
  await expect(migrateUp(database)).rejects.toMatchObject(refusal(schema));
  const temporary = `grant temporary on database ${name} to ${user}`;
  await expect(migrateUp(database)).rejects.toMatchObject(refusal(temporary));
  await admin.knex.raw(schema);
  await admin.knex.raw(temporary);
  expect(await migrateUp(database)).not.toEqual([]);
});

test('a user for whom all is read-only, and a schema of somebody else', async () => {
  await admin.knex.raw('create schema other');
  await admin.knex.raw('alter role ?? set default_transaction_read_only = on', [user]);
  await using database = await openAsUser('other');
  await expect(migrateUp(database)).rejects.toMatchObject({ message: expect.stringContaining('read-only') });
  await expect(migrateUp(database)).rejects.toMatchObject({ message: expect.stringContaining('schema "other"') });
});

test('settings that would cut work, round numbers, or lose what was committed do not hold for us', async () => {
  const settings = {
    ...{ statement_timeout: '20ms', lock_timeout: '20ms', synchronous_commit: 'off', extra_float_digits: '-5' },
    ...{ datestyle: 'SQL, DMY', timezone: 'Asia/Kolkata', default_transaction_isolation: 'serializable' },
  };
  for (const [setting, value] of Object.entries(settings)) {
    await admin.knex.raw(`alter database ?? set ${setting} = '${value}'`, [name]);
  }
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  const journal = createJournal(database.knex, { retention: null, diagnostics: createDiagnostics() });
  const events = Array.from({ length: 10_000 }, (_, n) =>
    received(taskEvent('task-received', `u${n}`), { local_received: NOON + n / 7 }),
  );
  await journal.append(events, [], SIGNAL);
  const read: number[] = [];
  for await (const page of journal.read({ after: 0, upTo: events.length })) {
    read.push(...page.map(({ local_received }) => local_received));
  }
  expect(read).toEqual(events.map(({ local_received }) => local_received));
  expect((await database.knex.raw('show synchronous_commit')).rows).toEqual([{ synchronous_commit: 'local' }]);
});
