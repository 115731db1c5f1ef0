/** What differs between two snapshots, and how a worker came and went. */
import { expect, test } from 'vitest';
import type { Answer } from '../../src/answer.ts';
import { type Difference, difference } from '../../src/contract/difference.ts';
import { workerChange } from '../../src/contract/history.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { touchedBetween } from '../../src/journal/questions.ts';
import { differenceBetween } from '../../src/store/difference.ts';
import { createHistory } from '../../src/store/history.ts';
import { createStudio } from '../support/camera.ts';
import { type Migrated, migratedDatabase, received, taskEvent } from '../support/database.ts';

const never = new AbortController().signal;

function given<T>(answer: Answer<T>): T {
  if (!answer.ok) throw new Error(answer.message);
  return answer.value;
}

/** A recorder by hand: each event is recorded and folded, each picture a moment of its own. */
function createRecorder({ knex }: Migrated) {
  const journal = createJournal(knex, { retention: null, diagnostics: createDiagnostics() });
  const studio = createStudio(knex, { fold: 'strict', expireSuccess: 0 });
  return {
    studio,
    async say(cluster: string, ...events: Event[]): Promise<void> {
      await journal.append(
        events.map((event) => received(event, { cluster })),
        [],
        never,
      );
      for (const event of events) studio.say(event, cluster);
    },
    /** When it was taken; the next one is taken a second later. */
    async picture(): Promise<number> {
      await studio.camera.shutter();
      await knex('snapshots').update({
        taken_at: knex.raw(`'2026-11-24T12:00:00Z'::timestamptz + id * interval '1 second'`),
      });
      const [row] = await knex('snapshots').select(knex.raw('extract(epoch from max(taken_at))::float8 as at'));
      return row.at;
    },
  };
}

let beats = 0;

/** Each a moment later than the one before, in the last seconds. */
const beat = (hostname: string, clock: number, more = {}): Event => {
  beats += 1;
  const timestamp = Date.now() / 1000 - 5 + beats / 100;
  return { type: 'worker-heartbeat', hostname, pid: 7, clock, timestamp, utcoffset: 0, freq: 2, ...more };
};

test('tasks by what became of them, workers that came, went and were replaced', async () => {
  await using database = await migratedDatabase();
  const { say, picture, studio } = createRecorder(database);
  const between = async (
    from: number,
    to: number,
    cluster: string | null = null,
  ): Promise<Omit<Difference, 'gaps'>> => {
    const found = await differenceBetween(database.knex, { from, to, cluster }, (range) =>
      touchedBetween(database.knex, range),
    );
    return difference.omit({ gaps: true }).parse(given(found));
  };
  const long = `long\0${'x'.repeat(600)}`;
  const name = 'proj.add';
  await say('a', beat('stays@h', 1, { processed: 1 }), beat('leaves@h', 1), beat('again@h', 1));
  for (const uuid of ['ends', 'still', long]) await say('a', taskEvent('task-received', uuid, { name }));
  await say('a', taskEvent('task-started', 'ends'), taskEvent('task-started', 'still'));
  const first = await picture();
  expect(await between(first, first)).toMatchObject({ events: 0, tasks: [], workers: [], uncompared: null });
  // Before the record began there is nothing to compare with: it begins with its first snapshot.
  expect(await between(first - 1000, first)).toMatchObject({ from: { taken_at: first }, events: 0 });

  await say('a', taskEvent('task-succeeded', 'ends', { result: '3', runtime: 1 }), taskEvent('task-started', long));
  await say(
    'a',
    taskEvent('task-received', 'fails', { name }),
    taskEvent('task-failed', 'fails', { exception: 'E()' }),
  );
  await say('b', taskEvent('task-received', 'other', { name }));
  await say('a', beat('stays@h', 2, { processed: 5 }), beat('leaves@h', 2, { type: 'worker-offline' }));
  await say('a', beat('again@h', 2, { type: 'worker-offline' }));
  await say('a', beat('again@h', 9, { pid: 8, type: 'worker-online' }), beat('comes@h', 1));
  const second = await picture();
  const { tasks, workers, ...rest } = await between(first, second);
  expect(rest).toMatchObject({ from: { taken_at: first }, to: { taken_at: second }, events: 10, uncompared: null });
  const kinds = tasks?.map(({ before, after, count, latest }) => [before, after, count, latest[0]?.task_id]);
  expect(new Set(kinds)).toEqual(
    new Set([
      ['STARTED', 'SUCCESS', 1, 'ends'],
      [null, 'FAILURE', 1, 'fails'],
      [null, 'RECEIVED', 1, 'other'],
      ['RECEIVED', 'STARTED', 1, expect.stringMatching(/^long␀x+…[0-9a-f]{64}$/)],
    ]),
  );
  expect(
    workers.map(({ hostname, before, after }) => [hostname, before?.status, after?.status, after?.reason]),
  ).toEqual([
    ['again@h', 'ONLINE', 'ONLINE', null],
    ['comes@h', undefined, 'ONLINE', null],
    ['leaves@h', 'ONLINE', 'OFFLINE', 'goodbye'],
    // Of the other cluster, from which a task was heard of.
    ['celery@one', undefined, 'ONLINE', null],
  ]);
  expect(workers[0]).toMatchObject({ before: { pid: 7 }, after: { pid: 8 } });
  expect((await between(first, second, 'b')).tasks).toMatchObject([{ before: null, after: 'RECEIVED', count: 1 }]);

  // What has expired since is told all the same; the past does not change.
  await say('a', taskEvent('task-retried', 'fails', { exception: 'E()' }));
  await picture();
  await studio.camera.cleanup();
  expect((await between(first, second)).tasks).toEqual(tasks);
});

test('of many tasks all are counted and some are named; where too much lies in between, or is kept no more, it says so', async () => {
  await using database = await migratedDatabase();
  const { say, picture } = createRecorder(database);
  const { knex } = database;
  const ask = (from: number, to: number) =>
    differenceBetween(knex, { from, to, cluster: null }, (range) => touchedBetween(knex, range));
  expect(await ask(1, 2)).toMatchObject({ problem: 'unrecorded' });
  await say('a', beat('w@h', 1));
  const first = await picture();
  await say('a', ...Array.from({ length: 300 }, (_, n) => taskEvent('task-started', `t${n}`, { name: 'n' })));
  const second = await picture();
  const [kind, ...others] = given(await ask(first, second)).tasks ?? [];
  expect([kind?.count, kind?.latest.length, kind?.latest[0]?.task_id, others]).toEqual([300, 10, 't299', []]);
  expect(await ask(second, first)).toMatchObject({ problem: 'range' });
  await knex('events').where({ position: 5 }).del();
  expect(given(await ask(first, second))).toMatchObject({ tasks: null, uncompared: 'expired', events: 300 });
  await knex('snapshots').where({ id: 2 }).update({ position: 200_002 });
  expect(given(await ask(first, second))).toMatchObject({ tasks: null, uncompared: 'many', events: 200_001 });
});

test('a worker: each time that it was another, with the cluster that it is of', async () => {
  await using database = await migratedDatabase();
  const { say, picture } = createRecorder(database);
  const history = createHistory(database.knex, async () => []);
  const at: number[] = [];
  for (const [cluster, event] of [
    ['a', beat('w\0', 1, { sw_ver: '5.3' })],
    ['a', beat('w\0', 2, { sw_ver: '5.3', processed: 4 })],
    ['a', beat('w\0', 3, { type: 'worker-offline' })],
    ['a', beat('w\0', 1, { pid: 8, type: 'worker-online', sw_ver: '5.4' })],
    ['b', beat('w\0', 1)],
  ] as const) {
    await say(cluster, event);
    at.push(await picture());
  }
  const ask = async (more = {}) => {
    const which = { id: 'w\0', cluster: null, from: 0, to: at[4] as number };
    return given(await history.workerChanges({ ...which, ...more })).items.map((item) => workerChange.parse(item));
  };
  const brief = (items: Awaited<ReturnType<typeof ask>>) =>
    items.map(({ cluster, status, pid, sw_ver, since_at }) => [cluster, status, pid, sw_ver, since_at]);
  const all = [
    ['b', 'ONLINE', 7, null, at[4]],
    ['a', 'ONLINE', 8, '5.4', at[3]],
    ['a', 'OFFLINE', 7, '5.3', at[2]],
    ['a', 'ONLINE', 7, '5.3', at[0]],
  ];
  expect(brief(await ask())).toEqual(all);
  expect(brief(await ask({ cluster: 'a' }))).toEqual(all.slice(1));
  // What held at the beginning is told with the first.
  expect(brief(await ask({ cluster: 'a', from: at[2], to: at[3] }))).toEqual(all.slice(1, 3));
  expect(await ask({ id: 'nobody' })).toEqual([]);
  expect(await ask({ to: 1 })).toEqual([]);
});
