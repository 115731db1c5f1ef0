import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { answer, type Refusal, refuse } from '../../src/answer.ts';
import { errorAnswer } from '../../src/contract/api.ts';
import { api, type Route } from '../../src/contract/routes.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { JournalEntry } from '../../src/domain/event.ts';
import { createClusters, fold } from '../../src/domain/state.ts';
import { MonitorError } from '../../src/errors.ts';
import { pathOf } from '../../src/http/answers.ts';
import { createGate } from '../../src/http/gate.ts';
import type { Questions } from '../../src/http/questions.ts';
import { type ApiSources, createRoutes } from '../../src/http/routes.ts';
import { Activity } from '../../src/live/activity.ts';
import type { TasksQuestion } from '../../src/store/questions.ts';
import { createRecord, NO_PERIODIC_TASKS, taskRow, tasksAnswer } from '../support/questions.ts';

const NOW = 1_795_521_600;
const HOSTILE = [
  "a'; drop table events; --",
  'a/b',
  '%2F',
  '%',
  'ä ☃ 𝄞',
  'a?b#c',
  '..x',
  '\n\t',
  'a+b',
  ' ',
  '\0',
  '<b>',
];

function sources(answers: Partial<Questions> = {}, change: Partial<ApiSources> = {}): ApiSources {
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const clusters = createClusters({ maxTasks: 1000, maxWorkers: 10 });
  const activity = new Activity(createDiagnostics(), () => NOW);
  return {
    ...{ version: '1', simulated: false, activity, receivers: () => [], log, clusters, clock: () => NOW },
    ...{
      questions: createRecord(answers),
      periodic: NO_PERIODIC_TASKS,
      sendNow: async () => null,
      recall: (state, uuid) => state.tasks.get(uuid),
      feedClients: () => 0,
      watch: { until: async () => {} },
      resultRedactor: null,
      metrics: { render: () => '' },
      ...change,
    },
  };
}

function ask(path: string, answers: Partial<Questions> = {}, headers: Record<string, string> = {}): Promise<Response> {
  return Promise.resolve(createRoutes(sources(answers)).request(path, { headers }));
}

async function refusal(path: string, answers: Partial<Questions> = {}) {
  const response = await ask(path, answers);
  return { status: response.status, ...errorAnswer.parse(await response.json()) };
}

const ROUTES = Object.entries<Route>(api);

test('every route under /api is in the contract, and every route of the contract is there', () => {
  const mounted = createRoutes(sources())
    .routes.filter(({ method, path }) => method !== 'ALL' && /^\/(api\/|\w+z$)/.test(path))
    .map(({ method, path }) => `${method} ${path}`);
  const told = ROUTES.filter(([, { own }]) => own !== 'server').map(
    ([name]) => `${name.slice(0, name.indexOf(' '))} ${pathOf(name)}`,
  );
  expect([...new Set(mounted)].sort()).toEqual(told.sort());
});

describe('parameters', () => {
  const asked = ROUTES.filter(([, { query, own }]) => query && !own);

  test.each(asked)('%s refuses what it does not know', async (name) => {
    const path = name.slice(4).replace(/\{\w+\}/, 'x');
    expect(await refusal(`${path}?foo=1`)).toMatchObject({ status: 400, parameter: 'foo' });
    expect((await refusal(`${path}?__proto__=1`)).status).toBe(400);
  });

  test.each(
    asked.flatMap(([name, { query }]) =>
      Object.keys(query?.shape ?? {}).map((parameter) => [name, parameter] as const),
    ),
  )('%s says of %s what was expected, and takes it once', async (name, parameter) => {
    const path = name.slice(4).replace(/\{\w+\}/, 'x');
    const wrong = await refusal(`${path}?${parameter}=`);
    expect(wrong).toMatchObject({
      status: 400,
      parameter,
      error: expect.stringContaining(`expected ${wrong.expected}`),
    });
    expect(wrong.error).toMatch(new RegExp(`^${parameter}: got ""`));
    expect(await refusal(`${path}?${parameter}=1&${parameter}=2`)).toMatchObject({ status: 400, expected: 'once' });
  });

  test.each([
    ['limit=0', 'limit: got "0", expected a whole number from 1 to 1000'],
    ['limit=1001', 'limit: got "1001", expected a whole number from 1 to 1000'],
    ['limit=1e2', 'limit: got "1e2", expected a whole number from 1 to 1000'],
    ['sort=state', 'sort: got "state", expected one of received, started, timestamp, runtime, name'],
    ['order=up', 'order: got "up", expected one of asc, desc'],
    [
      'at=yesterday',
      'at: got "yesterday", expected a time such as 2026-11-24T12:00:00Z, 1795521600 (epoch seconds) or -15m',
    ],
    ['format=xml', 'format: got "xml", expected one of json, csv, ndjson'],
  ])('/api/tasks?%s', async (query, error) => {
    expect((await refusal(`/api/tasks?${query}`)).error).toBe(error);
  });

  test('a filter that cannot be read is told with its place', async () => {
    expect(await refusal('/api/tasks?q=runtime%3Efast')).toMatchObject({ status: 400, parameter: 'q', at: 8 });
    expect(await refusal('/api/tasks?received_from=soon')).toMatchObject({
      status: 400,
      parameter: 'received_from',
      at: 0,
    });
  });

  test('every kind of time', async () => {
    const asked: (number | null)[] = [];
    const tasks: Questions['tasks'] = async ({ at }) => {
      asked.push(at);
      return tasksAnswer([]);
    };
    const times = ['1795521600', '2026-11-24T12:00:00Z', '2026-11-24T12:00', '2026-11-24T13:00:00%2B01:00', '-1h'];
    for (const at of times) expect((await ask(`/api/tasks?at=${at}`, { tasks })).status).toBe(200);
    expect(asked).toEqual([NOW, NOW, NOW, NOW, NOW - 3600]);
  });

  test('what is asked of the record', async () => {
    const asked: TasksQuestion[] = [];
    const tasks: Questions['tasks'] = async (question) => {
      asked.push(question);
      return tasksAnswer([]);
    };
    await ask('/api/tasks', { tasks });
    await ask('/api/tasks?state=FAILURE&sort=runtime&order=asc&limit=7&cursor=abc', { tasks });
    expect(asked).toMatchObject([
      { filter: null, sort: 'received', descending: true, limit: 100, cursor: null, at: null },
      { filter: { kind: 'text', field: 'state' }, sort: 'runtime', descending: false, limit: 7, cursor: 'abc' },
    ]);
  });

  test.each(HOSTILE)('a path may hold %j', async (name) => {
    const asked: string[] = [];
    const note = async ({ id }: { id: string }): Promise<Refusal> => {
      asked.push(id);
      return refuse('unknown', 'nobody knows it');
    };
    const eventsOf: Questions['eventsOf'] = async (_, uuid) => {
      asked.push(uuid);
      return [];
    };
    const answers = { task: note, tree: note, worker: note, versions: note, eventsOf };
    const encoded = encodeURIComponent(name);
    const paths = [`tasks/${encoded}`, ...['events', 'tree', 'versions'].map((part) => `tasks/${encoded}/${part}`)];
    for (const path of [...paths, `workers/${encoded}`])
      expect((await refusal(`/api/${path}`, answers)).status).toBe(404);
    expect(asked).toEqual(Array(5).fill(name));
  });
});

test.each([
  ['cursor', 400],
  ['sort', 400],
  ['limit', 400],
  ['filter', 400],
  ['range', 400],
  ['unrecorded', 404],
  ['unknown', 404],
  ['slow', 503],
] as const)('a refusal because of %s is answered with %i', async (problem, status) => {
  const tasks = async (): Promise<Refusal> => refuse(problem, 'because');
  expect(await refusal('/api/tasks?at=1', { tasks })).toMatchObject({
    status,
    error: expect.stringContaining('because'),
  });
});

test.each([
  ['args=1&at=1', 'args', 'args'],
  ['q=args:1&at=1', 'args', 'q'],
  ['q=word&at=1', undefined, 'q'],
  ['args=1&q=word&at=1', undefined, 'q'],
])('a filter that cannot be asked of the past is told with its parameter: %s', async (query, field, parameter) => {
  const tasks = async (): Promise<Refusal> => refuse('filter', 'because', field);
  expect(await refusal(`/api/tasks?${query}`, { tasks })).toEqual({ status: 400, error: 'because', parameter });
});

test.each(['tasks', 'workers'] as const)('before the first snapshot there are no %s', async (list) => {
  const early = async (): Promise<Refusal> => refuse('unrecorded', 'nothing was recorded yet');
  const page = api[`GET /api/${list}`].response.parse(await (await ask(`/api/${list}`, { [list]: early })).json());
  expect(page).toMatchObject({ items: [], next: null, as_of: { snapshot: null, taken_at: NOW, position: 0 } });
});

test('a database that does not answer is told as such; other failures are not told', async () => {
  const fail = (error: Error) => ({ tasks: () => Promise.reject(error) });
  const down = await refusal('/api/tasks', fail(new MonitorError('DATABASE_UNREACHABLE', 'the database failed: gone')));
  expect(down).toEqual({ status: 503, error: 'the database failed: gone' });
  expect(await refusal('/api/tasks', fail(new Error('secret')))).toEqual({
    status: 500,
    error: 'this request failed; the log of celerycam says why',
  });
});

test('three questions at a time reach the database, in order; who would wait for too long is told', async () => {
  const gate = createGate(3, 2);
  const running: number[] = [];
  const releases = new Map<number, () => void>();
  const asked = [1, 2, 3, 4, 5].map((n) =>
    gate(async () => {
      running.push(n);
      await new Promise<void>((resolve) => releases.set(n, resolve));
      if (n === 2) throw new Error('it fails');
      return n;
    }),
  );
  const failed = asked[1]?.catch(() => 'failed');
  expect(running).toEqual([1, 2, 3]);
  await expect(gate(async () => 6)).rejects.toMatchObject({ code: 'API_BUSY', retry: true });
  for (const n of [2, 1, 3, 4, 5]) {
    releases.get(n)?.();
    await asked[n - 1]?.catch(() => {});
  }
  expect([running, await failed]).toEqual([[1, 2, 3, 4, 5], 'failed']);
  expect(await gate(async () => 7)).toBe(7);
});

test('the time that the database took is told where it was asked', async () => {
  expect((await ask('/api/tasks')).headers.get('server-timing')).toMatch(/^db;dur=\d+\.\d$/);
  expect((await ask('/api/cluster')).headers.get('server-timing')).toBeNull();
});

test('what a client has already is not sent again', async () => {
  for (const path of ['/api/tasks?at=1', '/openapi.json', '/docs', '/docs/style.css']) {
    const first = await ask(path);
    const etag = String(first.headers.get('etag'));
    expect([first.status, first.headers.get('cache-control')]).toEqual([200, 'private, no-cache']);
    const again = await ask(path, {}, { 'if-none-match': `"other", W/${etag}` });
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
  }
  expect((await ask('/api/tasks')).headers.get('cache-control')).toBe('no-store');
});

describe('one task', () => {
  const of = (position: number, cluster: string, type: string, more: object): JournalEntry => ({
    ...{ position, cluster, local_received: NOW },
    event: { type, uuid: 'u', hostname: 'w@h', timestamp: NOW, clock: position, pid: 1, utcoffset: 0, ...more },
  });

  test('is answered from memory: of several clusters the one heard of last, or the one that is named', async () => {
    const all = sources();
    fold(all.clusters, { ...of(1, 'a', 'task-received', { name: 'n', timestamp: NOW - 5 }), local_received: NOW - 5 });
    fold(all.clusters, of(2, 'b', 'task-received', { name: 'n', timestamp: NOW - 2 }));
    fold(all.clusters, of(3, 'b', 'worker-heartbeat', { freq: 2, timestamp: NOW - 1 }));
    const routes = createRoutes(all);
    const get = async (path: string) => {
      const name = path.startsWith('/api/tasks') ? 'GET /api/tasks/{uuid}' : 'GET /api/workers/{hostname}';
      const response = await routes.request(path);
      return { status: response.status, ...api[name].response.parse(await response.json()) };
    };
    const as_of = { snapshot: null, taken_at: NOW, position: 3 };
    expect(await get('/api/tasks/u')).toMatchObject({ status: 200, task: { cluster: 'b' }, as_of });
    expect(await get('/api/tasks/u?cluster=a')).toMatchObject({ status: 200, task: { cluster: 'a' }, as_of });
    expect((await routes.request('/api/tasks/u?cluster=c')).status).toBe(404);
    // How far its clock is off shows, too.
    const worker = { status: 'ONLINE', hostname: 'w@h', skew: -1 };
    expect(await get('/api/workers/w@h')).toMatchObject({ worker, as_of });
  });

  test('its events are listed page by page, each with what it did', async () => {
    const entries = ['received', 'started', 'succeeded'].map((kind, n) =>
      of(n + 5, 'a', `task-${kind}`, { timestamp: NOW + n, name: 'n', nested: { deep: [1] } }),
    );
    const eventsOf: Questions['eventsOf'] = async () => entries;
    const page = api['GET /api/tasks/{uuid}/events'].response;
    const first = page.parse(await (await ask('/api/tasks/u/events?limit=2', { eventsOf })).json());
    expect(first.items.map(({ position, effect }) => [position, effect])).toEqual([
      [5, 'opens run 1: received by w@h (pid 1)'],
      [6, 'run 1 starts'],
    ]);
    expect(first.explanations).toMatchObject([{ cluster: 'a', state: 'SUCCESS', runs: [{ number: 1 }] }]);
    const second = page.parse(
      await (await ask(`/api/tasks/u/events?limit=2&cursor=${first.next}`, { eventsOf })).json(),
    );
    expect([second.items.map(({ position }) => position), second.next]).toEqual([[7], null]);
    for (const cursor of ['x', 'WzFd', '%00', 'W'.repeat(20_000)]) {
      expect(await refusal(`/api/tasks/u/events?cursor=${cursor}`, { eventsOf })).toMatchObject({
        parameter: 'cursor',
      });
    }
  });

  test('its workflow is a graph', async () => {
    const items = [taskRow('r'), taskRow('a', { parent_id: 'r' }), taskRow('b', { parent_id: 'gone' })];
    const tree: Questions['tree'] = async () =>
      answer({ root_id: 'r', items, cut: false, as_of: { snapshot: 1, taken_at: 2, position: 3 }, gaps: [] });
    const response = api['GET /api/tasks/{uuid}/tree'].response;
    const shown = response.parse(await (await ask('/api/tasks/a/tree', { tree })).json());
    expect(shown).toMatchObject({ edges: [{ parent: 'r', child: 'a' }], missing: ['gone'] });
  });
});

test('whatever is asked, the answer is JSON of the contract and never a failure of ours', async () => {
  const routes = createRoutes(sources());
  const names = [...new Set(ROUTES.flatMap(([, { query }]) => Object.keys(query?.shape ?? {})))];
  const name = fc.oneof(
    fc.constantFrom(...names, 'q', 'state', 'received_from', 'runtime'),
    fc.string({ unit: 'binary' }),
  );
  const value = fc.oneof(
    fc.constantFrom('1', '', '-1', 'name', '1e999', 'state:(', '-15m', '9'.repeat(40)),
    fc.string({ unit: 'binary' }),
  );
  const asked = fc.record({
    route: fc.constantFrom(...ROUTES),
    part: fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.isWellFormed() && !/^\.\.?$/.test(text)),
    query: fc.array(fc.tuple(name, value), { maxLength: 4 }),
  });
  await fc.assert(
    fc.asyncProperty(asked, async ({ route: [path, route], part, query }) => {
      const url = path.slice(4).replace(/\{\w+\}/, () => encodeURIComponent(part));
      const given = new URLSearchParams(
        query.map(([key, text]): [string, string] => [key.toWellFormed(), text.toWellFormed()]),
      );
      const response = await routes.request(`${url}?${given}`);
      const text = await response.text();
      expect([200, 400, 404]).toContain(response.status);
      if (response.status !== 200) errorAnswer.parse(JSON.parse(text));
      else if (String(response.headers.get('content-type')) === 'application/json')
        route.response.parse(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test('a method that a path does not take is refused with those that it takes', async () => {
  const routes = createRoutes(sources());
  const asked = async (method: string, path: string): Promise<unknown[]> => {
    const response = await routes.request(path, { method });
    return [response.status, response.headers.get('allow'), errorAnswer.parse(await response.json()).error];
  };
  expect(await asked('DELETE', '/api/tasks')).toEqual([405, 'GET', '/api/tasks takes no DELETE; expected GET']);
  expect(await asked('PUT', '/api/periodic-tasks/x')).toEqual([
    405,
    'GET, PATCH, DELETE',
    '/api/periodic-tasks/x takes no PUT; expected GET or PATCH or DELETE',
  ]);
  expect(await asked('POST', '/metrics')).toEqual([405, 'GET', '/metrics takes no POST; expected GET']);
  for (const method of ['GET', 'HEAD'])
    expect((await routes.request('/assets/gone.js', { method })).status, method).toBe(404);
  expect(await asked('POST', '/api/nothing')).toEqual([404, null, 'there is nothing at /api/nothing']);
});
