import fc from 'fast-check';
import type { Knex } from 'knex';
import { expect, test } from 'vitest';
import { stats, taskNames } from '../../src/contract/history.ts';
import { COUNTED_STATES, lengthOf, MEASURES } from '../../src/store/figures.ts';
import { createHistory } from '../../src/store/history.ts';
import type { StatsQuestion } from '../../src/store/questions.ts';
import { createStudio } from '../support/camera.ts';
import { migratedDatabase, taskEvent } from '../support/database.ts';

const MINUTE = Math.floor(Date.now() / 60_000) * 60;

const step = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.record({
      type: fc
        .constantFrom('received', 'started', 'succeeded', 'failed', 'retried', 'progress')
        .map((kind) => `task-${kind}`),
      uuid: fc.integer({ min: 0, max: 9 }).map((n) => `u${n}`),
      name: fc.constantFrom('proj.add', 'proj.mul', null),
      hostname: fc.constantFrom('celery@a', 'celery@b'),
      timestamp: fc.integer({ min: MINUTE - 600, max: MINUTE }),
      runtime: fc.double({ min: 0, max: 1e6, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.constant('shutter' as const) },
);

/** What the rows of tasks add up to, minute by minute, made the long way. */
async function aggregated(knex: Knex): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  const add = (minute: number, kind: string, key: string, what: string): void => {
    for (const resolution of [60, 3600, 86_400]) {
      const id = `${resolution} ${kind} ${Math.floor(minute / resolution) * resolution} ${key} ${what}`;
      sums.set(id, (sums.get(id) ?? 0) + 1);
    }
  };
  const between = (later: number | null, earlier: number | null): number | null =>
    later === null || earlier === null ? null : later - earlier;
  for (const row of await knex('task_states')) {
    const said: string[] = [(COUNTED_STATES as readonly string[]).includes(row.state) ? row.state : '…'];
    const lengths = {
      runtime: row.runtime as number | null,
      wait: between(row.started, row.received),
      delivery: between(row.received, row.sent),
    };
    for (const [measure, length] of Object.entries(lengths)) {
      if (length === null) continue;
      const n = Math.min(100, Math.max(-60, Math.round(Math.log(Math.max(length, 1e-9)) / Math.log(1.2))));
      said.push(`${measure} ${n}`);
    }
    for (const what of said) {
      add(row.ages_from, 'all', '', what);
      add(row.ages_from, 'name', row.name ?? '', what);
      add(row.ages_from, 'worker', row.worker ?? '', what);
    }
  }
  return sums;
}

async function kept(knex: Knex): Promise<Map<string, number>> {
  const sums = new Map<string, number>();
  for (const { resolution, kind, start, key, codes, counts } of await knex('task_figures')) {
    codes.forEach((code: number, i: number) => {
      const length = lengthOf(code);
      const what = length ? `${length.measure} ${code - MEASURES[length.measure]}` : (COUNTED_STATES[code] ?? '…');
      sums.set(`${resolution} ${kind} ${start} ${key} ${what}`, Number(counts[i]));
    });
  }
  return sums;
}

test('figures are what the rows add up to, at every shutter', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 50 }), async (steps) => {
      for (const table of ['snapshots', 'task_states', 'task_history', 'worker_states', 'task_figures'])
        await knex(table).delete();
      const studio = createStudio(knex, { fold: 'celery' });
      for (const now of [...steps, 'shutter' as const]) {
        if (now !== 'shutter') {
          const { type, uuid, ...more } = now;
          studio.say(taskEvent(type, uuid, more));
          continue;
        }
        await studio.camera.shutter();
        expect(studio.failures).toEqual([]);
        expect(await kept(knex)).toEqual(await aggregated(knex));
      }
    }),
    { numRuns: 30 },
  );
});

const ASKED: StatsQuestion = {
  ...{ from: MINUTE - 3600, to: MINUTE + 60, bucket: 60, by: null, cluster: null, name: null, worker: null },
};

test('figures of minutes, by name and by worker; what was removed stays counted; too many names are one', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const studio = createStudio(knex, { maxTasks: 5000, expireSuccess: 0 });
  const history = createHistory(knex, async () => []);
  const run = (n: number, name: string, type = 'task-succeeded'): void => {
    const at = MINUTE - 300 + n * 0.01;
    studio.say(taskEvent('task-received', `u${n}`, { name, timestamp: at }));
    studio.say(taskEvent('task-started', `u${n}`, { timestamp: at + 2 }));
    studio.say(taskEvent(type, `u${n}`, { timestamp: at + 2.5, runtime: 0.5, exception: 'x' }));
  };
  for (let n = 0; n < 90; n += 1)
    run(n, n < 60 ? 'proj.add' : 'proj.mul', n % 10 === 0 ? 'task-failed' : 'task-succeeded');
  await studio.camera.shutter();
  await studio.camera.cleanup();
  expect(await knex('task_states').where('state', 'SUCCESS')).toEqual([]);
  const answer = await history.stats(ASKED);
  if (!answer.ok) throw new Error(answer.message);
  const [series] = stats.parse(answer.value).series;
  const sum = (state: string): number => (series?.points ?? []).reduce((n, { tasks }) => n + (tasks[state] ?? 0), 0);
  expect([sum('SUCCESS'), sum('FAILURE'), sum('STARTED')]).toEqual([81, 9, 0]);
  const busy = series?.points.find(({ tasks }) => tasks['SUCCESS']);
  expect(busy?.wait.p50).toBeGreaterThan(1.8);
  expect(busy?.wait.p50).toBeLessThan(2.2);
  expect(busy?.runtime.p99).toBeGreaterThan(0.45);
  expect(busy?.runtime.p99).toBeLessThan(0.55);
  const byName = await history.stats({ ...ASKED, by: 'name', bucket: 3600 });
  if (!byName.ok) throw new Error(byName.message);
  expect(byName.value.series.map(({ key }) => key)).toEqual(['proj.add', 'proj.mul']);
  const names = await history.taskNames({ from: MINUTE - 3600, to: MINUTE, cluster: null });
  if (!names.ok) throw new Error(names.message);
  expect(taskNames.parse(names.value).items).toMatchObject([
    { name: 'proj.add', states: { SUCCESS: 54, FAILURE: 6 }, failure_rate: 0.1 },
    { name: 'proj.mul', states: { SUCCESS: 27, FAILURE: 3 } },
  ]);
  // Names without end.
  for (let n = 100; n < 2100; n += 1) run(n, `made.up.${n}`);
  await studio.camera.shutter();
  const keys = await knex('task_figures').where({ resolution: 86_400, kind: 'name' }).distinct('key');
  expect(keys.length).toBeLessThanOrEqual(2001);
  expect(keys.map(({ key }) => key)).toContain('');
  const all = await history.stats(ASKED);
  expect(all.ok && all.value.series[0]?.points.reduce((n, { tasks }) => n + (tasks['SUCCESS'] ?? 0), 0)).toBe(2081);
});

test('events of each bucket are those that came between its snapshots', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const at = (minute: number, n: number): object => ({
    ...{ taken_at: new Date((MINUTE - 600 + minute * 60) * 1000 - 1), position: n, tasks: 0, workers: 0 },
    clusters: { eu: { event_count: n / 2 } },
  });
  await knex('snapshots').insert([at(1, 10), at(2, 14), at(4, 30)]);
  const history = createHistory(knex, async () => []);
  const events = async (more: object): Promise<unknown> => {
    const answer = await history.stats({ ...ASKED, from: MINUTE - 600, to: MINUTE - 300, ...more });
    return answer.ok && answer.value.series.map(({ points }) => points.map((point) => point.events));
  };
  expect(await events({})).toEqual([[null, 4, 0, 16, 0]]);
  expect(await events({ cluster: 'eu' })).toEqual([[null, 2, 0, 8, 0]]);
  expect(await events({ name: 'a' })).toEqual([[null, null, null, null, null]]);
});

test('what there are no figures of is said', async () => {
  await using database = await migratedDatabase();
  const history = createHistory(database.knex, async () => []);
  for (const wrong of [
    { bucket: 7 },
    { to: 0 },
    { from: Number.NaN },
    { from: MINUTE - 30 * 86_400 },
    { to: Infinity },
  ])
    expect(await history.stats({ ...ASKED, ...wrong })).toMatchObject({ problem: 'range' });
  expect(await history.stats({ ...ASKED, name: 'a', by: 'worker' })).toMatchObject({ problem: 'filter' });
  expect(await history.stats({ ...ASKED, name: 'a', worker: 'b' })).toMatchObject({ problem: 'filter' });
});
