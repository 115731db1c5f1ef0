import type { Knex } from 'knex';
import pg from 'pg';
import { expect, test } from 'vitest';
import { unfitReason } from '../../src/domain/periodic.ts';
import { periodicRows } from '../../src/store/periodic-rows.ts';
import { type Migrated, migratedDatabase } from '../support/database.ts';

/** What an editor who knows of nothing does: other connection, no search path. */
async function edit(database: Migrated, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(statements.join(';'));
  } finally {
    await client.end();
  }
}

async function marker(knex: Knex): Promise<string> {
  return (await knex('djcelery_periodictasks').first(knex.raw('last_update::text')))?.last_update;
}

async function row(knex: Knex, name: string) {
  return periodicRows(knex).where({ 't.name': name }).first();
}

const INTERVAL = `insert into celerycam.djcelery_intervalschedule (id, every, period) values (1, 10, 'seconds')`;
const TASK = `insert into celerycam.djcelery_periodictask (name, task, interval_id) values ('one', 'app.add', 1)`;

test('every change by plain SQL moves the marker and tells who listens; the beat’s own counting does not', async () => {
  await using database = await migratedDatabase();
  const { knex, url } = database;
  const listener = new pg.Client({ connectionString: url });
  await listener.connect();
  let heard = 0;
  listener.on('notification', ({ channel }) => {
    if (channel === 'celerycam_periodic') heard += 1;
  });
  await listener.query('listen celerycam_periodic');
  const changes = async (...statements: string[]): Promise<boolean> => {
    const before = await marker(knex);
    const heardBefore = heard;
    await edit(database, ...statements);
    await listener.query('select 1');
    const after = await marker(knex);
    expect(heard > heardBefore).toBe(after !== before);
    expect(after >= before).toBe(true);
    return after !== before;
  };
  try {
    expect(await changes(INTERVAL, TASK)).toBe(true);
    expect(await changes(`update celerycam.djcelery_periodictask set args = '[1]'`)).toBe(true);
    expect(await changes(`update celerycam.djcelery_periodictask set args = '[1]'`)).toBe(false);
    expect(await changes(`update celerycam.djcelery_periodictask set last_run_at = now(), total_run_count = 5`)).toBe(
      false,
    );
    expect(await changes('update celerycam.djcelery_intervalschedule set every = 20')).toBe(true);
    expect(await changes('update celerycam.djcelery_intervalschedule set every = 20')).toBe(false);
    expect(await changes('begin', 'delete from celerycam.djcelery_periodictask', 'rollback')).toBe(false);
    expect(await changes('delete from celerycam.djcelery_periodictask')).toBe(true);
    expect(await changes(TASK)).toBe(true);
    expect(await changes('truncate celerycam.djcelery_periodictask cascade')).toBe(true);
    expect(await changes('delete from celerycam.djcelery_periodictasks', TASK)).toBe(true);
  } finally {
    await listener.end();
  }
});

test('a new schedule counts from its edit, anything else leaves it alone; a last run that is given counts', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const backdate = `update celerycam.djcelery_periodictask set scheduled_at = '2020-01-01Z'`;
  const isNew = async (statement: string): Promise<boolean> => {
    await edit(database, backdate, statement);
    return (await row(knex, 'one'))?.scheduled_at !== Date.UTC(2020, 0, 1) / 1000;
  };
  await edit(database, INTERVAL, TASK, `insert into celerycam.djcelery_crontabschedule (id) values (1)`);
  expect(await isNew(`update celerycam.djcelery_periodictask set args = '[2]', queue = 'q'`)).toBe(false);
  expect(await isNew(`update celerycam.djcelery_periodictask set enabled = false`)).toBe(false);
  expect(await isNew(`update celerycam.djcelery_periodictask set enabled = true`)).toBe(true);
  expect(await isNew(`update celerycam.djcelery_periodictask set start_time = '2030-01-01Z'`)).toBe(true);
  expect(await isNew(`update celerycam.djcelery_intervalschedule set every = 11`)).toBe(true);
  expect(await isNew(`update celerycam.djcelery_crontabschedule set minute = '5'`)).toBe(false);
  expect(await isNew(`update celerycam.djcelery_periodictask set interval_id = null, crontab_id = 1`)).toBe(true);
  await edit(
    database,
    `insert into celerycam.djcelery_periodictask (name, task, interval_id, last_run_at) values ('two', 't', 1, '2021-01-01Z')`,
  );
  expect((await row(knex, 'two'))?.scheduled_at).toBe(Date.UTC(2021, 0, 1) / 1000);
});

test('two that edit several tasks at once do not wait for each other’s marker', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await edit(database, INTERVAL, TASK, TASK.replace('one', 'two'));
  const first = await knex.transaction();
  const second = await knex.transaction();
  await first('djcelery_periodictask').where({ name: 'one' }).update({ args: '[1]' });
  await second('djcelery_periodictask').where({ name: 'two' }).update({ args: '[2]' });
  await second.commit();
  const between = await marker(knex);
  await first('djcelery_periodictask').where({ name: 'two' }).update({ kwargs: '{"a": 1}' });
  await first.commit();
  expect((await marker(knex)) > between).toBe(true);
});

test('rows as they are read, and what is wrong with each', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await edit(
    database,
    INTERVAL,
    `insert into celerycam.djcelery_intervalschedule (id, every, period) values
      (2, 1, 'weeks'), (3, 0, 'days'), (4, 99999, 'microseconds')`,
    `insert into celerycam.djcelery_crontabschedule (id, minute, day_of_month, month_of_year) values (1, '0', '30', '2')`,
    `insert into celerycam.djcelery_solarschedule (id, event, latitude, longitude) values (1, 'sunset', 52.5, 13.4)`,
    `insert into celerycam.djcelery_clockedschedule (id, clocked_time) values (1, '2026-11-24 12:00:00.123456Z'), (2, 'infinity')`,
  );
  const reasonOf = async (values: Readonly<Record<string, unknown>>): Promise<string | null> => {
    await knex('djcelery_periodictask').insert({ name: 'it', task: 'app.add', ...values });
    const read = await row(knex, 'it');
    await knex('djcelery_periodictask').where({ name: 'it' }).delete();
    return read ? unfitReason(read) : 'there is none';
  };
  expect(await reasonOf({ interval_id: 1 })).toBe(null);
  expect(await reasonOf({ solar_id: 1 })).toBe(null);
  expect(await reasonOf({ clocked_id: 1 })).toBe(null);
  const one = 'expected exactly one of interval, crontab, solar, clocked';
  expect(await reasonOf({})).toBe(`schedule: there is none; ${one}`);
  expect(await reasonOf({ interval_id: 1, solar_id: 1 })).toBe(`schedule: interval and solar; ${one}`);
  expect(await reasonOf({ interval_id: 2 })).toMatch('period: "weeks"; expected one of days, hours');
  expect(await reasonOf({ interval_id: 3 })).toBe('every: 0; expected a whole number of 1 or more');
  expect(await reasonOf({ interval_id: 4 })).toBe('every: 99999 microseconds; expected 0.1 seconds or more');
  expect(await reasonOf({ crontab_id: 1 })).toMatch('day_of_month: never due');
  expect(await reasonOf({ clocked_id: 2 })).toMatch('clocked_time: "Infinity"; expected a time from 1970 to 9999');
  expect(await reasonOf({ interval_id: 1, start_time: 'infinity' })).toMatch('start_time: expected a time');
  expect(await reasonOf({ interval_id: 1, args: '[1' })).toBe('args: "[1"; expected a JSON array');
  expect(await reasonOf({ interval_id: 1, args: '{}' })).toBe('args: "{}"; expected a JSON array');
  expect(await reasonOf({ interval_id: 1, kwargs: '[]' })).toBe('kwargs: "[]"; expected a JSON object');
  expect(await reasonOf({ interval_id: 1, headers: '{"a": [9007199254740993]}' })).toMatch('below 2^53');
  expect(await reasonOf({ interval_id: 1, priority: 256 })).toBe('priority: 256; expected 0 to 255');
  expect(await reasonOf({ interval_id: 1, task: '' })).toMatch('task: it is empty');
  expect(await reasonOf({ interval_id: 1, queue: '😀'.repeat(64) })).toBe('queue: expected 255 bytes at most');
  await knex('djcelery_periodictask').insert({ name: 'clocked', task: 't', clocked_id: 1 });
  expect((await row(knex, 'clocked'))?.schedules).toEqual([
    { kind: 'clocked', clocked_time: Date.UTC(2026, 10, 24, 12) / 1000 + 0.123456 },
  ]);
});
