/** `celerycam periodic`, as it is typed: the built program against a real database, and Django's tables in it. */
import { execFile, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Migrated, migratedDatabase } from '../support/database.ts';
import { scratch } from '../support/scratch.ts';
import { PYTHON } from '../support/services.ts';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;
const HOSTILE = `'; drop table x; --\u001b[31m\n"<b>`;

let database: Migrated;

beforeAll(async () => {
  database = await migratedDatabase();
});

afterAll(() => database[Symbol.asyncDispose]());

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function periodic(args: readonly string[], input = ''): Promise<Outcome> {
  const child = spawn(process.execPath, [CLI, 'periodic', ...args, '--database', database.url], {
    env: { PATH: process.env['PATH'], HOME: scratch() },
  });
  const out = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (out.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (out.stderr += text));
  child.stdin.on('error', () => {}).end(input);
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { code, ...out };
}

/** What it prints when it succeeds. */
async function told(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await periodic(args);
  expect([args[0], code, stderr]).toEqual([args[0], 0, '']);
  return stdout;
}

describe('one task', () => {
  test('from nothing to a task, and back', async () => {
    expect(await told('list')).toMatch(/^there are none/);
    const settings = ['--args', '[1, 2]', '--queue', 'slow', '--catch-up', '3', '--one-off', 'no'];
    expect(await told('add', 'sweep', '--task', 'shop.sweep', '--every', '90s', ...settings)).toMatch(
      /^made sweep: next due 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC\n$/,
    );
    expect(await told('set', 'sweep', '--crontab', '30 4 1,15 * mon-fri', '--timezone', 'Europe/Berlin')).toMatch(
      /^changed sweep: next due/,
    );
    const [task] = (await told('list', '--json')).trim().split('\n');
    expect(JSON.parse(String(task))).toMatchObject({
      ...{
        name: 'sweep',
        task: 'shop.sweep',
        args: '[1, 2]',
        queue: 'slow',
        catch_up: 3,
        one_off: false,
        enabled: true,
      },
      schedule: {
        kind: 'crontab',
        minute: '30',
        hour: '4',
        day_of_month: '1,15',
        month_of_year: '*',
        day_of_week: 'mon-fri',
      },
    });
    expect(await told('list')).toMatch(/sweep +shop\.sweep +30 4 1,15 \* mon-fri Europe\/Berlin +20\d\d-/);
    expect(await told('disable', 'sweep')).toBe('disabled sweep: disabled\n');
    expect(await told('list')).toMatch(/disabled\n$/);
    expect(await told('enable', 'sweep')).toMatch(/^enabled sweep: next due/);
    expect(await told('set', 'sweep', '--queue', 'none', '--name', 'sweep 2')).toMatch(/^changed sweep 2: /);
    const shown = await told('show', 'sweep 2');
    expect(shown).toMatch(/^queue *$/m);
    expect(shown).toMatch(/\ndue\n( {2}20\d\d-\d\d-\d\dT04:30:00\.000\+0[12]:00\n){10}\nno runs yet\n$/);
    expect(await told('next', 'sweep 2', '--count', '2')).toMatch(/^30 4 .* Europe\/Berlin\n( {2}\S+\n){2}$/);
    expect(await told('delete', 'sweep 2')).toBe('deleted sweep 2\n');
    expect(await periodic(['show', 'sweep 2'])).toMatchObject({
      code: 1,
      stderr: 'celerycam: there is no periodic task "sweep 2"\n',
    });
  });

  test.each<[readonly string[], number, RegExp]>([
    [['add', 'x', '--every', '1s'], 2, /^celerycam: --task: expected a text\n$/],
    [['add', 'x', '--task', 't', '--every', '1us'], 2, /every: 1 microseconds; expected 0.1 seconds or more/],
    [['next'], 2, /expected the name of a task, or a schedule/],
    [['next', '--every', '1s', '--count', '0'], 2, /--count: got "0", expected a whole number from 1 to 1000/],
    [['import', '/nowhere.json'], 1, /\/nowhere.json could not be read/],
  ])('%j says what is wrong', async (args, code, error) => {
    expect(await periodic(args)).toEqual({ code, stdout: '', stderr: expect.stringMatching(error) });
  });

  test('a name that is hostile does nothing to the terminal or the database', async () => {
    expect(await told('add', HOSTILE, '--task', HOSTILE, '--every', '1d')).toContain(
      `made '; drop table x; --␛[31m␊"<b>: next`,
    );
    expect(await told('list')).toContain(`'; drop table x; --␛[31m␊"<b>`);
    expect(await periodic(['add', HOSTILE, '--task', 't', '--every', '1d'])).toMatchObject({ code: 2 });
    await told('delete', HOSTILE);
  });
});

/** As django-celery-beat 2.4 makes them. */
const DJANGO = `
  create table django_celery_beat_intervalschedule (id serial primary key, every integer not null, period varchar(24) not null);
  create table django_celery_beat_crontabschedule (id serial primary key, minute varchar(240) not null, hour varchar(96) not null,
    day_of_week varchar(64) not null, day_of_month varchar(124) not null, month_of_year varchar(64) not null, timezone varchar(63) not null);
  create table django_celery_beat_solarschedule (id serial primary key, event varchar(24) not null, latitude numeric(9,6) not null, longitude numeric(9,6) not null);
  create table django_celery_beat_clockedschedule (id serial primary key, clocked_time timestamptz not null);
  create table django_celery_beat_periodictask (
    id serial primary key, name varchar(200) not null unique, task varchar(200) not null, args text not null, kwargs text not null,
    queue varchar(200), exchange varchar(200), routing_key varchar(200), expires timestamptz, enabled boolean not null, last_run_at timestamptz,
    total_run_count integer not null, date_changed timestamptz not null, description text not null, crontab_id integer, interval_id integer,
    solar_id integer, one_off boolean not null, start_time timestamptz, priority integer, headers text not null, clocked_id integer, expire_seconds integer);
  insert into django_celery_beat_intervalschedule values (1, 10, 'seconds');
  insert into django_celery_beat_crontabschedule values (1, '0', '4', '*', '*', '*', 'Europe/Berlin');
  insert into django_celery_beat_solarschedule values (1, 'sunset', 52.5, 13.4);
  insert into django_celery_beat_clockedschedule values (1, '2080-01-01 12:00:00.123456Z');
  insert into django_celery_beat_periodictask (name, task, args, kwargs, queue, expires, enabled, last_run_at, total_run_count, date_changed, description,
      interval_id, crontab_id, solar_id, clocked_id, one_off, start_time, priority, headers, expire_seconds) values
    ('interval', 'app.add', '[9007199254740993]', '{}', '', '2090-01-01 00:00:00.5Z', true, '2026-01-01Z', 7, now(), 'd', 1, null, null, null, false, null, 5, '{"a": 1}', 30),
    ('crontab', 'app.add', '[]', '{"a": 1}', 'q', null, false, null, 0, now(), '', null, 1, null, null, false, '2026-02-01 00:00Z', null, '{}', null),
    ('solar', 'app.add', '[]', '{}', null, null, true, null, 0, now(), '', null, null, 1, null, false, null, null, '{}', null),
    ('clocked', 'app.add', '[]', '{}', null, null, true, null, 0, now(), '', null, null, null, 1, true, null, null, '{}', null),
    ('bad json', 'app.add', '[1', '{}', null, null, true, null, 0, now(), '', 1, null, null, null, false, null, null, '{}', null),
    ('no schedule', 'app.add', '[]', '{}', null, null, true, null, 0, now(), '', null, null, null, null, false, null, null, '{}', null),
    ('two schedules', 'app.add', '[]', '{}', null, null, true, null, 0, now(), '', 1, 1, null, null, false, null, null, '{}', null),
    ('for ever', 'app.add', '[]', '{}', null, 'infinity', true, null, 0, now(), '', 1, null, null, null, false, null, null, '{}', null),
    ('${HOSTILE.replaceAll("'", "''")}', 'app.add', '[]', '{}', null, null, true, null, 0, now(), '', 1, null, null, null, false, null, null, '{}', null);`;

/** As django-celery makes them: no zones, and fewer columns. */
const DJCELERY = `create schema old;
  create table old.djcelery_intervalschedule (id serial primary key, every integer not null, period varchar(24) not null);
  create table old.djcelery_crontabschedule (id serial primary key, minute varchar(64) not null, hour varchar(64) not null,
    day_of_week varchar(64) not null, day_of_month varchar(64) not null, month_of_year varchar(64) not null);
  create table old.djcelery_periodictask (id serial primary key, name varchar(200) not null unique, task varchar(200) not null, interval_id integer,
    crontab_id integer, args text not null, kwargs text not null, queue varchar(200), exchange varchar(200), routing_key varchar(200), expires timestamptz,
    enabled boolean not null, last_run_at timestamptz, total_run_count integer not null, date_changed timestamptz not null, description text not null);
  insert into old.djcelery_crontabschedule values (1, '0', '4', '*', '*', '*');
  insert into old.djcelery_periodictask values (1, 'old nightly', 'app.add', null, 1, '[]', '{}', null, null, null, null, true, null, 0, now(), '');`;

describe('import', () => {
  const imported = async () =>
    (await told('list', '--json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);

  test('from the tables of django-celery-beat: first it is said, then done, and again it is the same', async () => {
    await database.knex.raw(`set search_path to public; ${DJANGO}; set search_path to celerycam`);
    const plan = await periodic(['import']);
    expect(plan.code).toBe(0);
    expect(plan.stdout.replace(/ {2,}/g, '  ').split('\n')).toEqual([
      `add  '; drop table x; --␛[31m␊"<b>  app.add, every 10 seconds`,
      'skip  bad json  args: "[1"; expected a JSON array',
      'add  clocked  app.add, once at 2080-01-01T12:00:00.123Z',
      'add  crontab  app.add, 0 4 * * * Europe/Berlin, disabled',
      expect.stringMatching(/^skip {2}for ever +expires: expected a number$/),
      'add  interval  app.add, every 10 seconds',
      'skip  no schedule  schedule: expected an object whose kind is interval, crontab, solar or clocked',
      'add  solar  app.add, sunset at 52.5, 13.4',
      'skip  two schedules  schedule: expected an object whose kind is interval, crontab, solar or clocked',
      'would be: 5 added, 0 overwritten, 0 the same, 0 left as they differ, 4 skipped. Nothing was changed; --apply does it',
      '',
    ]);
    expect(plan.stderr).toMatch(/Do not run Celery's beat and celerycam's on the same tasks/);
    expect(await told('list')).toMatch(/^there are none/);

    const start = Date.now() / 1000;
    expect((await periodic(['import', '--apply'])).stdout).toMatch(
      /\n5 added, 0 overwritten, 0 the same, .* 4 skipped\n$/,
    );
    const tasks = new Map((await imported()).map((task) => [task['name'], task]));
    expect(tasks.size).toBe(5);
    expect(tasks.get('interval')).toMatchObject({
      ...{
        args: '[9007199254740993]',
        queue: null,
        expires: Date.UTC(2090, 0, 1) / 1000 + 0.5,
        priority: 5,
        headers: '{"a": 1}',
      },
      ...{ expire_seconds: 30, description: 'd', total_run_count: 7, last_run_at: Date.UTC(2026, 0, 1) / 1000 },
    });
    // Nothing from before is made up.
    expect(tasks.get('interval')?.['scheduled_at']).toBeGreaterThan(start - 1);
    expect(tasks.get('crontab')).toMatchObject({
      enabled: false,
      kwargs: '{"a": 1}',
      start_time: Date.UTC(2026, 1, 1) / 1000,
    });
    expect(tasks.get('clocked')).toMatchObject({
      one_off: true,
      schedule: { kind: 'clocked', clocked_time: Date.UTC(2080, 0, 1, 12) / 1000 + 0.123456 },
    });
    expect((await periodic(['import', '--apply'])).stdout).toMatch(/\n0 added, 0 overwritten, 5 the same, 0 left/);
    expect((await imported()).length).toBe(5);
  });

  test('what differs is left alone, unless it is to be overwritten', async () => {
    await told('set', 'interval', '--args', '[5]');
    expect((await periodic(['import', '--apply'])).stdout).toMatch(
      /^differs +interval +args: --overwrite takes it over$/m,
    );
    expect(await told('show', 'interval')).toMatch(/^args +\[5\]$/m);
    expect((await periodic(['import', '--apply', '--overwrite'])).stdout).toMatch(/^overwrite +interval +args$/m);
    expect(await told('show', 'interval')).toMatch(/^args +\[9007199254740993\]$/m);
  });

  test('from the tables of django-celery, in another schema', async () => {
    await database.knex.raw(DJCELERY);
    expect(await periodic(['import'])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /found old\.djcelery_periodictask, public\.django_celery_beat_periodictask: see --from/,
      ),
    });
    const { stdout } = await periodic(['import', '--from-schema', 'old', '--timezone', 'Asia/Kolkata', '--apply']);
    expect(stdout).toMatch(/^add {2}old nightly {2}app\.add, 0 4 \* \* \* Asia\/Kolkata\n1 added/);
    const elsewhere = await periodic([
      'import',
      '--from',
      database.url,
      '--from-schema',
      'old',
      '--timezone',
      'Asia/Kolkata',
    ]);
    expect(elsewhere.stdout).toMatch(/^same +old nightly/);
  });

  test('from a beat_schedule, as a real Celery app has it', async () => {
    const home = scratch();
    writeFileSync(
      join(home, 'proj.py'),
      `from datetime import timedelta
from celery import Celery
from celery.schedules import crontab, solar
app = Celery('proj')
app.conf.timezone = 'Europe/London'
app.conf.beat_schedule = {
    'every': {'task': 'app.add', 'schedule': 30.0, 'args': (16, 16)},
    'delta': {'task': 'app.add', 'schedule': timedelta(seconds=1.5), 'kwargs': {'a': [1, None, 'ü']}},
    'cron': {'task': 'app.add', 'schedule': crontab(hour=7, minute='*/15', day_of_week='mon,fri'), 'options': {'queue': 'q', 'expires': 60, 'priority': 3}},
    'set': {'task': 'app.add', 'schedule': crontab(minute={0, 30})},
    'sun': {'task': 'app.add', 'schedule': solar('sunset', -37.81753, 144.96715)},
    'odd': {'task': 'app.add', 'schedule': 10, 'options': {'countdown': 5}},
    'big': {'task': 'app.add', 'schedule': 10, 'args': (2**60,)},
}
`,
    );
    const script = new URL('../../examples/beat_schedule.py', import.meta.url).pathname;
    const { stdout: json } = await promisify(execFile)(PYTHON, [script, 'proj:app'], { cwd: home });
    const plan = await periodic(['import', '-'], json);
    expect(plan.stdout.split('\n').slice(0, -2)).toEqual([
      'add   every  app.add, every 30 seconds',
      'add   delta  app.add, every 1500000 microseconds',
      'add   cron   app.add, */15 7 * * mon,fri Europe/London',
      'add   set    app.add, 0,30 * * * * Europe/London',
      'add   sun    app.add, sunset at -37.81753, 144.96715',
      'skip  odd    there is no field "options.countdown" here',
      'skip  big    args: it holds a whole number beyond 2^53, which JSON does not keep',
    ]);
    await periodic(['import', '-', '--apply'], json);
    const cron = (await imported()).find(({ name }) => name === 'cron');
    expect(cron).toMatchObject({ queue: 'q', expire_seconds: 60, priority: 3, kwargs: '{}' });
    expect((await periodic(['import', '-', '--apply'], json)).stdout).toMatch(/5 the same/);
  });

  test.each<[string, RegExp]>([
    ['[]', /expected an object: name → entry/],
    ['{"a": ', /is no JSON/],
  ])('%s is no beat_schedule', async (json, error) => {
    expect(await periodic(['import', '-'], json)).toMatchObject({ code: 2, stderr: expect.stringMatching(error) });
  });
});
