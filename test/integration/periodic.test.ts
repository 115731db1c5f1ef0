/** Periodic tasks through the API of the whole program: what is set, what is refused, and what the tables then hold. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { z } from 'zod';
import { PeriodicTasks, refusalIn } from '../../src/client/index.ts';
import { type ErrorAnswer, errorAnswer } from '../../src/contract/api.ts';
import type { PeriodicTaskRow } from '../../src/contract/periodic.ts';
import { type Api, api, type Route } from '../../src/contract/routes.ts';
import { Running } from '../support/running.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;
const HOSTILE = `'; drop table celerycam.djcelery_periodictask; --\\"<b>☃\n\u202e$1 ? :x`;
const EVERY_HOUR = { kind: 'interval', every: 1, period: 'hours' } as const;
const NIGHTLY = {
  ...{ kind: 'crontab', minute: '30', hour: '2', day_of_week: '*', day_of_month: '*', month_of_year: '*' },
  timezone: 'Europe/Berlin',
} as const;

let vhost: Fresh;
let database: Fresh;
let running: Running;

beforeAll(async () => {
  vhost = await freshVhost();
  database = await freshDatabase();
  running = new Running({ broker: [vhost.url], database: database.url });
  await running.next('receiver:ready');
});

afterAll(async () => {
  await running[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await vhost[Symbol.asyncDispose]();
});

interface Request {
  readonly id?: number;
  readonly body?: object;
  readonly etag?: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function send(name: string, { id, body, etag, query = '', headers = {} }: Request): Promise<Response> {
  const [method = '', path = ''] = name.split(' ');
  return fetch(`${running.url}${path.replace('{id}', String(id))}${query}`, {
    method,
    headers: {
      ...(body && { 'content-type': 'application/json' }),
      ...(etag !== undefined && { 'if-match': `"${etag}"` }),
      ...headers,
    },
    ...(body && { body: JSON.stringify(body) }),
  });
}

/** Routes whose answer was held against the contract. */
const seen = new Set<string>();

/** Asks, and holds the answer against the contract. */
async function ask<Name extends keyof Api>(name: Name, request: Request = {}) {
  const response = await send(name, request);
  const body = (await response.json()) as { error?: string };
  const { created, response: shape }: Route = api[name];
  expect([name, response.status, body.error]).toEqual([name, created ? 201 : 200, undefined]);
  const answer = shape.parse(body) as z.output<Api[Name]['response']>;
  seen.add(name);
  const { etag } = answer as { etag?: string };
  expect(response.headers.get('etag')).toBe(etag === undefined ? null : `"${etag}"`);
  return answer;
}

async function refused(name: keyof Api, request: Request): Promise<ErrorAnswer & { readonly status: number }> {
  const response = await send(name, request);
  return { status: response.status, ...errorAnswer.parse(await response.json()) };
}

let names = 0;

async function made(more: object = {}): Promise<PeriodicTaskRow> {
  names += 1;
  const body = { name: `task ${names}`, task: 'app.add', schedule: EVERY_HOUR, ...more };
  return ask('POST /api/periodic-tasks', { body });
}

async function rowOf(id: number): Promise<Readonly<Record<string, unknown>>> {
  const [row] = await running.query('select * from celerycam.djcelery_periodictask where id = $1', id);
  return row ?? {};
}

test('a task is made with the defaults of django-celery-beat, read, changed and deleted', async () => {
  const start = Date.now() / 1000;
  const task = await made();
  expect(task).toMatchObject({
    ...{ task: 'app.add', schedule: EVERY_HOUR, args: '[]', kwargs: '{}', headers: '{}', queue: null, priority: null },
    ...{ enabled: true, one_off: false, catch_up: 1, description: '', total_run_count: 0, last_run_at: null },
    ...{ unfit: null, last_run: null, expires: null, start_time: null },
  });
  expect(task.next_due).toBeCloseTo((task.scheduled_at ?? 0) + 3600, 5);
  expect(task.scheduled_at).toBeGreaterThan(start - 1);
  expect(await ask('GET /api/periodic-tasks/{id}', { id: task.id })).toEqual(task);

  const change = { args: '[9007199254740993]', priority: 7, queue: 'slow', expire_seconds: 30, schedule: NIGHTLY };
  const changed = await ask('PATCH /api/periodic-tasks/{id}', { id: task.id, etag: task.etag, body: change });
  expect(changed).toMatchObject({ ...change, name: task.name });
  expect(changed.etag).not.toBe(task.etag);
  expect(await rowOf(task.id)).toMatchObject({ args: '[9007199254740993]', interval_id: null, priority: 7 });

  const gone = await ask('DELETE /api/periodic-tasks/{id}', { id: task.id, etag: changed.etag });
  expect(gone).toMatchObject({ id: task.id, etag: changed.etag });
  expect((await refused('GET /api/periodic-tasks/{id}', { id: task.id })).status).toBe(404);
  expect((await refused('DELETE /api/periodic-tasks/{id}', { id: task.id, etag: '*' })).status).toBe(404);
});

test('every kind of schedule, kept as it was set', async () => {
  const schedules = [
    { kind: 'interval', every: 250_000, period: 'microseconds' },
    NIGHTLY,
    { kind: 'solar', event: 'sunset', latitude: 52.123456, longitude: -13.5 },
    { kind: 'clocked', clocked_time: Date.UTC(2080, 0, 1) / 1000 + 0.123456 },
  ];
  for (const schedule of schedules) {
    const task = await made({ schedule, start_time: 1_900_000_000.25, expires: 4_000_000_000.5 });
    expect(task).toMatchObject({ schedule, start_time: 1_900_000_000.25, expires: 4_000_000_000.5, unfit: null });
    expect(task.next_due).toBeGreaterThanOrEqual(1_900_000_000);
  }
  // One row of a schedule is enough, and who sets the same schedule again does not begin anew.
  const [first, second] = [await made({ schedule: NIGHTLY }), await made({ schedule: NIGHTLY })];
  expect((await rowOf(first.id))['crontab_id']).toBe((await rowOf(second.id))['crontab_id']);
  const again = { id: first.id, etag: first.etag, body: { schedule: NIGHTLY, description: 'the same' } };
  expect((await ask('PATCH /api/periodic-tasks/{id}', again)).scheduled_at).toBe(first.scheduled_at);
});

test('who has not seen a change cannot undo it, wherever it was made', async () => {
  const task = await made();
  const edit = { id: task.id, etag: task.etag, body: { description: 'mine' } };
  await ask('PATCH /api/periodic-tasks/{id}', edit);
  expect(await refused('PATCH /api/periodic-tasks/{id}', edit)).toMatchObject({
    status: 412,
    error: expect.stringContaining('somebody has changed "task'),
  });
  const seen = await ask('GET /api/periodic-tasks/{id}', { id: task.id });
  await running.query(`update celerycam.djcelery_periodictask set args = '[1]' where id = $1`, task.id);
  expect((await refused('DELETE /api/periodic-tasks/{id}', { id: task.id, etag: seen.etag })).status).toBe(412);
  const later = await ask('GET /api/periodic-tasks/{id}', { id: task.id });
  await running.query(
    `update celerycam.djcelery_intervalschedule set every = 2 where id =
    (select interval_id from celerycam.djcelery_periodictask where id = $1)`,
    task.id,
  );
  expect((await refused('DELETE /api/periodic-tasks/{id}', { id: task.id, etag: later.etag })).status).toBe(412);
  // Its runs are no change of it.
  const latest = await ask('GET /api/periodic-tasks/{id}', { id: task.id });
  await running.query(
    'update celerycam.djcelery_periodictask set last_run_at = now(), total_run_count = 5 where id = $1',
    task.id,
  );
  expect(await ask('GET /api/periodic-tasks/{id}', { id: task.id })).toMatchObject({
    etag: latest.etag,
    total_run_count: 5,
  });
});

test('of many who change one version at once one succeeds', async () => {
  const task = await made();
  const answers = await Promise.all(
    Array.from({ length: 20 }, async (_, n) => {
      const body = { description: `by ${n}` };
      return (await send('PATCH /api/periodic-tasks/{id}', { id: task.id, etag: task.etag, body })).status;
    }),
  );
  expect(answers.sort()).toEqual([200, ...Array(19).fill(412)]);
});

test.each<[object, string, RegExp]>([
  [{ args: '{"a": 1}' }, 'args', /expected a JSON array/],
  [{ args: '[1' }, 'args', /expected a JSON array/],
  [{ kwargs: '[]' }, 'kwargs', /expected a JSON object/],
  [{ headers: '{"a": 9007199254740993}' }, 'headers', /below 2\^53/],
  [{ start_time: -1 }, 'start_time', /from 1970 to 9999/],
  [{ expires: 1e300 }, 'expires', /from 1970 to 9999/],
  [{ queue: '😀'.repeat(64) }, 'queue', /255 bytes at most/],
  [{ schedule: { ...NIGHTLY, hour: '25' } }, 'schedule.hour', /25 is too much; expected a number from 0 to 23/],
  [{ schedule: { ...NIGHTLY, day_of_month: '30', month_of_year: '2' } }, 'schedule.day_of_month', /never due/],
  [{ schedule: { ...NIGHTLY, timezone: 'Europe/Atlantis' } }, 'schedule.timezone', /IANA/],
  [{ schedule: { kind: 'interval', every: 0, period: 'days' } }, 'schedule.every', /1 or more/],
  [{ schedule: { kind: 'interval', every: 1, period: 'microseconds' } }, 'schedule.every', /0.1 seconds or more/],
])('%j is refused, naming the field', async (change, parameter, error) => {
  const body = { name: 'refused', task: 'app.add', schedule: EVERY_HOUR, ...change };
  const told = await refused('POST /api/periodic-tasks', { body });
  expect(told).toMatchObject({ status: 400, parameter, error: expect.stringMatching(error) });
  const task = await made();
  const patch = { id: task.id, etag: task.etag, body: change };
  expect(await refused('PATCH /api/periodic-tasks/{id}', patch)).toMatchObject({ status: 400, parameter });
  expect(await ask('GET /api/periodic-tasks/{id}', { id: task.id })).toEqual(task);
  expect(await running.query(`select from celerycam.djcelery_periodictask where name = 'refused'`)).toEqual([]);
});

test('a name is there once', async () => {
  const [one, other] = [await made(), await made()];
  const taken = { status: 409, parameter: 'name', error: expect.stringContaining('already') };
  expect(await refused('POST /api/periodic-tasks', { body: { ...NEW, name: one.name } })).toMatchObject(taken);
  const rename = { id: other.id, etag: other.etag, body: { name: one.name } };
  expect(await refused('PATCH /api/periodic-tasks/{id}', rename)).toMatchObject(taken);
});

const NEW = { name: '', task: 'app.add', schedule: EVERY_HOUR };

test('a row that makes no sense is told, can be disabled, and mended', async () => {
  const [row] = await running.query<{ id: number }>(
    `insert into celerycam.djcelery_periodictask (name, task, args, enabled) values ('bad', 't', '[1', true) returning id`,
  );
  const id = row?.id as number;
  const bad = await ask('GET /api/periodic-tasks/{id}', { id });
  expect(bad).toMatchObject({
    schedule: null,
    next_due: null,
    unfit: expect.stringMatching(/^schedule: there is none/),
  });
  const off = await ask('PATCH /api/periodic-tasks/{id}', { id, etag: bad.etag, body: { enabled: false } });
  const timed = await ask('PATCH /api/periodic-tasks/{id}', { id, etag: off.etag, body: { schedule: EVERY_HOUR } });
  expect(timed.unfit).toMatch(/^args: /);
  const mended = await ask('PATCH /api/periodic-tasks/{id}', {
    id,
    etag: timed.etag,
    body: { args: '[1]', enabled: true },
  });
  expect(mended).toMatchObject({ unfit: null, enabled: true });
  expect(mended.next_due).not.toBeNull();
});

test('whatever tables hold is answered as the contract has it', async () => {
  await running.query(`insert into celerycam.djcelery_intervalschedule (id, every, period) values (901, 0, 'weeks')`);
  await running.query(`insert into celerycam.djcelery_clockedschedule (id, clocked_time) values (901, 'infinity')`);
  await running.query(`insert into celerycam.djcelery_solarschedule values (901, 'noon', 'NaN', 0)`);
  await running.query(`insert into celerycam.djcelery_periodictask (name, task, interval_id, clocked_id, solar_id,
      priority, queue, start_time, expires, last_run_at, date_changed) values
    ('odd 1', '', 901, null, null, 70000, '', 'infinity', '-infinity', 'infinity', 'infinity'),
    ('odd 2', '', null, 901, null, null, null, null, null, null, now()),
    ('odd 3', '', null, null, 901, null, null, null, null, null, now()),
    ('odd 4', '', 901, 901, 901, null, null, null, null, null, now())`);
  const { items } = await ask('GET /api/periodic-tasks', { query: '?search=ODD' });
  expect(items.map(({ name, schedule, next_due }) => [name, schedule, next_due])).toEqual(
    [1, 2, 3, 4].map((n) => [`odd ${n}`, null, null]),
  );
  expect(items.every(({ unfit }) => unfit !== null)).toBe(true);
});

test('hostile texts are texts', async () => {
  const texts = { task: HOSTILE, queue: HOSTILE, exchange: HOSTILE, routing_key: HOSTILE, description: HOSTILE };
  const json = { args: JSON.stringify([HOSTILE]), kwargs: JSON.stringify({ [HOSTILE]: HOSTILE }) };
  const task = await made({ name: HOSTILE, ...texts, ...json, headers: json.kwargs });
  expect(task).toMatchObject({ name: HOSTILE, ...texts, ...json, unfit: null });
  const search = `?search=${encodeURIComponent(HOSTILE)}`;
  expect((await ask('GET /api/periodic-tasks', { query: search })).items).toEqual([task]);
  expect((await ask('GET /api/periodic-tasks', { query: '?search=%25' })).items).toEqual([]);
  for (const field of ['minute', 'timezone'] as const) {
    const schedule = { ...NIGHTLY, [field]: HOSTILE.slice(0, 60) };
    expect(await refused('POST /api/periodic-tasks', { body: { ...NEW, name: 'x', schedule } })).toMatchObject({
      parameter: `schedule.${field}`,
    });
  }
  const renamed = await ask('PATCH /api/periodic-tasks/{id}', {
    id: task.id,
    etag: task.etag,
    body: { name: `${HOSTILE}2` },
  });
  await ask('DELETE /api/periodic-tasks/{id}', { id: task.id, etag: renamed.etag });
});

test('what is too large is refused', async () => {
  const body = { ...NEW, name: 'large', args: JSON.stringify(['x'.repeat(70_000)]) };
  expect((await refused('POST /api/periodic-tasks', { body })).status).toBe(413);
});

test('a page of another site cannot write', async () => {
  const foreign = { origin: 'https://evil.example' };
  const told = await refused('POST /api/periodic-tasks', { body: { ...NEW, name: 'evil' }, headers: foreign });
  expect(told.status).toBe(403);
  const own = { origin: new URL(running.url).origin };
  await ask('POST /api/periodic-tasks', { body: { ...NEW, name: 'not evil' }, headers: own });
});

test('lists go by name, page by page, and by what is asked', async () => {
  await running.query(`insert into celerycam.djcelery_periodictask (name, task, enabled)
    select 'list ' || lpad(n::text, 3, '0'), 'app.list', n % 2 = 0 from generate_series(1, 25) as n`);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const query = `?search=app.list&limit=10${cursor === null ? '' : `&cursor=${cursor}`}`;
    const page: { items: { name: string }[]; next: string | null } = await ask('GET /api/periodic-tasks', { query });
    seen.push(...page.items.map(({ name }) => name));
    cursor = page.next;
  } while (cursor !== null);
  expect(seen).toEqual(Array.from({ length: 25 }, (_, n) => `list ${String(n + 1).padStart(3, '0')}`));
  const { items } = await ask('GET /api/periodic-tasks', { query: '?search=app.list&enabled=true' });
  expect([items.length, items.every(({ enabled }) => enabled)]).toEqual([12, true]);
  expect(await refused('GET /api/periodic-tasks', { query: '?cursor=x' })).toMatchObject({ parameter: 'cursor' });
  const csv = await (await send('GET /api/periodic-tasks', { query: '?search=app.list&format=csv' })).text();
  expect(csv.trim().split('\r\n')).toHaveLength(26);
});

test('a run is told with the task that it became, how late it was, and whether the one before was still going on', async () => {
  const task = await made();
  const due = Date.UTC(2026, 10, 24, 12) / 1000;
  await running.query(
    `insert into celerycam.task_states
      (cluster, task_id, state, "timestamp", runtime, result, ready, ages_from, since) values
      ('default', 'run-1', 'SUCCESS', $1, 29, '3', true, 0, 0), ('default', 'run-2', 'STARTED', $2, null, null, false, 0, 0)`,
    due + 30,
    due + 62,
  );
  await running.query(
    `insert into celerycam.periodic_runs (periodic_task, due_at, outcome, task_id, sent_at, missed, reason)
      select $1, to_timestamp($2 + due), outcome, task_id, to_timestamp($2 + sent), missed, reason from (values
        (0, 'sent', 'run-1', 0.5, 0, null), (60, 'sent', 'run-2', 62, 0, null), (120, 'sent', 'run-3', 120, 2, null),
        (180, 'skipped', null, null, 0, 'a minute late'), (null, 'unroutable', 'run-4', 200, 0, 'there is no queue')
      ) as runs (due, outcome, task_id, sent, missed, reason)`,
    task.id,
    due,
  );
  const { items, next } = await ask('GET /api/periodic-tasks/{id}/runs', { id: task.id, query: '?limit=3' });
  const brief = (rows: typeof items) =>
    rows.map((row) => [row.task_id, row.outcome, row.late, row.overlapping, row.state]);
  expect(brief(items)).toEqual([
    ['run-4', 'unroutable', null, null, null],
    [null, 'skipped', null, null, null],
    ['run-3', 'sent', 0, true, null],
  ]);
  expect(items[2]).toMatchObject({ missed: 2, due_at: due + 120, sent_at: due + 120 });
  const rest = await ask('GET /api/periodic-tasks/{id}/runs', { id: task.id, query: `?limit=3&cursor=${next}` });
  expect(brief(rest.items)).toEqual([
    ['run-2', 'sent', 2, false, 'STARTED'],
    ['run-1', 'sent', 0.5, null, 'SUCCESS'],
  ]);
  expect(rest).toMatchObject({
    next: null,
    items: [{ runtime: null }, { runtime: 29, result: '3', cluster: 'default' }],
  });
  expect((await ask('GET /api/periodic-tasks/{id}', { id: task.id })).last_run).toEqual(items[0]);
  expect(await refused('GET /api/periodic-tasks/{id}/runs', { id: task.id, query: '?cursor=x' })).toMatchObject({
    parameter: 'cursor',
  });
});

test('sent now, by the API, the library and the command: a queue has it, or it is said why none has', async () => {
  const connection = await connect(vhost.url);
  const channel = await connection.createChannel();
  await channel.assertQueue('celery');
  const held = async () => {
    const message = await channel.get('celery', { noAck: true });
    if (!message) throw new Error('the queue is empty');
    return { id: message.properties.headers?.['id'], body: message.content.toString() };
  };
  const task = await made({ args: '[9007199254740993]', enabled: false });
  const run = await ask('POST /api/periodic-tasks/{id}/run', { id: task.id });
  expect(run).toMatchObject({ periodic_task: task.id, due_at: null, outcome: 'sent', reason: null });
  expect(await held()).toMatchObject({ id: run.task_id, body: expect.stringContaining('9007199254740993') });
  const again = await new PeriodicTasks({ url: running.url }).delay(task.id);
  expect(await held()).toMatchObject({ id: again.task_id });
  const { items } = await ask('GET /api/periodic-tasks/{id}/runs', { id: task.id });
  expect(items.map(({ task_id }) => task_id)).toEqual([again.task_id, run.task_id]);
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...[CLI, 'periodic', 'run', task.name, '--broker', vhost.url, '--database', database.url],
  ]);
  expect(stdout).toBe(`sent ${task.name} as the task ${(await held()).id}\n`);
  const lost = await made({ queue: 'no such queue' });
  expect(await ask('POST /api/periodic-tasks/{id}/run', { id: lost.id })).toMatchObject({
    outcome: 'unroutable',
    reason: 'there is no queue "no such queue"',
  });
  await running.query(`update celerycam.djcelery_periodictask set args = '{' where id = $1`, task.id);
  expect(await refused('POST /api/periodic-tasks/{id}/run', { id: task.id })).toMatchObject({
    status: 409,
    error: expect.stringMatching(/^it cannot be sent: args: /),
  });
  expect((await refused('POST /api/periodic-tasks/{id}/run', { id: 99_999 })).status).toBe(404);
  await connection.close();
});

test('from JavaScript', async () => {
  const tasks = new PeriodicTasks({ url: running.url });
  const schedule = { kind: 'interval', every: 5, period: 'minutes' } as const;
  const task = await tasks.create({ name: 'from JavaScript', task: 'app.add', schedule });
  const changed = await tasks.change(task, { args: '[1, 2]' });
  expect(await tasks.one(task.id)).toEqual(changed);
  const late = await tasks.remove(task).catch(refusalIn);
  expect(late).toMatchObject({ status: 412, error: expect.stringContaining('somebody has changed') });
  expect(await tasks.change(changed, { kwargs: '[]' }).catch(refusalIn)).toMatchObject({ parameter: 'kwargs' });
  const names: string[] = [];
  for await (const { name } of tasks.each({ search: 'javascript' })) names.push(name);
  expect([names, (await tasks.list({ search: 'javascript' })).items]).toEqual([[task.name], [changed]]);
  expect((await tasks.runs(task.id)).items).toEqual([]);
  expect((await tasks.dueTimes(schedule, { after: 60, count: 2 })).items.map(({ due_at }) => due_at)).toEqual([
    360, 660,
  ]);
  await tasks.remove(changed);
  expect(await tasks.one(task.id).catch(refusalIn)).toMatchObject({ status: 404 });
});

test('the example runs, and again', async () => {
  const example = new URL('../../examples/periodic-tasks.mjs', import.meta.url).pathname;
  const run = async () => (await promisify(execFile)(process.execPath, [example, running.url])).stdout;
  expect(await run()).toMatch(
    /^made nightly report\nnightly report: 30 2 \* \* \* Europe\/Berlin\n( {2}20\d\d-.*T\d\d:\d\d.*\n){3}$/,
  );
  expect(await run()).toMatch(/^nightly report is there already\n/);
});

test('every route of periodic tasks was asked', async () => {
  const schedule = encodeURIComponent(JSON.stringify(EVERY_HOUR));
  await ask('GET /api/due-times', { query: `?schedule=${schedule}` });
  const expected = Object.entries<Route>(api).filter(([, { tag }]) => tag === 'periodic');
  expect([...seen].sort()).toEqual(expected.map(([name]) => name).sort());
});
