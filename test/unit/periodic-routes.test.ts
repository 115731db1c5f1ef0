/** Routes that write: what is asked of a request before anything is done, and what is refused how. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Refusal, refuse } from '../../src/answer.ts';
import { errorAnswer } from '../../src/contract/api.ts';
import { api, type Route } from '../../src/contract/routes.ts';
import { createRoutes } from '../../src/http/routes.ts';
import type { PeriodicTasks } from '../../src/store/periodic-tasks.ts';
import { NO_PERIODIC_TASKS } from '../support/questions.ts';
import { apiSources } from '../support/sources.ts';

const NOW = 1_800_000_000;
const JSON_TYPE = { 'content-type': 'application/json' };
const GOOD = { name: 'n', task: 't', schedule: { kind: 'interval', every: 10, period: 'seconds' } };

async function send(
  route: string,
  { body, headers = JSON_TYPE }: { readonly body?: string; readonly headers?: Record<string, string> } = {},
  tasks: Partial<PeriodicTasks> = {},
) {
  const [method = '', path = ''] = route.split(' ');
  const routes = createRoutes(apiSources({ periodic: { ...NO_PERIODIC_TASKS, ...tasks }, clock: () => NOW }));
  const response = await routes.request(path, { method, headers, ...(body === undefined ? {} : { body }) });
  return { status: response.status, headers: response.headers, body: (await response.json()) as object };
}

async function refusal(...asked: Parameters<typeof send>) {
  const { status, body } = await send(...asked);
  return { status, ...errorAnswer.parse(body) };
}

test('what is changed or deleted has to be named in the version that was read', async () => {
  const seen: boolean[] = [];
  const note = async (_: number, isMeant: (etag: string) => boolean): Promise<Refusal> => {
    seen.push(isMeant('abc'));
    return refuse('changed', 'somebody was faster');
  };
  const tasks = {
    remove: note,
    change: (id: number, _: unknown, isMeant: (etag: string) => boolean) => note(id, isMeant),
  };
  for (const route of ['PATCH /api/periodic-tasks/1', 'DELETE /api/periodic-tasks/1']) {
    expect(await refusal(route, { body: '{}' }, tasks)).toMatchObject({ status: 428, parameter: 'If-Match' });
    expect(seen).toEqual([]);
    for (const tag of ['"abc"', 'W/"abc"', '"x", "abc"', '*', '"abcd"', 'abc"', '']) {
      const headers = { ...JSON_TYPE, 'if-match': tag };
      expect(await refusal(route, { body: '{}', headers }, tasks)).toMatchObject({ status: 412 });
    }
    expect(seen.splice(0)).toEqual([true, true, true, true, false, false, false]);
  }
});

test.each<[string, object, object]>([
  ['no JSON', { body: '{"name": ' }, { status: 400, error: expect.stringMatching(/^the body is no JSON: /) }],
  ['nothing', {}, { status: 400, error: expect.stringMatching(/^the body is no JSON: /) }],
  ['a form', { body: 'name=n', headers: { 'content-type': 'text/plain' } }, { status: 415 }],
  ['no type', { body: JSON.stringify(GOOD), headers: {} }, { status: 415 }],
  ['a list', { body: '[]' }, { status: 400, error: 'the body: expected an object' }],
  ['too little', { body: '{}' }, { status: 400, parameter: 'name', error: 'name: expected a text' }],
  ['too much', { body: '{"name":"n","task":"t","nmae":1}' }, { status: 400, parameter: 'schedule' }],
])('%s is no new task', async (_, request, told) => {
  expect(await refusal('POST /api/periodic-tasks', request)).toMatchObject(told);
});

test.each<[object, string, string]>([
  [{ name: '' }, 'name', 'a text that is not empty'],
  [{ name: 'x'.repeat(201) }, 'name', 'a text of 200 characters at most'],
  [{ name: 'a\0b' }, 'name', 'a text without NUL and lone surrogates'],
  [{ task: '\ud800' }, 'task', 'a text without NUL and lone surrogates'],
  [{ args: [1] }, 'args', 'a text'],
  [{ queue: '' }, 'queue', 'a text that is not empty'],
  [{ priority: 256 }, 'priority', 'a whole number from 0 to 255'],
  [{ priority: 1.5 }, 'priority', 'a whole number from 0 to 255'],
  [{ catch_up: 1001 }, 'catch_up', 'a whole number from 0 to 1000'],
  [{ expire_seconds: -1 }, 'expire_seconds', 'a whole number from 0 to 2147483647'],
  [{ enabled: 'no' }, 'enabled', 'true or false'],
  [{ expires: '2026-01-01' }, 'expires', 'a number'],
  [{ schedule: null }, 'schedule', 'an object whose kind is interval, crontab, solar or clocked'],
  [{ schedule: { kind: 'daily' } }, 'schedule.kind', 'an object whose kind is interval, crontab, solar or clocked'],
  [{ schedule: { kind: 'interval', every: '1', period: 'days' } }, 'schedule.every', 'a whole number from -2147483647'],
  [{ schedule: { kind: 'interval', every: 1, period: 'weeks' } }, 'schedule.period', 'days, hours, minutes'],
])('%j names the field', async (change, parameter, expected) => {
  const told = await refusal('POST /api/periodic-tasks', { body: JSON.stringify({ ...GOOD, ...change }) });
  expect(told).toMatchObject({
    status: 400,
    parameter,
    error: expect.stringContaining(`${parameter}: expected ${expected}`),
  });
});

test('a field that there is not is named, shortly', async () => {
  const told = await refusal('POST /api/periodic-tasks', { body: JSON.stringify({ ...GOOD, ['x'.repeat(5000)]: 1 }) });
  expect(told).toMatchObject({ status: 400, error: expect.stringMatching(/^there is no field "x{100}…" here$/) });
  const inside = { ...GOOD, schedule: { ...GOOD.schedule, evry: 1 } };
  expect(await refusal('POST /api/periodic-tasks', { body: JSON.stringify(inside) })).toMatchObject({
    parameter: 'schedule.evry',
  });
});

test.each([
  ['taken', 409],
  ['field', 400],
  ['changed', 412],
] as const)('a refusal because it is %s is answered with %i', async (problem, status) => {
  const create = async (): Promise<Refusal> => refuse(problem, 'because', 'name');
  const asked = { body: JSON.stringify(GOOD) };
  expect(await refusal('POST /api/periodic-tasks', asked, { create })).toMatchObject({ status, error: 'because' });
});

test.each(['0', '-1', '1.5', '2147483648', '99999999999', 'one', '%00', "1'--"])('there is no task %s', async (id) => {
  expect((await refusal(`GET /api/periodic-tasks/${id}`)).status).toBe(404);
});

test('due times of a schedule that nobody has', async () => {
  const ask = async (question: Readonly<Record<string, string>>) =>
    send(`GET /api/due-times?${new URLSearchParams(question)}`);
  const crontab = { kind: 'crontab', minute: '30', hour: '2', day_of_week: '*', day_of_month: '*', month_of_year: '*' };
  const berlin = { schedule: JSON.stringify({ ...crontab, timezone: 'Europe/Berlin' }), after: '2026-03-27T12:00Z' };
  const { status, body } = await ask({ ...berlin, count: '3' });
  expect(status).toBe(200);
  expect(api['GET /api/due-times'].response.parse(body)).toEqual({
    schedule: '30 2 * * * Europe/Berlin',
    // The clock is put forward at two on the 29th.
    items: [
      { due_at: Date.UTC(2026, 2, 28, 1, 30) / 1000, local: '2026-03-28T02:30:00.000+01:00' },
      { due_at: Date.UTC(2026, 2, 29, 1) / 1000, local: '2026-03-29T03:00:00.000+02:00' },
      { due_at: Date.UTC(2026, 2, 30, 0, 30) / 1000, local: '2026-03-30T02:30:00.000+02:00' },
    ],
  });
  expect((await ask({ ...berlin, expires: '2026-03-29T01:00Z' })).body).toMatchObject({ items: { length: 1 } });
  const every = JSON.stringify(GOOD.schedule);
  const dues = async (more: object): Promise<number[]> => {
    const { body } = await ask({ schedule: every, count: '2', ...more });
    return api['GET /api/due-times'].response.parse(body).items.map(({ due_at }) => due_at);
  };
  expect(await dues({})).toEqual([NOW + 10, NOW + 20]);
  expect(await dues({ scheduled_at: String(NOW - 7) })).toEqual([NOW + 3, NOW + 13]);
  expect(await dues({ start_time: String(NOW + 55) })).toEqual([NOW + 55, NOW + 65]);
});

test.each([
  ['', 'schedule', /expected a text/],
  ['[', 'schedule', /expected JSON such as \{"kind": "interval"/],
  ['{"kind":"interval","every":0,"period":"days"}', 'schedule.every', /expected a whole number of 1 or more/],
  ['{"kind":"interval","every":1,"period":"microseconds"}', 'schedule.every', /expected 0.1 seconds or more/],
  ['{"kind":"solar","event":"noon","latitude":0,"longitude":0}', 'schedule.event', /expected one of dawn_astronomical/],
  ['{"kind":"clocked","clocked_time":1e300}', 'schedule.clocked_time', /expected a time from 1970 to 9999/],
])('%s has no due times', async (schedule, parameter, error) => {
  const told = await refusal(`GET /api/due-times?schedule=${encodeURIComponent(schedule)}`);
  expect(told).toMatchObject({ status: 400, parameter, error: expect.stringMatching(error) });
});

test('whatever is sent, the answer is JSON of the contract and never a failure of ours', async () => {
  const routes = createRoutes(apiSources());
  const writes = Object.entries<Route>(api).filter(([name, { own }]) => !name.startsWith('GET ') && !own);
  expect(writes.length).toBeGreaterThan(2);
  const value = fc.oneof(fc.jsonValue(), fc.string({ unit: 'binary' }), fc.constantFrom('[]', '{}', 1e308, 10, 'days'));
  const field = fc.constantFrom(
    ...Object.keys(GOOD),
    'args',
    'kwargs',
    'priority',
    'expires',
    '__proto__',
    'kind',
    'every',
  );
  const part = fc.dictionary(field, value);
  const body = fc.oneof(
    fc
      .tuple(part, part)
      .map(([more, schedule]) => JSON.stringify({ ...GOOD, ...more, schedule: { ...GOOD.schedule, ...schedule } })),
    fc.string({ unit: 'binary' }),
    fc.integer({ min: 1, max: 20_000 }).map((depth) => '['.repeat(depth)),
    fc.integer({ min: 1, max: 10_000 }).map((depth) => `{"schedule":${'['.repeat(depth)}${']'.repeat(depth)}}`),
  );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...writes), body, async ([name], text) => {
      const [method = '', path = ''] = name.replace(/\{\w+\}/, '7').split(' ');
      const headers = { ...JSON_TYPE, 'if-match': '*' };
      const response = await routes.request(path, { method, headers, body: text });
      errorAnswer.parse(await response.json());
      expect([400, 404, 409]).toContain(response.status);
    }),
    { numRuns: 500 },
  );
});
