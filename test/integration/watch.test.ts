/** Connections to Postgres whose other end is gone without a word are told from those that wait for a slow server. */
import type { Knex } from 'knex';
import pg from 'pg';
import { expect, test } from 'vitest';
import { transaction } from '../../src/postgres.ts';
import { openDatabase } from '../../src/store/database.ts';
import { Watch } from '../../src/store/watch.ts';
import { openProxyTo } from '../support/proxy.ts';
import { freshDatabase } from '../support/services.ts';

/** Seconds: a server that takes longer is asked. */
const SILENCE = 0.2;

async function watched() {
  const fresh = await freshDatabase();
  const proxy = await openProxyTo(fresh.url);
  const schema = 'public';
  const database = await openDatabase({ url: proxy.url, schema, silence: SILENCE });
  const beside = await openDatabase({ url: fresh.url, schema });
  return {
    proxy,
    knex: database.knex,
    beside: beside.knex,
    async [Symbol.asyncDispose]() {
      for (const each of [database, beside, proxy, fresh]) await each[Symbol.asyncDispose]();
    },
  };
}

async function sessionOf(db: Knex): Promise<number> {
  return (await db.raw('select pg_backend_pid() as pid')).rows[0].pid;
}

test('what the server works for is left alone, and so is what nobody asked it for', async () => {
  await using all = await watched();
  const { knex, beside, proxy } = all;
  const idle = await knex.transaction();
  await beside.raw('create table t (x int)');
  const held = await beside.transaction();
  await held.raw('lock table t');
  const before = proxy.connections;
  const slow = knex.raw('select 1 as answer from pg_sleep(3)').then(({ rows }) => rows);
  const waiting = knex.raw('insert into t values (1)').then(() => undefined);
  // Each after the first few is a question.
  await expect.poll(() => proxy.connections, { timeout: 30_000 }).toBeGreaterThan(before + 5);
  await held.commit();
  await waiting;
  expect(await slow).toEqual([{ answer: 1 }]);
  await idle.commit();
});

test('a connection that is gone fails whoever waits, and the next one finds no lock of its session', async () => {
  await using all = await watched();
  const { knex, beside, proxy } = all;
  await beside.raw('create table t (x int)');
  const both = await Promise.all([knex.transaction(), knex.transaction()]);
  const before = await Promise.all(both.map(sessionOf));
  for (const each of both) await each.commit();
  const lost = transaction(knex, { seconds: 60 }, async (client) => {
    await client.query('lock table t');
    proxy.freeze();
    proxy.pass();
    await client.query('select 1');
  });
  await expect(lost).rejects.toThrow('did not answer in time');
  // The idle one was thrown away as well: nobody else has to find out.
  expect(before).not.toContain(await sessionOf(knex));
  await knex.raw(`set lock_timeout = '1ms'; insert into t values (1)`);
});

test('where nothing answers any more, whoever waits hears of it', async () => {
  await using all = await watched();
  const { knex, proxy } = all;
  const query = transaction(knex, { seconds: 60 }, async (client) => {
    proxy.freeze();
    await client.query('select 1');
  });
  await expect(query).rejects.toThrow('did not answer in time');
  proxy.pass();
  expect((await knex.raw('select 1 as answer')).rows).toEqual([{ answer: 1 }]);
});

test('two connections with one session, as behind a pooler of transactions, are refused', async () => {
  await using fresh = await freshDatabase();
  using watch = new Watch({ connectionString: fresh.url }, SILENCE);
  const client = new pg.Client({ connectionString: fresh.url });
  await client.connect();
  await watch.admit(client);
  await expect(watch.admit(client)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('pool_mode = session'),
  });
  await client.end();
});

test('one who works in another role, and may see nothing of their own sessions, is left alone as well', async () => {
  await using fresh = await freshDatabase();
  await using admin = await openDatabase({ url: fresh.url, schema: 'public' });
  const name = new URL(fresh.url).pathname.slice(1);
  await admin.knex.raw('create role ??; create role ?? login in role ??', [name, `${name}_in`, name]);
  await admin.knex.raw('alter role ?? set role = ??', [`${name}_in`, name]);
  try {
    const url = new URL(fresh.url);
    url.username = `${name}_in`;
    await using database = await openDatabase({ url: url.href, schema: 'public', silence: SILENCE });
    expect((await database.knex.raw('select current_user as who from pg_sleep(2)')).rows).toEqual([{ who: name }]);
  } finally {
    await admin.knex.raw('drop role ??, ??', [`${name}_in`, name]);
  }
});
