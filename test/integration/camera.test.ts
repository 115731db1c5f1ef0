import fc from 'fast-check';
import type { Knex } from 'knex';
import { expect, test, vi } from 'vitest';
import type { Task } from '../../src/domain/task.ts';
import { createSnapshots } from '../../src/store/snapshots.ts';
import { createStudio, OPTIONS } from '../support/camera.ts';
import { migratedDatabase, NOON, taskEvent } from '../support/database.ts';
import { event } from '../support/events.ts';

const WHEN = Date.now() / 1000;

/** The versions that held at a snapshot, as the views tell. */
async function versionsAt(knex: Knex, view: string, snapshot: number): Promise<Record<string, unknown>[]> {
  return knex(view).where('since', '<=', snapshot).andWhereRaw('(until > ? or until is null)', [snapshot]);
}

test('a task is one row in Celery’s words, whatever its events said', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  studio.say({
    type: 'worker-online',
    hostname: 'celery@one',
    timestamp: WHEN,
    freq: 1e6,
    pid: 7,
    sw_ident: 'py-celery',
    loadavg: [1.5, 1, 0.25],
  });
  studio.say(
    taskEvent('task-sent', 'a', { queue: 'celery', routing_key: 'celery', exchange: '', hostname: 'gen1@client' }),
  );
  studio.say(
    taskEvent('task-received', 'a', {
      name: 'proj.add',
      args: '(1, 2)',
      kwargs: '{}',
      retries: 1,
      eta: '2026-11-24T12:25:00.123456+02:00',
      expires: '2026-11-24 13:00:00',
      root_id: 'r',
      parent_id: 'p',
    }),
  );
  studio.say(taskEvent('task-started', 'a'));
  studio.say(taskEvent('task-failed', 'a', { exception: "ValueError('x')", traceback: 'line\n\tline' }));
  expect(await studio.camera.shutter()).toBe(true);
  const [task] = await database.knex('task_states');
  expect(task).toMatchObject({
    cluster: 'default',
    task_id: 'a',
    state: 'FAILURE',
    name: 'proj.add',
    args: '(1, 2)',
    kwargs: '{}',
    retries: 1,
    eta: new Date('2026-11-24T10:25:00.123Z'),
    eta_sent: '2026-11-24T12:25:00.123456+02:00',
    expires: new Date('2026-11-24T13:00:00Z'),
    result: null,
    exception: "ValueError('x')",
    traceback: 'line\n\tline',
    worker: 'celery@one',
    client: 'gen1@client',
    root_id: 'r',
    parent_id: 'p',
    ready: true,
    hidden: false,
    since: 1,
  });
  expect(task.tstamp.getTime()).toBeCloseTo(task.timestamp * 1000, -1);
  expect(await database.knex('worker_states')).toMatchObject([
    { hostname: 'celery@one', status: 'ONLINE', pid: 7, freq: 1e6, sw_ident: 'py-celery', loadavg: [1.5, 1, 0.25] },
  ]);
  const [snapshot] = await database.knex('snapshots');
  expect(snapshot).toMatchObject({ id: 1, position: 5, tasks: 1, workers: 1 });
  expect(snapshot.clusters.default).toMatchObject({ event_count: 5, task_count: 1, tasks: { FAILURE: 1 } });
  // What django-celery's tables would hold.
  expect(await database.knex('djcelery_taskstate')).toMatchObject([
    { id: 1, state: 'FAILURE', task_id: 'a', result: "ValueError('x')", retries: 1, hidden: false, worker_id: 1 },
  ]);
  expect(Object.keys((await database.knex('djcelery_taskstate'))[0])).toEqual(
    'id state task_id name tstamp args kwargs eta expires result traceback runtime retries hidden worker_id'.split(' '),
  );
  expect(await database.knex('djcelery_workerstate').select('id', 'hostname')).toEqual([
    { id: 1, hostname: 'celery@one' },
  ]);
});

test('nothing changed, no picture; hidden stays as people set it', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  await studio.camera.shutter();
  expect(studio.taken).toEqual([]);
  studio.say(taskEvent('task-sent', 'a'));
  await studio.camera.shutter();
  await studio.camera.shutter();
  expect(studio.taken).toEqual([1]);
  await database.knex('task_states').update({ hidden: true });
  studio.say(taskEvent('task-sent', 'a', { name: 'n' }));
  await studio.camera.shutter();
  expect(await database.knex('task_states').first('hidden', 'name', 'since')).toEqual({
    hidden: true,
    name: 'n',
    since: 2,
  });
  // An event that changes no record moves the position all the same.
  studio.say({ type: 'mything' });
  await studio.camera.shutter();
  expect(studio.taken).toEqual([1, 2, 3]);
});

test('a worker that only beats has one version; a lost one is OFFLINE without an event', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  const time = Date.now() / 1000;
  const beat = (timestamp: number) => ({
    type: 'worker-heartbeat',
    hostname: 'w',
    timestamp,
    freq: 0.05,
    clock: timestamp,
    active: 1,
  });
  studio.say(beat(time), 'default', time + 3600);
  await studio.camera.shutter();
  studio.say(beat(time + 1), 'default', time + 3601);
  await studio.camera.shutter();
  expect(await database.knex('worker_states').first('status', 'since', 'heartbeats')).toEqual({
    status: 'ONLINE',
    since: 1,
    heartbeats: [time + 3600, time + 3601],
  });
  expect(await database.knex('worker_history')).toEqual([]);
  // Its heartbeats are from long ago now.
  const worker = studio.state().workers.get('w');
  if (worker) worker.heartbeats = [time - 60];
  await studio.camera.shutter();
  expect(studio.taken).toEqual([1, 2, 3]);
  expect(await database.knex('worker_states').first('status', 'since')).toEqual({ status: 'OFFLINE', since: 3 });
  expect(await database.knex('worker_history')).toMatchObject([
    { hostname: 'w', status: 'ONLINE', since: 1, until: 3, active: 1 },
  ]);
});

test('what an event changes beside its task is photographed, also when the event comes late', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  for (const hostname of ['celery@one', 'celery@two']) studio.say({ type: 'worker-online', hostname, timestamp: NOON });
  studio.say(taskEvent('task-succeeded', 'parent'));
  studio.say(taskEvent('task-started', 'child', { hostname: 'celery@two' }));
  await studio.camera.shutter();
  const late = taskEvent('task-received', 'child', { parent_id: 'parent' });
  studio.say(late);
  await studio.camera.shutter();
  expect(studio.state().tasks.get('child')?.state).toBe('STARTED');
  expect(await database.knex('task_states').where('task_id', 'parent').first('children')).toEqual({
    children: ['child'],
  });
  const beats = studio.state().workers.get('celery@one')?.heartbeats;
  expect(beats).toContain(late['timestamp']);
  expect(await database.knex('worker_states').where('hostname', 'celery@one').first('heartbeats')).toEqual({
    heartbeats: beats,
  });
});

test('a failed shutter keeps everything, a later change included', async () => {
  await using database = await migratedDatabase();
  const snapshots = createSnapshots(database.knex);
  let broken = true;
  let saving = (): void => undefined;
  const studio = createStudio(database.knex, {
    snapshots: {
      ...snapshots,
      async save(picture) {
        saving();
        if (!broken) return snapshots.save(picture);
        await database.knex.raw('select 1 / 0');
        return null;
      },
    },
  });
  studio.say(taskEvent('task-received', 'a', { name: 'kept' }));
  studio.say(taskEvent('task-received', 'b'));
  // While it is being written, more happens.
  saving = () => {
    studio.say(taskEvent('task-succeeded', 'b', { result: '1' }));
    studio.say(taskEvent('task-received', 'c'));
  };
  expect(await studio.camera.shutter()).toBe(false);
  saving = () => undefined;
  expect(studio.failures).toEqual([expect.stringContaining('division by zero')]);
  expect(await database.knex('task_states')).toEqual([]);
  expect(studio.camera.pending(studio.state(), 'a')).toBeDefined();
  broken = false;
  expect(await studio.camera.shutter()).toBe(true);
  expect(await database.knex('task_states').select('task_id', 'state', 'name').orderBy('task_id')).toEqual([
    { task_id: 'a', state: 'RECEIVED', name: 'kept' },
    { task_id: 'b', state: 'SUCCESS', name: null },
    { task_id: 'c', state: 'RECEIVED', name: null },
  ]);
  expect(await database.knex('task_names')).toEqual([{ cluster: 'default', name: 'kept' }]);
  expect(studio.taken).toHaveLength(1);
});

test('a connection that is cut in the middle of a shutter leaves nothing half done', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  for (let n = 0; n < 3000; n += 1) studio.say(taskEvent('task-received', `u${n}`));
  const shutter = studio.camera.shutter();
  // Ends whatever the shutter is at, again and again until it has failed.
  while (studio.failures.length === 0 && studio.taken.length === 0) {
    await database.knex.raw(`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'`);
  }
  const done = await shutter;
  expect(await database.knex('task_states').count().first()).toEqual({ count: done ? 3000 : 0 });
  expect(await studio.camera.shutter()).toBe(true);
  expect(await database.knex('task_states').count().first()).toEqual({ count: 3000 });
  expect(await database.knex('task_history').count().first()).toEqual({ count: 0 });
});

test('too many tasks that wait for a picture are written before there are more, however often it takes', async () => {
  await using database = await migratedDatabase();
  const snapshots = createSnapshots(database.knex);
  let failing = 2;
  const studio = createStudio(database.knex, {
    maxTasks: 10,
    snapshots: {
      ...snapshots,
      save: async (picture) => (failing-- > 0 ? Promise.reject(new Error('broken')) : snapshots.save(picture)),
    },
  });
  const { signal } = new AbortController();
  for (let n = 0; n < 50_000; n += 1) studio.say(taskEvent('task-received', `u${n}`));
  await studio.camera.settle(signal);
  expect(studio.taken).toEqual([]);
  studio.say(taskEvent('task-received', 'one too many'));
  await studio.camera.settle(signal);
  expect(studio.failures).toEqual(['broken', 'broken']);
  expect(await database.knex('task_states').count().first()).toEqual({ count: 50_001 });
  for (let n = 0; n < 50_001; n += 1) studio.say(taskEvent('task-started', `u${n}`));
  failing = 1000;
  const stopped = studio.camera.settle(AbortSignal.timeout(10)).catch((error: unknown) => error);
  expect(await stopped).toMatchObject({ name: 'AbortError' });
});

test('the last picture is taken on the way out', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { frequency: 3600 });
  const stop = new AbortController();
  const running = studio.camera.run(stop.signal);
  studio.say(taskEvent('task-received', 'a'));
  stop.abort();
  await running;
  expect(studio.taken).toEqual([]);
  await studio.camera[Symbol.asyncDispose]();
  expect(studio.taken).toEqual([1]);
  await studio.camera[Symbol.asyncDispose]();
  expect(studio.taken).toEqual([1]);
});

test('it takes pictures by itself, and a rate that refuses one loses nothing', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { frequency: 0.01, maxrate: 20 });
  const stop = new AbortController();
  const began = performance.now();
  const running = studio.camera.run(stop.signal);
  let n = 0;
  studio.say(taskEvent('task-received', 'u0'));
  await new Promise<void>((resolve) => {
    studio.diagnostics.on('camera:shutter', ({ snapshot }) => {
      if (snapshot === 5) resolve();
      n += 1;
      studio.say(taskEvent('task-received', `u${n}`));
    });
  });
  expect(performance.now() - began).toBeGreaterThan(4 * 50 - 10);
  stop.abort();
  await running;
  await studio.camera[Symbol.asyncDispose]();
  expect(await database.knex('task_states')).toHaveLength(n);
});

test('the state at any snapshot is what it was, through failures and cleanups', async () => {
  await using database = await migratedDatabase();
  const step = fc.oneof(
    { weight: 8, arbitrary: event.map((said) => ({ kind: 'say' as const, said })) },
    { weight: 3, arbitrary: fc.constantFrom({ kind: 'shutter' as const }, { kind: 'failed-shutter' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'cleanup' as const }) },
  );
  const narrow = (task: Task) => {
    const { state, name, worker, timestamp, sent, received, started, runtime, retries, root_id, parent_id } = task;
    const version = { state, name, worker, timestamp, sent, received, started, runtime, retries, root_id, parent_id };
    return { task_id: task.uuid, ...version };
  };
  const byId = (a: { task_id: string }, b: { task_id: string }): number => (a.task_id < b.task_id ? -1 : 1);
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      for (const table of ['snapshots', 'task_states', 'task_history', 'worker_states', 'worker_history']) {
        await database.knex(table).delete();
      }
      const snapshots = createSnapshots(database.knex);
      let broken = false;
      const studio = createStudio(database.knex, {
        historyRetention: null,
        expireSuccess: 0,
        expireError: null,
        expirePending: null,
        snapshots: {
          ...snapshots,
          save: async (picture) => (broken ? Promise.reject(new Error('broken')) : snapshots.save(picture)),
        },
      });
      /** What the database is to show, and what it showed at each snapshot. */
      let present = new Map<string, ReturnType<typeof narrow>>();
      const remembered = new Map<number, ReturnType<typeof narrow>[]>();
      const changed = new Set<string>();
      for (const now of steps) {
        if (now.kind === 'say') {
          studio.say(now.said, 'default', NOON);
          // A parent that gained a child is photographed as well, even where its row had expired.
          for (const uuid of [now.said['uuid'], now.said['parent_id']])
            if (now.said.type.startsWith('task-') && typeof uuid === 'string') changed.add(uuid);
        } else if (now.kind === 'cleanup') {
          await studio.camera.cleanup();
          present = new Map([...present].filter(([, task]) => task.state !== 'SUCCESS'));
        } else {
          broken = now.kind === 'failed-shutter';
          const before = studio.taken.length;
          await studio.camera.shutter();
          if (studio.taken.length === before) continue;
          for (const uuid of changed) {
            const task = studio.state().tasks.get(uuid);
            if (task) present.set(uuid, narrow(task));
          }
          changed.clear();
          remembered.set(studio.taken.at(-1) ?? 0, [...present.values()].sort(byId));
        }
      }
      for (const [snapshot, expected] of remembered) {
        const rows = await versionsAt(database.knex, 'task_versions', snapshot);
        const versions = rows.map(({ cluster, since, until, ...version }) => version as ReturnType<typeof narrow>);
        expect(versions.sort(byId)).toEqual(expected);
      }
    }),
    { numRuns: 60 },
  );
});

test('rows expire by state, and what expired is still known of the past', async () => {
  await using database = await migratedDatabase();
  const day = 86_400;
  const studio = createStudio(database.knex);
  const now = Date.now() / 1000;
  const END: Record<string, string> = {
    SUCCESS: 'succeeded',
    FAILURE: 'failed',
    REVOKED: 'revoked',
    RETRY: 'retried',
    RECEIVED: 'received',
    PENDING: 'sent',
    REJECTED: 'rejected',
    PROGRESS: 'progress',
  };
  for (const state of Object.keys(END)) {
    for (const age of [0.5, 1.5, 3.5, 5.5]) {
      studio.say(taskEvent(`task-${END[state]}`, `${state} ${age}`, { timestamp: now - age * day }));
    }
  }
  // A sender from the future, and one without a sensible clock, do not live for ever: our own time counts.
  studio.say(taskEvent('task-succeeded', 'future', { timestamp: now + 400 * day }));
  await studio.camera.shutter();
  const left = async () => (await database.knex('task_states').orderBy('task_id')).map(({ task_id }) => task_id);
  await studio.camera.cleanup();
  expect(await left()).toEqual(
    [
      ...[
        'FAILURE 0.5',
        'FAILURE 1.5',
        'PENDING 0.5',
        'PENDING 1.5',
        'PENDING 3.5',
        'PROGRESS 0.5',
        'PROGRESS 1.5',
        'PROGRESS 3.5',
      ],
      ...['RECEIVED 0.5', 'RECEIVED 1.5', 'RECEIVED 3.5', 'REJECTED 0.5', 'REJECTED 1.5', 'REJECTED 3.5'],
      ...['RETRY 0.5', 'RETRY 1.5', 'REVOKED 0.5', 'REVOKED 1.5', 'SUCCESS 0.5', 'future'],
    ].sort(),
  );
  expect(await versionsAt(database.knex, 'task_versions', 1)).toHaveLength(33);
  const forever = createStudio(database.knex, { expireSuccess: null, expireError: null, expirePending: null });
  await forever.camera.cleanup();
  expect(await left()).toHaveLength(20);
  const all = createSnapshots(database.knex);
  const removed = await all.cleanup({ ...OPTIONS, expireSuccess: -1, expireError: -1, expirePending: -1 });
  expect(removed).toMatchObject({ tasks: 20 });
  expect(await left()).toEqual([]);
});

test('a clock that has jumped ahead removes nothing', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  studio.say(taskEvent('task-succeeded', 'new', { timestamp: Date.now() / 1000 }));
  await studio.camera.shutter();
  const clock = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 400 * 86_400_000);
  try {
    await studio.camera.cleanup();
  } finally {
    clock.mockRestore();
  }
  expect(await database.knex('task_states')).toHaveLength(1);
});

test('history, snapshots and workers that went long ago are removed; the latest snapshot stays', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  const old = async (id: number, days: number) =>
    database
      .knex('snapshots')
      .where({ id })
      .update({ taken_at: new Date(Date.now() - days * 86_400_000) });
  for (const type of ['online', 'offline']) studio.say({ type: `worker-${type}`, hostname: 'gone', timestamp: WHEN });
  studio.say({ type: 'worker-online', hostname: 'here', timestamp: WHEN, freq: 60 }, 'default', WHEN);
  for (const type of ['sent', 'received', 'started', 'succeeded']) {
    studio.say(taskEvent(`task-${type}`, 'a', { timestamp: WHEN, hostname: 'here' }));
    await studio.camera.shutter();
  }
  await old(1, 9);
  await old(2, 8);
  await studio.camera.cleanup();
  expect((await database.knex('snapshots').orderBy('id')).map(({ id }) => id)).toEqual([3, 4]);
  expect((await database.knex('task_versions').orderBy('since')).map(({ since, until }) => [since, until])).toEqual([
    [3, 4],
    [4, null],
  ]);
  expect((await database.knex('worker_states')).map(({ hostname }) => hostname)).toEqual(['here']);
  await old(3, 9);
  await old(4, 9);
  await studio.camera.cleanup();
  expect((await database.knex('snapshots')).map(({ id }) => id)).toEqual([4]);
  expect(await database.knex('task_history')).toEqual([]);
  expect(await database.knex('worker_history')).toEqual([expect.objectContaining({ hostname: 'gone', until: 5 })]);
});

test('a cleanup that fails is told and stops nothing', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  await database.knex.raw('drop table worker_states cascade');
  await studio.camera.cleanup();
  expect(studio.failures).toEqual([expect.stringMatching(/^cleanup: .*worker_states/)]);
});
