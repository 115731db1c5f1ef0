/** Result tables of every shape, made by SQL: found, read, expired, and left alone where they are somebody else's. */
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GroupAnswer, ResultRecord } from '../../src/contract/results.ts';
import type { TaskAnswer } from '../../src/contract/routes.ts';
import { writePickle } from '../../src/domain/pickle-write.ts';
import { openResults } from '../../src/library/results.ts';
import { toPython } from '../../src/python-data.ts';
import { now } from '../../src/runtime.ts';
import { cleanup } from '../../src/store/cleanup.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { migrateDown, migrateUp } from '../../src/store/migrate.ts';
import { OPTIONS } from '../support/camera.ts';
import { event, openSender } from '../support/receiving.ts';
import { Running } from '../support/running.ts';
import { scratch } from '../support/scratch.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const pickled = (value: unknown): Buffer => Buffer.from(writePickle(toPython(value)));

const DJANGO = `
  create table django_celery_results_taskresult (
    id serial primary key, task_id varchar(255) not null unique, status varchar(50) not null, content_type varchar(128) not null,
    content_encoding varchar(64) not null, result text, date_done timestamptz not null, traceback text, meta text, task_args text,
    task_kwargs text, task_name varchar(255), worker varchar(100), date_created timestamptz not null, periodic_task_name varchar(255));
  create table django_celery_results_groupresult (
    id serial primary key, group_id varchar(255) not null unique, date_created timestamptz not null, date_done timestamptz not null,
    content_type varchar(128) not null, content_encoding varchar(64) not null, result text);
  insert into django_celery_results_taskresult (task_id, status, content_type, content_encoding, result, date_done, traceback,
      meta, task_args, task_kwargs, task_name, worker, date_created) values
    ('d1', 'SUCCESS', 'application/json', 'utf-8', '{"n": [1, 12345678901234567890]}', 'epoch', null,
      '{"children": [[["child", null], null]]}', '"(2, 3)"', '"{}"', 'app.add', 'w1', 'epoch'),
    ('d2', 'FAILURE', 'application/json', 'utf-8', '{"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}',
      'epoch', 'Traceback', null, null, null, null, null, 'epoch'),
    ('d3', 'SUCCESS', 'application/x-python-serialize', 'binary', 'gAVLBS4=', 'epoch', null, null, null, null, null, null, 'epoch'),
    ('d4', 'SUCCESS', 'application/x-msgpack', 'binary', 'kg==', 'epoch', null, null, null, null, null, null, 'epoch');
  insert into django_celery_results_groupresult (group_id, date_created, date_done, content_type, content_encoding, result)
    values ('dg', 'epoch', 'epoch', 'application/json', 'utf-8', '[["dg", null], [[["d1", null], null], [["g2", null], [[["d3", null], null]]]]]');
`;

/** As django-celery 3.3 made it. */
const DJCELERY = `
  create table celery_taskmeta (
    id serial primary key, task_id varchar(255) not null unique, status varchar(50) not null, result text,
    date_done timestamptz not null, traceback text, hidden boolean not null, meta text);
  insert into celery_taskmeta (task_id, status, result, date_done, hidden) values ('j1', 'SUCCESS', 'gAJLBy4=', 'epoch', false);
`;

interface Served extends AsyncDisposable {
  readonly running: Running;
  get<T>(path: string): Promise<T>;
}

/** The program over a database in which `sql` was run before, or after. */
async function serve(flags: Record<string, string>, broker: string, database: string): Promise<Served> {
  const running = new Running({ broker: [broker], database, ...flags });
  await running.next('receiver:ready');
  return {
    running,
    get: async <T>(path: string) => (await (await fetch(running.url + path)).json()) as T,
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose](),
  };
}

async function inPublic(url: string, work: (database: Database) => Promise<unknown>): Promise<void> {
  await using database = await openDatabase({ url, schema: 'public' });
  await work(database);
}

test("django-celery-results' tables, and a table of django-celery's", async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using served = await serve({}, vhost.url, database.url);
  const { get } = served;
  expect(await get('/api/results/d1')).toMatchObject({ status: 'PENDING', table: null });
  // They may come at any time.
  await inPublic(database.url, ({ knex }) => knex.raw(DJANGO + DJCELERY));
  expect(await get<ResultRecord>('/api/results/d1')).toEqual({
    ...{ task_id: 'd1', status: 'SUCCESS', result: { n: [1, '12345678901234567890'] }, problem: null, opaque: [] },
    ...{ text: '{"n": [1, 12345678901234567890]}', traceback: null, date_done: 0, name: 'app.add', args: '(2, 3)' },
    ...{ kwargs: '{}', worker: 'w1', retries: null, queue: null, children: ['child'] },
    table: 'public.django_celery_results_taskresult',
  });
  expect(await get('/api/results/d2')).toMatchObject({
    ...{ status: 'FAILURE', traceback: 'Traceback', text: "ValueError('no')" },
    result: { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' },
  });
  expect(await get('/api/results/d3')).toMatchObject({ result: 5, text: '5' });
  expect(await get('/api/results/d4')).toMatchObject({ result: null, problem: expect.stringContaining('x-msgpack') });
  expect(await get<GroupAnswer>('/api/groups/dg')).toMatchObject({
    ...{
      total: 2,
      completed_count: 2,
      ready: true,
      successful: true,
      result: [{ n: [1, '12345678901234567890'] }, [5]],
    },
    table: 'public.django_celery_results_groupresult',
  });
  expect(await get('/api/results/j1')).toMatchObject({ result: 7, table: 'public.celery_taskmeta' });
  expect(await get('/api/groups/nobody')).toEqual({ error: 'no group "nobody" was saved' });
  // What no Celery since 4 can store into is said, and not changed.
  await expect(openResults(database.url)).rejects.toThrow('public.celery_taskmeta is a table of django-celery');
});

test('a table of django-celery is said at the start', async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await inPublic(database.url, ({ knex }) => knex.raw(DJCELERY));
  await using served = await serve({}, vhost.url, database.url);
  expect(served.running.logged).toContainEqual({
    ...{ level: 'warn', fields: { table: 'public.celery_taskmeta' } },
    message: expect.stringContaining('a table of django-celery'),
  });
});

test('a table that may not be read is told to be so, and not to hold nothing', async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  const login = `celerycam_${randomBytes(4).toString('hex')}`;
  await inPublic(database.url, async ({ knex }) => {
    await knex.raw(
      `${DJANGO}; create role ${login} login password 'secret'; create schema celerycam authorization ${login}`,
    );
  });
  try {
    const url = new URL(database.url);
    Object.assign(url, { username: login, password: 'secret' });
    await using served = await serve({}, vhost.url, url.href);
    const problem = expect.stringContaining('public.django_celery_results_taskresult may not be read: grant');
    expect(await served.get('/api/results/d1')).toMatchObject({ status: 'PENDING', table: null, problem });
    expect(await served.get('/api/groups/dg')).toMatchObject({ error: expect.stringContaining('may not be read') });
    expect(served.running.logged).toContainEqual({ level: 'warn', fields: {}, message: problem });
  } finally {
    await inPublic(database.url, ({ knex }) => knex.raw(`drop owned by ${login} cascade; drop role ${login}`));
  }
});

test('what means harm is told to be no result, and what is too large how large it is', async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using served = await serve({}, vhost.url, database.url);
  const insert = `insert into celerycam.celery_taskmeta (id, task_id, status, result)
    values (nextval('celerycam.task_id_sequence'), $1, 'SUCCESS', $2)`;
  const { running, get } = served;
  await running.query(insert, 'system', Buffer.from("cos\nsystem\n(S'touch /tmp/celerycam-was-here'\ntR."));
  await running.query(insert, 'cut', pickled([1, 2, 3]).subarray(0, 12));
  await running.query(insert, 'large', pickled('x'.repeat(5_000_000)));
  await running.query(insert, 'longer', pickled('x'.repeat(900_000)));
  expect(await get('/api/results/system')).toMatchObject({ result: { __type__: 'os.system' }, opaque: ['os.system'] });
  await running.query(
    `insert into celerycam.celery_tasksetmeta (id, taskset_id, result) values (1, 'no group', $1)`,
    pickled([1]),
  );
  await using results = await openResults(database.url, { schema: 'celerycam' });
  const unreadable = 'what is saved as the group "no group" is no result of a group';
  expect(await get('/api/groups/no%20group')).toEqual({ error: unreadable });
  await expect(results.restoreGroup('no group')).rejects.toMatchObject({
    code: 'RESULT_UNREADABLE',
    message: unreadable,
  });
  await results.store('nothing', undefined);
  expect(await results.get('nothing')).toMatchObject({ status: 'SUCCESS', result: null, text: 'None' });
  await expect(results.store('wrong', 'no', { status: 'FAILURE' })).rejects.toMatchObject({ code: 'VALUE_REFUSED' });
  expect(await get('/api/results/cut')).toMatchObject({ result: null, problem: expect.stringMatching(/^the pickle /) });
  expect(await get('/api/results/large')).toMatchObject({ problem: expect.stringContaining('5000008 bytes') });
  expect(await get('/api/results/longer')).toMatchObject({ result: 'x'.repeat(900_000) });
  for (const wrong of ['1h', '-1', 'soon']) {
    expect(await get(`/api/results/x?wait=${wrong}`)).toMatchObject({
      parameter: 'wait',
      error: expect.stringContaining('5s'),
    });
  }
});

test('a hundred who wait look once, all are answered, and one who goes away waits no more', async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  await using served = await serve({ rateLimit: '10000/s' }, vhost.url, database.url);
  const { running, get } = served;
  const ids = Array.from({ length: 100 }, (_, n) => `w${n}`);
  const gone = new AbortController();
  const lost = fetch(`${running.url}/api/results/lost?wait=60s`, { signal: gone.signal }).catch(() => 'gone');
  const waiting = ids.map((id) => get<ResultRecord>(`/api/results/${id}?wait=60s`));
  gone.abort();
  expect(await lost).toBe('gone');
  const before = await running.query<{ n: string }>(
    `select count(*) as n from pg_stat_activity where application_name = 'celerycam'`,
  );
  expect(Number(before[0]?.n)).toBeLessThan(20);
  await running.query(
    `insert into celerycam.celery_taskmeta (id, task_id, status, result, date_done)
      select nextval('celerycam.task_id_sequence'), 'w' || n, 'SUCCESS', $1, now() from generate_series(0, 99) n`,
    pickled('done'),
  );
  expect((await Promise.all(waiting)).every(({ result }) => result === 'done')).toBe(true);
});

test('results expire in tables that celerycam made, and in others only where that is asked for', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  await using _ = await openResults(fresh.url);
  const left = async (): Promise<readonly string[]> => {
    const { rows } = await database.knex.raw(
      `select 'ours ' || task_id as id from celerycam.celery_taskmeta union all
        select 'theirs ' || task_id from public.celery_taskmeta union all
        select 'group ' || taskset_id from celerycam.celery_tasksetmeta order by 1`,
    );
    return rows.map(({ id }: { id: string }) => id);
  };
  for (const schema of ['celerycam', 'public']) {
    await database.knex.raw(`insert into ${schema}.celery_taskmeta (id, task_id, status, date_done) values
      (1, 'old', 'SUCCESS', now() at time zone 'utc' - interval '25 hours'),
      (2, 'new', 'SUCCESS', now() at time zone 'utc' - interval '23 hours'), (3, 'started', 'STARTED', null)`);
  }
  await database.knex.raw(`insert into celerycam.celery_tasksetmeta (id, taskset_id, date_done)
    values (1, 'old', now() at time zone 'utc' - interval '25 hours')`);
  const run = (expires: number | null) => {
    const results = { schemas: ['celerycam', 'public'], expires };
    return cleanup(database.knex, { ...OPTIONS, results }, now());
  };
  const rest = ['ours new', 'ours started', 'theirs new', 'theirs started'];
  expect((await run(Infinity)).results).toBe(0);
  expect((await run(null)).results).toBe(2);
  expect(await left()).toEqual([...rest, 'theirs old'].sort());
  expect((await run(86_400)).results).toBe(1);
  expect(await left()).toEqual(rest);
  expect((await run(3600)).results).toBe(2);
});

test('tables that a worker made in our schema stay when the migration is taken back', async () => {
  await using fresh = await freshDatabase();
  await using database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  await migrateDown(database, { all: true });
  const { rows: none } = await database.knex.raw(
    `select relname from pg_class where relname ~ 'celery_task|task.*sequence'`,
  );
  expect(none).toEqual([]);
  await using _ = await openResults(fresh.url, { schema: 'celerycam' });
  await migrateUp(database);
  await migrateDown(database, { all: true });
  const { rows } = await database.knex.raw(
    `select relname from pg_class where relname ~ '^celery_task.*meta$' order by 1`,
  );
  expect(rows).toEqual([{ relname: 'celery_taskmeta' }, { relname: 'celery_tasksetmeta' }]);
});

test('what rules hide in events, they hide in what is stored whole', async () => {
  await using database = await freshDatabase();
  await using vhost = await freshVhost();
  const redact = join(scratch(), 'redact.yml');
  writeFileSync(redact, 'rules:\n  - path: result.token\n  - task: accounts.*\n    fields: [result]\n');
  await using served = await serve({ redact }, vhost.url, database.url);
  const { running, get } = served;
  await using sender = await openSender(vhost.url);
  const result = `{'token': 'hunter2', 'more': 'x...'}`;
  await sender.send([
    { ...event(1, 'task-received'), uuid: 't1', name: 'app.login', args: '()', kwargs: '{}' },
    { ...event(2, 'task-succeeded'), uuid: 't1', result, runtime: 1 },
    { ...event(3, 'task-received'), uuid: 't2', name: 'accounts.create', args: '()', kwargs: '{}' },
    { ...event(4, 'task-succeeded'), uuid: 't2', result: "'hunter2'", runtime: 1 },
  ]);
  const insert = `insert into celerycam.celery_taskmeta (id, task_id, status, result)
    values (nextval('celerycam.task_id_sequence'), $1, 'SUCCESS', $2)`;
  for (const id of ['t1', 'nobody knows']) await running.query(insert, id, pickled({ token: 'hunter2', more: 'xyz' }));
  await running.query(insert, 't2', pickled('hunter2'));
  await running.until('both tasks', async () => (await get<TaskAnswer>('/api/tasks/t2')).task?.state === 'SUCCESS');
  const answers = await Promise.all(
    ['/api/tasks/t1', '/api/tasks/t2', '/api/results/t1', '/api/results/t2', '/api/results/nobody%20knows'].map(
      (path) => get(path),
    ),
  );
  expect(JSON.stringify(answers)).not.toContain('hunter2');
  expect(answers[0]).toMatchObject({
    task: { result: "{'token': '***', 'more': 'xyz'}" },
    ...{ result_from: 'table', stored: { result: { token: '***', more: 'xyz' } } },
  });
  expect(answers[3]).toMatchObject({ result: '***', text: '***' });
  expect(answers[4]).toMatchObject({ result: '***', text: '***' });
});
