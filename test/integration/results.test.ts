/** Results that real Celery workers store, in tables that either side made, read through the API and the library. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GroupAnswer, ResultRecord } from '../../src/contract/results.ts';
import type { TaskAnswer } from '../../src/contract/routes.ts';
import { openResults, type Results } from '../../src/library/results.ts';
import { openDatabase } from '../../src/store/database.ts';
import { CeleryApp } from '../support/celery-app.ts';
import { Running } from '../support/running.ts';
import { type Fresh, freshDatabase, freshVhost } from '../support/services.ts';

test('the example stores a result, waits for it, and removes it', async () => {
  await using database = await freshDatabase();
  const example = new URL('../../examples/results.mjs', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [example, database.url]);
  expect(stdout).toContain("is SUCCESS: {'total': 6, 'items': [1, 2, 3]}");
  expect(stdout).toContain('of 2 tasks 2 are done: [{"total":6,"items":[1,2,3]},{"total":6,"items":[1,2,3]}]');
  await using results = await openResults(database.url);
  expect(await results.restoreGroup('a-group')).toBeNull();
});

/** As Celery writes it. */
const backend = (url: string): string => url.replace(/^postgres:/, 'db+postgresql:');

/** Calls of every kind; prints their ids. */
const CALLS = `
import json, time
from celery import chord, group
from app import add, app, fail, give, second_try, sleep, total
ids = {"success": add.delay(2, 3).id, "failure": fail.delay("no good").id, "retry": second_try.delay().id}
ids["given"] = give.delay().id
grouped = group(add.s(n, n) for n in range(3))()
grouped.save()
ids["group"] = grouped.id
chorded = chord((add.s(n, 1) for n in range(2)), total.s())()
ids["chord"] = chorded.id
waiting = sleep.apply_async((0,), countdown=3600)
running = sleep.delay(600)
while running.state != "STARTED": time.sleep(0.02)
running.revoke(terminate=True)
ids["revoked"] = running.id
grouped.get(timeout=60); chorded.get(timeout=60)
for name in ("success", "failure", "retry", "given", "revoked"):
    while not app.AsyncResult(ids[name]).ready(): time.sleep(0.02)
print(json.dumps(ids))
`;

type Ids = Record<'success' | 'failure' | 'retry' | 'given' | 'group' | 'chord' | 'revoked', string>;

describe.each([
  // Which tables, who makes them first, and what the worker's results are written with.
  { tables: 'public', first: 'the worker', conf: {} },
  { tables: 'celerycam', first: 'celerycam', conf: { result_extended: true } },
  { tables: 'celerycam', first: 'the worker', conf: {} },
  { tables: 'public', first: 'the library', conf: { result_serializer: 'pickle', result_extended: true } },
] as const)('in $tables, made by $first, with $conf', ({ tables, first, conf }) => {
  const stack: AsyncDisposable[] = [];
  const use = <T extends AsyncDisposable>(resource: T): T => {
    stack.push(resource);
    return resource;
  };
  let program: Running;
  let app: CeleryApp;
  let database: Fresh;
  let ids: Ids;
  let results: Results;

  beforeAll(async () => {
    database = use(await freshDatabase());
    const vhost = use(await freshVhost());
    const schemas = tables === 'public' ? {} : { database_table_schemas: { task: tables, group: tables } };
    app = use(
      new CeleryApp(vhost.url, {
        ...{ result_backend: backend(database.url), accept_content: ['json', 'pickle'] },
        ...{ result_persistent: true, ...schemas, ...conf },
      }),
    );
    if (first === 'the library') await (await openResults(database.url))[Symbol.asyncDispose]();
    if (first === 'the worker' && tables !== 'public') {
      const opened = await openDatabase({ url: database.url, schema: 'public' });
      await opened.knex.raw(`create schema ${tables}`);
      await opened[Symbol.asyncDispose]();
      await app.python('from app import app; app.AsyncResult("x").state');
    }
    program = use(new Running({ broker: [vhost.url], database: database.url }));
    await program.next('receiver:ready');
    await app.startWorker('w1@results');
    ids = JSON.parse(await app.python(CALLS)) as Ids;
    const serializer = 'result_serializer' in conf ? conf.result_serializer : 'json';
    results = use(await openResults(database.url, { schema: tables, serializer }));
  });
  afterAll(async () => {
    for (const resource of stack.reverse()) await resource[Symbol.asyncDispose]();
  });

  const ask = async <T>(path: string): Promise<T> => (await (await fetch(program.url + path)).json()) as T;
  const stored = (id: string, more = ''): Promise<ResultRecord> => ask(`/api/results/${id}${more}`);
  const table = `${tables}.celery_taskmeta`;

  test('a success', async () => {
    expect(await stored(ids.success)).toMatchObject({
      ...{ status: 'SUCCESS', result: 5, text: '5', opaque: [], problem: null, traceback: null, table },
      ...('result_extended' in conf
        ? { name: 'app.add', args: [2, 3], kwargs: {}, worker: 'w1@results', queue: 'celery' }
        : {}),
    });
    const { date_done } = await stored(ids.success);
    expect(Math.abs((date_done ?? 0) - Date.now() / 1000)).toBeLessThan(300);
  });

  test('a failure, with its traceback', async () => {
    const { traceback, ...record } = await stored(ids.failure);
    expect(record).toMatchObject({ status: 'FAILURE', text: "ValueError('no good')", opaque: [] });
    expect(record.result).toEqual({ exc_type: 'ValueError', exc_message: ['no good'], exc_module: 'builtins' });
    expect(traceback).toContain('raise ValueError(reason)');
  });

  test('one that was retried, one that was revoked', async () => {
    expect(await stored(ids.retry)).toMatchObject({ status: 'SUCCESS', result: 'at last' });
    expect(await stored(ids.revoked)).toMatchObject({
      status: 'REVOKED',
      result: { exc_type: 'TaskRevokedError', exc_message: ['terminated'], exc_module: 'celery.exceptions' },
    });
  });

  test('values that JSON has no form for, and one that is more than data', async () => {
    expect(await stored(ids.given)).toMatchObject({
      result: {
        at: '2026-11-24T12:00:00+00:00',
        big: '1180591620717411303424',
        pair: [1, 2],
        set: [7],
        bytes: { __type__: 'bytes', __value__: 'hi' },
        order: { __type__: 'app.Order' },
        long: 'x'.repeat(5000),
      },
      opaque: ['app.Order'],
    });
    const { text } = await stored(ids.given);
    expect(text).toContain("'at': datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)");
    expect(text).toContain("'pair': (1, 2), 'set': {7}, 'bytes': b'hi', 'order': <app.Order object>");
  });

  test('a group and the body of a chord', async () => {
    const group: GroupAnswer = await ask(`/api/groups/${ids.group}`);
    expect(group).toMatchObject({ total: 3, completed_count: 3, ready: true, successful: true, failed: false });
    expect(group.result).toEqual([0, 2, 4]);
    expect(group.children.map(({ result }) => result)).toEqual([0, 2, 4]);
    expect(await stored(ids.chord)).toMatchObject({ status: 'SUCCESS', result: 3 });
  });

  test('a task has its whole result where its event was cut', async () => {
    const { task, stored, result_from }: TaskAnswer = await ask(`/api/tasks/${ids.success}`);
    expect({ task, stored, result_from }).toMatchObject({
      task: { result: '5' },
      stored: { result: 5, table },
      result_from: 'event',
    });
    const long = (
      await app.python('from app import give_text; r = give_text.delay(5000); r.get(timeout=60); print(r.id)')
    ).trim();
    await program.until(
      'the event',
      async () => (await ask<TaskAnswer>(`/api/tasks/${long}`)).task.state === 'SUCCESS',
    );
    const answer: TaskAnswer = await ask(`/api/tasks/${long}`);
    expect(answer.task).toMatchObject({ result: `'${'x'.repeat(5000)}'` });
    expect(answer.result_from).toBe('table');
  });

  test('what the library stores, Python gets, and what it forgets, Python does not', async () => {
    await results.store('ts-1', { n: [1, 2.5, 'ä', null, true], big: 2n ** 80n, bytes: Uint8Array.of(104, 105) });
    await results.store('ts-2', new RangeError('too far'), {
      name: 'app.add',
      args: [1],
      kwargs: { y: 2 },
      worker: 'ts@here',
    });
    await results.store('ts-3', { percent: 50 }, { status: 'PROGRESS' });
    await results.saveGroup('ts-group', ['ts-1', 'ts-1']);
    const said = await app.python(`
from app import app
from celery.result import GroupResult
import json
print(json.dumps([repr(app.AsyncResult('ts-1').get(timeout=9)), repr(app.AsyncResult('ts-2').result), app.AsyncResult('ts-2').state,
  app.AsyncResult('ts-3').info, app.AsyncResult('ts-3').state, [r.get(timeout=9)['n'][0] for r in GroupResult.restore('ts-group', app=app)],
  app.AsyncResult('ts-2').traceback is not None, app.AsyncResult('ts-2').args, app.AsyncResult('ts-2').date_done is not None]))
`);
    expect(JSON.parse(said)).toEqual([
      "{'n': [1, 2.5, 'ä', None, True], 'big': 1208925819614629174706176, 'bytes': b'hi'}",
      "RangeError('too far')",
      ...['FAILURE', { percent: 50 }, 'PROGRESS', [1, 1], true],
      'result_extended' in conf ? [1] : null,
      true,
    ]);
    await results.forget('ts-1');
    await results.deleteGroup('ts-group');
    const rest = await app.python(
      `from app import app\nprint(app.AsyncResult('ts-1').state, app.GroupResult.restore('ts-group'))`,
    );
    expect(rest.trim()).toBe('PENDING None');
    expect(await results.restoreGroup('ts-group')).toBeNull();
  });

  test('what Python stores and saves, the library gets', async () => {
    expect(await results.get(ids.success)).toMatchObject({ status: 'SUCCESS', result: 5 });
    expect(await results.restoreGroup(ids.group)).toMatchObject({ completed_count: 3, result: [0, 2, 4] });
    expect(await results.get('never heard of')).toMatchObject({ status: 'PENDING', result: null, table: null });
  });

  test('who waits is answered as soon as the result is there', async () => {
    const waiting = stored('ts-late', '?wait=30s');
    const library = results.get('ts-late', { wait: 30 });
    await app.python(`from app import app\napp.backend.store_result('ts-late', 42, 'SUCCESS')`);
    expect(await waiting).toMatchObject({ status: 'SUCCESS', result: 42 });
    expect(await library).toMatchObject({ result: 42 });
    const start = performance.now();
    expect(await stored('ts-never', '?wait=300ms')).toMatchObject({ status: 'PENDING' });
    expect(performance.now() - start).toBeGreaterThan(290);
  });
});
