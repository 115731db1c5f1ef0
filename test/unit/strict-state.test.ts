/** What holds of the state under the `strict` reducer: it never fails, keeps its bounds, evicts what ended first, and can be taken up again. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event, Json } from '../../src/domain/event.ts';
import { endRestore } from '../../src/domain/memory.ts';
import { reportOf } from '../../src/domain/report.ts';
import {
  type Clusters,
  createClusters,
  fold,
  type Limits,
  mayBeForgotten,
  restoreTask,
  restoreWorker,
  type State,
  stateOf,
} from '../../src/domain/state.ts';
import { storeLife } from '../../src/domain/stored-life.ts';
import { hasEnded, lifeOf } from '../../src/domain/task.ts';
import { received } from '../support/celery-events.ts';
import { runs } from '../support/effort.ts';
import { arbitraryStream, createRandom, type Entry, streamOf } from '../support/lives.ts';

const ROOMY: Limits = { maxTasks: 1_000, maxWorkers: 100 };

const strict = (limits: Limits): Clusters => createClusters(limits, { fold: 'strict' });

function foldAll(clusters: Clusters, entries: readonly Entry[]): State {
  for (const [event, local_received] of entries) {
    fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
  }
  return stateOf(clusters, 'c');
}

function expectWithin({ tasks, workers, indexes }: State, { maxTasks, maxWorkers }: Limits): void {
  expect(tasks.size).toBeLessThanOrEqual(maxTasks);
  expect(workers.size).toBeLessThanOrEqual(maxWorkers);
  for (const [uuid, task] of tasks) {
    expect(task.children?.size).not.toBe(0);
    for (const child of task.children ?? []) expect(tasks.has(child) && child !== uuid).toBe(true);
  }
  for (const siblings of indexes.waiting.values()) {
    expect(siblings.size).toBeGreaterThan(0);
    for (const child of siblings) expect(tasks.has(child)).toBe(true);
  }
  for (const uuid of indexes.formerParents.keys()) expect(tasks.has(uuid)).toBe(true);
  expect(indexes.misfits.size).toBe(0);
  const ended = [...tasks.values()].filter(hasEnded).map(({ uuid }) => uuid);
  expect([...indexes.ended].map(({ uuid }) => uuid).sort()).toEqual(ended.sort());
}

/** Events of one task in order, a second apart. */
function life(uuid: string, subjects: readonly string[], at: number, fields: Record<string, Json> = {}): Entry[] {
  return subjects.map((subject, i) => {
    const timestamp = 1_700_000_000 + at + i;
    const sender = { hostname: 'w1@h', utcoffset: 0, pid: 1, clock: at + i + 1 };
    return [{ type: `task-${subject}`, ...sender, uuid, timestamp, ...fields }, timestamp];
  });
}

describe('any events', () => {
  test('never throw, and the outcome can be told', () => {
    fc.assert(
      fc.property(fc.array(received, { maxLength: 40, size: 'max' }), (events) => {
        const state = foldAll(strict(ROOMY), events);
        expect(() => JSON.stringify(reportOf(state, 0))).not.toThrow();
        expectWithin(state, ROOMY);
      }),
      { numRuns: runs(150) },
    );
  });

  test('never throw, whatever JSON they are made of, and leave JavaScript alone', () => {
    const names = Object.getOwnPropertyNames(Object.prototype);
    const types = fc.constantFrom('task-sent', 'task-received', 'task-failed', 'task-x', 'task-', 'worker-online', 'x');
    const keys = fc.oneof(
      fc.string(),
      fc.constantFrom('hostname', 'timestamp', 'clock', 'pid', 'name', 'retries', 'parent_id', 'state', '__proto__'),
    );
    const value = fc.oneof(fc.jsonValue() as fc.Arbitrary<Json>, fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY));
    const anything = fc.tuple(types, fc.array(fc.tuple(keys, value))).map(([type, entries]): Event => {
      return Object.fromEntries(
        new Map<string, Json>([['uuid', 'u'], ['hostname', 'h'], ...entries, ['type', type]]),
      ) as Event;
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, fc.double({ noNaN: true }))), (events) => {
        const state = foldAll(strict(ROOMY), events);
        for (const { timestamp } of state.tasks.values()) expect(Number.isNaN(timestamp)).toBe(false);
        expect(() => JSON.stringify(reportOf(state, 0))).not.toThrow();
      }),
      { numRuns: runs(300) },
    );
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(names);
  });
});

describe('eviction', () => {
  test('stays within the bounds of memory, and nothing refers to what is gone', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed);
      const limits = { maxTasks: 1 + random.below(4), maxWorkers: 1 + random.below(2) };
      const clusters = strict(limits);
      const entries = random() < 0.5 ? streamOf(random, { tasks: 6 }) : arbitraryStream(random, 60);
      for (const entry of random.shuffle(entries)) expectWithin(foldAll(clusters, [entry]), limits);
    }
  });

  test('takes what has ended before what goes on, and counts the rest', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const random = createRandom(seed);
      const clusters = strict({ maxTasks: 3, maxWorkers: 9 });
      let evicted = 0;
      for (const entry of streamOf(random, { tasks: 8 })) {
        const now = stateOf(clusters, 'c');
        const before = new Map(Array.from(now.tasks.values(), (task) => [task.uuid, hasEnded(task)]));
        const firstEnded = [...now.indexes.ended][0]?.uuid;
        const [oldest] = now.tasks.keys();
        foldAll(clusters, [entry]);
        const gone = [...before.keys()].filter((uuid) => !now.tasks.has(uuid));
        if (gone.length === 0) continue;
        expect(gone).toEqual([firstEnded ?? oldest]);
        if (!before.get(gone[0] as string)) evicted++;
        expect(now.evicted_active).toBe(evicted);
        expect(now.forgetful).toBe(true);
      }
    }
  });

  test.each([
    ['rejected', { requeue: false }, true],
    ['rejected', { requeue: true }, false],
    ['cancelled', {}, false],
    ['retried', {}, false],
    ['revoked', {}, true],
  ])('%s %j: ended is %s', (subject, fields, ended) => {
    const state = foldAll(strict(ROOMY), [
      ...life('a', ['received', 'started'], 0),
      ...life('a', [subject], 5, fields),
    ]);
    expect([...state.indexes.ended].some(({ uuid }) => uuid === 'a')).toBe(ended);
  });

  test('any event of a task that is gone may be of one that the database knows', () => {
    const clusters = strict({ maxTasks: 1, maxWorkers: 9 });
    const [event] = life('a', ['received'], 9, { retries: 0 })[0] as Entry;
    const state = foldAll(clusters, life('b', ['received'], 0));
    expect(mayBeForgotten(clusters, state, event)).toBe(false);
    foldAll(clusters, life('c', ['received'], 0));
    expect(mayBeForgotten(clusters, state, event)).toBe(true);
    expect(mayBeForgotten(clusters, state, (life('c', ['started'], 9)[0] as Entry)[0])).toBe(false);
  });
});

describe('restoring', () => {
  /** As a database would give the records back: with their lives as text. */
  function restored(from: Clusters): Clusters {
    const clusters = strict(from.limits);
    clusters.position = from.position;
    const [before, state] = [stateOf(from, 'c'), stateOf(clusters, 'c')];
    const { event_count, task_count, evicted_active, last_received } = before;
    Object.assign(state, { event_count, task_count, evicted_active, last_received });
    for (const name of before.task_types) state.task_types.add(name);
    for (const worker of before.workers.values()) restoreWorker(state, structuredClone(worker));
    for (const task of before.tasks.values()) {
      const life = lifeOf(task);
      restoreTask(state, { ...structuredClone(task), life: null, stored_life: life && storeLife(life, task) });
    }
    endRestore(state);
    return clusters;
  }

  test('at any place, then folding on, is the same as never having stopped', () => {
    for (let seed = 1; seed <= 200; seed++) {
      const random = createRandom(seed);
      const entries = random.shuffle(random() < 0.5 ? streamOf(random) : arbitraryStream(random));
      const told = JSON.stringify(reportOf(foldAll(strict(ROOMY), entries), 0));
      const first = strict(ROOMY);
      for (const [cut, entry] of entries.entries()) {
        // That a task waits for a parent that it no longer names is the one thing that no row tells.
        const { formerParents } = stateOf(first, 'c').indexes;
        const waits = [...formerParents.values()].flat().some((parent) => !stateOf(first, 'c').tasks.has(parent));
        if (!waits) {
          const report = reportOf(foldAll(restored(first), entries.slice(cut)), 0);
          expect(JSON.stringify(report), `seed ${seed} at ${cut}`).toBe(told);
        }
        foldAll(first, [entry]);
      }
    }
  });
});
