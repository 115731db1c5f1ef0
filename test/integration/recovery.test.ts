import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { createClusters, type FoldName, fold } from '../../src/domain/state.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { createSnapshots } from '../../src/store/snapshots.ts';
import { createStudio, told } from '../support/camera.ts';
import { migratedDatabase, NOON, received, taskEvent } from '../support/database.ts';
import { event } from '../support/events.ts';

/** True once in `n`. */
const often = (n: number): fc.Arbitrary<boolean> => fc.integer({ min: 1, max: n }).map((k) => k === n);

/** Empty, as a start finds it. */
const empty = (limits = {}, fold: FoldName = 'celery') =>
  createClusters({ maxTasks: 1000, maxWorkers: 1000, ...limits }, { fold });

test('an empty database restores to nothing', async () => {
  await using database = await migratedDatabase();
  const clusters = empty();
  expect(await createSnapshots(database.knex).restore(clusters)).toBeNull();
  expect(clusters.byName.size).toBe(0);
});

test.each<FoldName>(['celery', 'strict'])(
  '%s: whatever was said, the state restored at any cut and folded on equals the uninterrupted one',
  async (name) => {
    await using database = await migratedDatabase();
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(event, often(8)), { minLength: 1, maxLength: 60 }), async (steps) => {
        for (const table of ['snapshots', 'task_names', 'task_states', 'worker_states'])
          await database.knex(table).delete();
        const studio = createStudio(database.knex, { fold: name });
        let cut = 0;
        for (const [n, [said, shutter]] of steps.entries()) {
          studio.say(said, n % 3 ? 'default' : 'two', NOON + n);
          if (shutter) {
            await studio.camera.shutter();
            cut = n + 1;
          }
        }
        expect(studio.failures).toEqual([]);
        const clusters = empty({}, name);
        const recovered = await studio.snapshots.restore(clusters);
        expect(recovered?.position ?? 0).toBe(cut);
        for (const [n, [said]] of steps.entries()) {
          if (n < cut) continue;
          fold(clusters, {
            position: n + 1,
            cluster: n % 3 ? 'default' : 'two',
            local_received: NOON + n,
            event: said,
          });
        }
        expect(told(clusters)).toEqual(told(studio.clusters));
      }),
      { numRuns: 100 },
    );
  },
);

test('a retried task, which is its own parent, stays a child of its first parent', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  studio.say(taskEvent('task-received', 'parent'));
  await studio.camera.shutter();
  studio.say(taskEvent('task-received', 'child', { parent_id: 'parent' }));
  studio.say(taskEvent('task-received', 'child', { parent_id: 'child', retries: 1 }));
  await studio.camera.shutter();
  const clusters = empty();
  await studio.snapshots.restore(clusters);
  expect(told(clusters)).toEqual(told(studio.clusters));
  expect(clusters.byName.get('default')?.tasks.get('parent')?.children).toEqual(new Set(['child']));
});

test('what Postgres cannot hold is marked, and fails nothing', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  const long = 'ü'.repeat(5000);
  let deep: unknown = 1;
  for (let n = 0; n < 5000; n += 1) deep = [deep];
  studio.say(
    taskEvent('task-received', 'a\0b', {
      name: 'x\0y',
      args: '\ud800',
      queue: '\0\udfff',
      deep: deep as never,
      big: Number.MAX_VALUE,
      inf: Number.POSITIVE_INFINITY,
    }),
  );
  studio.say(taskEvent('task-received', 'a␀b', { name: 'the same key' }));
  studio.say(taskEvent('task-received', long, { name: long, timestamp: 1e300, retries: -1e300, parent_id: long }));
  studio.say(
    taskEvent(`task-${long}`, 'custom', {
      timestamp: -1e300,
      eta: '2026-02-30T00:00:00Z',
      expires: '0001-01-01T00:00:00',
    }),
  );
  studio.say(taskEvent('task-received', 'far', { timestamp: -1.7e308 }));
  studio.say(taskEvent('task-started', 'far', { timestamp: 1.7e308, runtime: 1.7e308 }));
  studio.say({
    type: 'worker-online',
    hostname: `w\0${long}`,
    timestamp: NOON,
    freq: 1e300,
    loadavg: [0, Number.POSITIVE_INFINITY],
  });
  expect(await studio.camera.shutter()).toBe(true);
  expect(studio.failures).toEqual([]);
  const clusters = empty();
  await studio.snapshots.restore(clusters);
  const state = clusters.byName.get('default');
  expect([...(state?.tasks.keys() ?? [])].sort()).toEqual([
    'a␀b',
    'custom',
    'far',
    expect.stringMatching(/^ü+…[0-9a-f]{64}$/),
  ]);
  // Brought back for an event, a task has the uuid that was asked for.
  expect(await studio.snapshots.loadTasks('default', [long])).toMatchObject([
    { uuid: long, name: expect.stringMatching(/^ü+…[0-9a-f]{64}$/), timestamp: 1e300 },
  ]);
});

test('memory that is too small takes active tasks first, then those that ended last', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex);
  for (let n = 0; n < 10; n += 1) {
    studio.say(taskEvent('task-received', `done-${n}`));
    studio.say(taskEvent('task-succeeded', `done-${n}`));
    studio.say(taskEvent('task-received', `active-${n}`));
    if (n % 4 === 0) await studio.camera.shutter();
  }
  await studio.camera.shutter();
  const restored = async (maxTasks: number) => {
    const clusters = empty({ maxTasks });
    await studio.snapshots.restore(clusters);
    const state = clusters.byName.get('default');
    return { uuids: [...(state?.tasks.keys() ?? [])], forgetful: state?.forgetful };
  };
  const active = Array.from({ length: 10 }, (_, n) => `active-${n}`);
  expect(await restored(13)).toEqual({ uuids: [...active, 'done-7', 'done-8', 'done-9'], forgetful: true });
  expect(await restored(4)).toEqual({ uuids: active.slice(6), forgetful: true });
  expect(await restored(100)).toMatchObject({ forgetful: false });
});

test('a task that memory dropped is found: in the camera until it is written, then in the database', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, { maxTasks: 2 });
  studio.say(taskEvent('task-received', 'a', { name: 'first' }));
  studio.say(taskEvent('task-received', 'b'));
  studio.say(taskEvent('task-received', 'c'));
  expect(studio.state().tasks.has('a')).toBe(false);
  expect(studio.camera.pending(studio.state(), 'a')).toMatchObject({ name: 'first' });
  expect(await studio.snapshots.loadTasks('default', ['a'])).toEqual([]);
  const shutter = studio.camera.shutter();
  expect(studio.camera.pending(studio.state(), 'a')).toMatchObject({ name: 'first' });
  await shutter;
  expect(studio.camera.pending(studio.state(), 'a')).toBeUndefined();
  const loaded = await studio.snapshots.loadTasks('default', ['a', 'absent', "it's"]);
  expect(loaded).toMatchObject([{ uuid: 'a', name: 'first', state: 'RECEIVED' }]);
  expect(await studio.snapshots.loadTasks('other', ['a'])).toEqual([]);
});

test('two recorders: the one behind writes nothing over the one ahead', async () => {
  await using database = await migratedDatabase();
  const ahead = createStudio(database.knex);
  const behind = createStudio(database.knex);
  const received = taskEvent('task-received', 'a');
  const succeeded = taskEvent('task-succeeded', 'a');
  for (const said of [received, succeeded]) ahead.say(said);
  behind.say(received);
  await ahead.camera.shutter();
  expect(await behind.camera.shutter()).toBe(true);
  expect([ahead.taken, behind.taken]).toEqual([[1], []]);
  behind.say(succeeded);
  behind.say(taskEvent('task-started', 'b'));
  await behind.camera.shutter();
  expect(behind.taken).toHaveLength(1);
  expect(await database.knex('task_states').select('task_id', 'state').orderBy('task_id')).toEqual([
    { task_id: 'a', state: 'SUCCESS' },
    { task_id: 'b', state: 'STARTED' },
  ]);
});

test('snapshot and journal together give the state of an uninterrupted run', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics: createDiagnostics() });
  const studio = createStudio(database.knex);
  const { signal } = new AbortController();
  for (let n = 0; n < 300; n += 1) {
    const said = taskEvent(['task-received', 'task-started', 'task-succeeded'][n % 3] ?? '', `u${Math.floor(n / 7)}`);
    await journal.append([received(said, { local_received: NOON + n })], [], signal);
    studio.say(said, 'default', NOON + n);
    if (n === 120) await studio.camera.shutter();
  }
  const clusters = empty();
  const recovered = await studio.snapshots.restore(clusters);
  expect(recovered).toMatchObject({ position: 121, workers: 1 });
  for await (const page of journal.read({ after: clusters.position, upTo: await journal.head() })) {
    for (const entry of page) fold(clusters, entry);
  }
  expect(told(clusters)).toEqual(told(studio.clusters));
});
