import { expect, test } from 'vitest';
import type { Answer } from '../../src/answer.ts';
import {
  deadLettersPage as deadLettersShape,
  gapsPage as gapsShape,
  snapshotsPage,
  taskTree,
  taskVersion,
  workersPage,
} from '../../src/contract/history.ts';
import { taskRecord, toTaskRecord } from '../../src/contract/records.ts';
import { deadLettersPage, gapsPage } from '../../src/journal/lists.ts';
import { createHistory } from '../../src/store/history.ts';
import { createStudio } from '../support/camera.ts';
import { migratedDatabase, NOON, taskEvent } from '../support/database.ts';

function given<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(answer.message);
  return answer.value;
}

/** When the latest snapshot was taken, epoch seconds. */
async function takenAt(knex: Awaited<ReturnType<typeof migratedDatabase>>['knex']): Promise<number> {
  const [row] = await knex('snapshots').select(knex.raw('extract(epoch from max(taken_at))::float8 as at'));
  return row.at;
}

test('a task is told whole, as memory tells it, and each of its versions', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { fold: 'strict', expireSuccess: 0 });
  const history = createHistory(database.knex, async () => []);
  const which = { id: 'a\0', cluster: null };
  expect(await history.task(which)).toMatchObject({ problem: 'unrecorded' });
  const moments: number[] = [];
  for (const [type, more] of [
    ['task-received', { name: 'proj.add', args: '(1,)', kwargs: '{}', retries: 0, root_id: 'a\0', parent_id: null }],
    ['task-started', {}],
    ['task-retried', { exception: 'x', traceback: 'y' }],
    ['task-received', { name: 'proj.add', retries: 1, root_id: 'a\0' }],
    ['task-succeeded', { result: '4', runtime: 0.5 }],
  ] as const) {
    studio.say(taskEvent(type, which.id, more));
    await studio.camera.shutter();
    moments.push(await takenAt(database.knex));
  }
  const { task, as_of } = given(await history.task(which));
  expect(as_of).toMatchObject({ snapshot: 5, position: 5 });
  const state = studio.state();
  const inMemory = state.tasks.get(which.id);
  expect(taskRecord.parse(task)).toEqual(inMemory && { ...toTaskRecord(state, inMemory, NOON), root_id: 'a␀' });
  expect(task.runs).toHaveLength(2);
  expect(await history.task({ ...which, cluster: 'eu' })).toMatchObject({ problem: 'unknown' });

  await studio.camera.cleanup();
  expect(await history.task(which)).toMatchObject({
    problem: 'unknown',
    message: 'nothing is recorded of the task "a\\u0000"',
  });
  const { items } = given(await history.versions(which));
  expect(items.map((item) => taskVersion.parse(item).state)).toEqual([
    'RECEIVED',
    'STARTED',
    'RETRY',
    'RECEIVED',
    'SUCCESS',
  ]);
  expect(items.map(({ since, until }) => [since, until])).toEqual([1, 2, 3, 4, 5].map((n) => [n, n + 1]));
  expect(items.map(({ since_at }) => since_at)).toEqual(moments);
  for (const [n, moment] of moments.entries())
    if (moments.indexOf(moment) === n && moments[n + 1] !== moment)
      expect(given(await history.taskAt(which, moment)).task).toEqual(items[n]);
  expect(await history.taskAt(which, (moments[0] ?? 0) - 1)).toMatchObject({ problem: 'unrecorded' });
});

test('a workflow is told whole from any task of it, now and then, and when it is too large', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { maxTasks: 5000, expireSuccess: 0 });
  const history = createHistory(database.knex, async () => []);
  const say = (uuid: string, parent_id: string | null, root_id: string, type = 'task-received'): void =>
    studio.say(taskEvent(type, uuid, { root_id, parent_id, name: 'n' }));
  say('root', null, 'root');
  say('one', 'root', 'root');
  say('two', 'one', 'root');
  say('other', null, 'other');
  await studio.camera.shutter();
  const then = await takenAt(database.knex);
  for (const uuid of ['root', 'one', 'two']) say(uuid, null, 'root', 'task-succeeded');
  studio.say(taskEvent('task-received', 'more', { root_id: 'root', parent_id: 'two', name: 'n' }));
  await studio.camera.shutter();
  const ids = (answer: Answer<{ items: readonly { task_id: string; state: string }[] }>): unknown =>
    given(answer).items.map(({ task_id, state }) => `${task_id} ${state}`);
  for (const id of ['root', 'one', 'two', 'more'])
    expect(ids(await history.tree({ id, cluster: null }, null))).toEqual([
      'root SUCCESS',
      'one SUCCESS',
      'two SUCCESS',
      'more RECEIVED',
    ]);
  await studio.camera.cleanup();
  expect(ids(await history.tree({ id: 'root', cluster: null }, null))).toEqual(['more RECEIVED']);
  if ((await takenAt(database.knex)) !== then) {
    const before = await history.tree({ id: 'two', cluster: 'default' }, then);
    expect(ids(before)).toEqual(['root RECEIVED', 'one RECEIVED', 'two RECEIVED']);
    taskTree.parse(given(before));
  }
  expect(await history.tree({ id: 'nobody', cluster: null }, null)).toMatchObject({ problem: 'unknown' });
  for (let n = 0; n < 1001; n += 1) say(`child${n}`, 'more', 'root');
  await studio.camera.shutter();
  expect(given(await history.tree({ id: 'child7', cluster: null }, null))).toMatchObject({
    cut: true,
    root_id: 'root',
  });
});

test('workers as they are and as they were, page by page', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { fold: 'strict' });
  const history = createHistory(database.knex, async () => []);
  const now = Date.now() / 1000;
  const beat = (hostname: string, active: number, n: number, type = 'worker-heartbeat'): void =>
    studio.say({ type, hostname, timestamp: now + n / 100, freq: 60, pid: 7, clock: n, active }, 'default', now);
  const then: { at: number; active: (number | null)[] }[] = [];
  for (let n = 1; n <= 4; n += 1) {
    for (const name of ['a', 'b', 'c'].slice(0, n))
      beat(`celery@${name}`, n, n, name === 'a' && n === 4 ? 'worker-offline' : undefined);
    await studio.camera.shutter();
    const rows = await database.knex('worker_states').orderBy('hostname');
    then.push({ at: await takenAt(database.knex), active: rows.map(({ active }) => active) });
  }
  const all = async (
    at: number | null,
    limit: number,
  ): Promise<{ hostname: string; active: number | null; status: string }[]> => {
    const items = [];
    for (let cursor: string | null = null; ; ) {
      const page = workersPage.parse(given(await history.workers({ cluster: null, at, cursor, limit })));
      items.push(...page.items);
      cursor = page.next;
      if (cursor === null) {
        expect(page.total).toEqual({ count: items.length, kind: 'exact' });
        return items;
      }
    }
  };
  for (const [n, { at, active }] of then.entries())
    if (then[n + 1]?.at !== at)
      for (const limit of [1, 2, 10]) expect((await all(at, limit)).map((worker) => worker.active)).toEqual(active);
  expect(await all(null, 2)).toMatchObject([
    { hostname: 'celery@a', status: 'OFFLINE' },
    { hostname: 'celery@b', status: 'ONLINE' },
    { hostname: 'celery@c', status: 'ONLINE' },
  ]);
  expect(given(await history.worker({ id: 'celery@a', cluster: null }, null)).worker).toMatchObject({
    reason: 'goodbye',
  });
  expect(given(await history.worker({ id: 'celery@a', cluster: null }, then[2]?.at ?? 0)).worker.status).toBe('ONLINE');
  expect(await history.worker({ id: 'celery@d', cluster: null }, null)).toMatchObject({ problem: 'unknown' });
  expect(await history.workers({ cluster: null, at: null, limit: 1, cursor: 'x' })).toMatchObject({
    problem: 'cursor',
  });
});

test('snapshots, gaps and dead letters, newest first, page by page', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const history = createHistory(knex, async () => []);
  const summary = {
    event_count: 5,
    task_count: 2,
    tasks: { SUCCESS: 2 },
    workers: { ONLINE: 1 },
    clock: 7,
    fold: 'strict',
  };
  for (let n = 1; n <= 5; n += 1) {
    const time = new Date((NOON + n) * 1000);
    await knex('snapshots').insert({ taken_at: time, position: n, tasks: 1, workers: 1, clusters: { eu: summary } });
    await knex('gaps').insert({
      cluster: n % 2 ? 'eu' : 'us',
      cause: 'ttl',
      started_at: time,
      ended_at: time,
      estimate: null,
      detail: 'd',
    });
    const letter = { cluster: 'eu', received_at: time, routing_key: 'k', content_type: null, content_encoding: null };
    await knex('dead_letters').insert({ ...letter, headers: {}, body: Buffer.alloc(n * 10_000, n), reason: 'r' });
  }
  const everything = { cluster: null, from: null, to: null };
  const lists = [
    async (cursor: string | null) =>
      snapshotsPage.parse(given(await history.snapshots({ limit: 2, cursor, from: null, to: null }))),
    async (cursor: string | null) => gapsShape.parse(given(await gapsPage(knex, { ...everything, limit: 2, cursor }))),
    async (cursor: string | null) =>
      deadLettersShape.parse(given(await deadLettersPage(knex, { ...everything, limit: 2, cursor }))),
  ];
  for (const list of lists) {
    const ids: number[] = [];
    for (let cursor: string | null = null; ; ) {
      const page: { items: readonly object[]; next: string | null } = await list(cursor);
      ids.push(
        ...page.items.map((item) => ('snapshot' in item ? item.snapshot : 'id' in item ? item.id : 0) as number),
      );
      cursor = page.next;
      if (cursor === null) break;
    }
    expect(ids).toEqual([5, 4, 3, 2, 1]);
  }
  const some = { limit: 10, cursor: null, from: NOON + 2, to: NOON + 4 };
  expect(given(await history.snapshots(some)).items).toMatchObject([
    { snapshot: 4, clusters: { eu: { event_count: 5, tasks: { SUCCESS: 2 } } } },
    { snapshot: 3 },
    { snapshot: 2 },
  ]);
  expect(given(await gapsPage(knex, { ...some, cluster: 'eu' })).items.map(({ id }) => id)).toEqual([3]);
  const [letter] = given(await deadLettersPage(knex, { ...some, cluster: null })).items;
  expect(letter).toMatchObject({ id: 4, body_bytes: 40_000 });
  expect(Buffer.from(letter?.body ?? '', 'base64')).toEqual(Buffer.alloc(16_384, 4));
  expect(await gapsPage(knex, { ...everything, limit: 1, cursor: 'eyJ9' })).toMatchObject({ problem: 'cursor' });
});
