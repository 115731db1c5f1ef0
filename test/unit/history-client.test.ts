import { describe, expect, expectTypeOf, test } from 'vitest';
import { answer, refuse } from '../../src/answer.ts';
import { History, type Question, refusalIn } from '../../src/client/index.ts';
import type { ClusterAnswer } from '../../src/contract/api.ts';
import type { GapRow, StatsPoint, TaskRow } from '../../src/contract/history.ts';
import type { ClusterThen } from '../../src/contract/routes.ts';
import { MonitorError } from '../../src/errors.ts';
import type { Questions } from '../../src/http/questions.ts';
import { createRoutes } from '../../src/http/routes.ts';
import { createRecord, taskRow, tasksAnswer } from '../support/questions.ts';
import { apiSources } from '../support/sources.ts';

/** A client of an API that answers from this record, and every request that it made. */
function connected(answers: Partial<Questions> = {}, options: object = {}) {
  const routes = createRoutes(apiSources({ questions: createRecord(answers), clock: () => 1000 }));
  const requests: Request[] = [];
  const ask: typeof fetch = async (url, init) => {
    const request = new Request(url as string, init);
    requests.push(request);
    return routes.request(request);
  };
  return { requests, history: new History({ url: 'http://cam.test/', fetch: ask, ...options }) };
}

async function failure(work: Promise<unknown>): Promise<MonitorError> {
  return work.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error as MonitorError,
  );
}

test('every call reaches its route', async () => {
  const { history, requests } = connected();
  await history.cluster();
  await history.workers({ cluster: 'c' });
  await history.tasks({ state: ['FAILURE', 'RETRY'], name: 'proj.*', received_from: '-1h', at: new Date(0), limit: 5 });
  await history.taskNames({ from: 0, to: '2026-11-24' });
  await history.stats({ bucket: '5m', by: 'name' });
  await history.snapshots();
  await history.gaps();
  await history.deadLetters({ cluster: 'ü&' });
  expect(requests.map(({ url }) => decodeURIComponent(url.replace('http://cam.test', '')))).toEqual([
    '/api/cluster',
    '/api/workers?cluster=c',
    '/api/tasks?state=FAILURE&state=RETRY&name=proj.*&received_from=-1h&at=1970-01-01T00:00:00.000Z&limit=5',
    '/api/task-names?from=0&to=2026-11-24',
    '/api/stats?bucket=5m&by=name',
    '/api/snapshots',
    '/api/gaps',
    '/api/dead-letters?cluster=ü&',
  ]);
});

test.each(['a/b?c#d', '%2F', "x'; --", '☃ 𝄞', 'a\ud800'])('a uuid or hostname may be %j', async (name) => {
  const asked: string[] = [];
  const note = async ({ id }: { readonly id: string }) => {
    asked.push(id);
    return refuse('unknown', `nobody knows ${id}`);
  };
  const { history } = connected({ task: note, tree: note, versions: note, worker: note });
  for (const work of [history.task(name), history.tree(name), history.versions(name), history.worker(name)]) {
    expect(refusalIn(await failure(work))).toMatchObject({ status: 404, error: `nobody knows ${name.toWellFormed()}` });
  }
  expect(asked).toEqual(Array(4).fill(name.toWellFormed()));
});

test('a list is read to its end, page by page as it is wanted', async () => {
  let asked = 0;
  const tasks: Questions['tasks'] = async ({ cursor, limit }) => {
    asked += 1;
    expect(limit).toBe(cursor === null ? 100 : 1000);
    const n = Number(cursor ?? 0);
    return tasksAnswer([taskRow(`t${n}`)], n < 3 ? String(n + 1) : null);
  };
  const { history } = connected({ tasks });
  const rows: string[] = [];
  for await (const { task_id } of history.each('/api/tasks', {})) rows.push(task_id);
  expect(rows).toEqual(['t0', 't1', 't2', 't3']);
  asked = 0;
  for await (const _ of history.each('/api/tasks', {})) break;
  expect(asked).toBe(1);
});

test('figures are read as rows', async () => {
  const spread = { count: 0, p50: null, p95: null, p99: null };
  const point = { at: 60, tasks: {}, wait: spread, delivery: spread, runtime: spread, events: null };
  const series = [{ cluster: 'c', key: null, points: [point] }];
  const { history } = connected({
    stats: async ({ from, to, bucket }) => answer({ from, to, bucket, series, cut: false, gaps: [] }),
  });
  for await (const row of history.each('/api/stats', {})) expect(row).toEqual({ cluster: 'c', key: null, ...point });
});

describe('failures', () => {
  test('what was asked wrongly is told as the API told it', async () => {
    const { history } = connected();
    const error = await failure(history.tasks({ q: 'runtime>fast' }));
    expect(error.code).toBe('QUESTION_REFUSED');
    expect(refusalIn(error)).toMatchObject({ status: 400, parameter: 'q', at: 8, error: error.message });
  });

  test('a server that fails, is not there, or is another one', async () => {
    const down = connected({ tasks: () => Promise.reject(new MonitorError('DATABASE_UNREACHABLE', 'it is gone')) });
    expect(await failure(down.history.tasks())).toMatchObject({
      code: 'API_UNREACHABLE',
      message: 'it is gone',
      retry: true,
    });
    const nobody = new History({
      url: 'http://user:secret@127.0.0.1:1',
      fetch: () => Promise.reject(new TypeError('no')),
    });
    const error = await failure(nobody.tasks());
    expect(error.message).toBe('celerycam at http://user:***@127.0.0.1:1 does not answer: no');
    expect(refusalIn(error)).toBeNull();
    const other = new History({ url: 'http://x', fetch: async () => new Response('<html>') });
    expect((await failure(other.tasks())).code).toBe('API_UNREACHABLE');
  });

  test('an abort is what it was aborted with', async () => {
    const { history } = connected();
    const hanging = new History({
      url: 'http://x',
      fetch: (_, init) =>
        new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(new Error('cut')))),
    });
    const abort = new AbortController();
    const work = failure(hanging.get('/api/cluster', {}, abort));
    abort.abort(new Error('enough'));
    expect((await work).message).toBe('enough');
    await history.cluster();
  });
});

test('a token, a prefix and headers are sent', async () => {
  const { history, requests } = connected(
    {},
    { url: new URL('http://cam.test/'), token: 't0k', headers: { 'x-a': 'b' } },
  );
  await history.get('/healthz', {});
  expect([requests[0]?.headers.get('authorization'), requests[0]?.headers.get('x-a')]).toEqual(['Bearer t0k', 'b']);
  const asked: string[] = [];
  const prefixed = new History({
    url: 'https://h/celerycam/',
    fetch: async (url) => {
      asked.push(String(url));
      return Response.json({});
    },
  });
  await prefixed.gaps();
  expect(asked).toEqual(['https://h/celerycam/api/gaps']);
});

test('not ready is an answer', async () => {
  const history = new History({
    url: 'http://x',
    fetch: async () => Response.json({ ready: false, reasons: ['r'] }, { status: 503 }),
  });
  expect(await history.get('/readyz', {})).toEqual({ ready: false, reasons: ['r'] });
});

test('types', () => {
  const { history } = connected();
  expectTypeOf(() => history.cluster()).returns.toEqualTypeOf<Promise<ClusterAnswer>>();
  expectTypeOf(() => history.cluster({ at: 1 })).returns.toEqualTypeOf<Promise<ClusterThen>>();
  expectTypeOf(history.each('/api/gaps', {})).toEqualTypeOf<AsyncGenerator<GapRow, void, undefined>>();
  expectTypeOf(history.each('/api/tasks', {})).toEqualTypeOf<AsyncGenerator<TaskRow, void, undefined>>();
  expectTypeOf<StatsPoint>().toExtend<Awaited<ReturnType<History['stats']>>['series'][number]['points'][number]>();
  expectTypeOf<Question<'/api/tasks/{uuid}'>>().toExtend<{ readonly uuid: string }>();
  // @ts-expect-error there is no such sort
  void ((): unknown => history.tasks({ sort: 'state' }));
  // @ts-expect-error there is no such parameter
  void ((): unknown => history.gaps({ state: 'FAILURE' }));
  // @ts-expect-error not a list
  void ((): unknown => history.each('/api/cluster', {}));
  expectTypeOf<Awaited<ReturnType<typeof history.get<'/api/cluster'>>>>().toEqualTypeOf<ClusterAnswer | ClusterThen>();
});
