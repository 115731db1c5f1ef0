/** What holds of the state whatever arrives: it never fails, keeps its types and bounds, and can be taken up again anywhere. */
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
  restoreTask,
  restoreWorker,
  type State,
  stateOf,
} from '../../src/domain/state.ts';
import { READY_STATES } from '../../src/domain/states.ts';
import { createTask, type Task } from '../../src/domain/task.ts';
import { createWorker, type Worker } from '../../src/domain/worker.ts';
import { received } from '../support/celery-events.ts';
import { runs } from '../support/effort.ts';

const ROOMY: Limits = { maxTasks: 1_000, maxWorkers: 100 };

function celeryClusters(limits: Limits): Clusters {
  return createClusters(limits, { fold: 'celery' });
}

function foldAll(clusters: Clusters, events: readonly (readonly [Event, number])[]): State {
  for (const [event, local_received] of events) {
    fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
  }
  return stateOf(clusters, 'c');
}

/** Events of one task in order, a second apart. */
function life(uuid: string, subjects: readonly string[], at = 0, fields: Record<string, Json> = {}): [Event, number][] {
  return subjects.map((subject, i) => {
    const timestamp = 1_700_000_000 + at + i;
    const event = {
      type: `task-${subject}`,
      hostname: 'w1@h',
      utcoffset: 0,
      pid: 1,
      clock: at + i + 1,
      uuid,
      timestamp,
    };
    return [{ ...event, ...fields }, timestamp];
  });
}

/** Fields that hold text, and those that hold a number, where they are not null. */
const isTextField = (field: string, record: Task | Worker): boolean =>
  record.kind === 'task'
    ? /^(uuid|name|state|args|kwargs|result|exception|traceback|eta|expires|exchange|routing_key|root_id|parent_id|client|worker)$/.test(
        field,
      )
    : /^(hostname|sw_.*)$/.test(field);

function expectTypes(record: Task | Worker): void {
  const { kind, extra, ...fields } = record;
  expect(['task', 'worker']).toContain(kind);
  expect(extra === null || Object.getPrototypeOf(extra) === Object.prototype).toBe(true);
  for (const [field, value] of Object.entries(fields)) {
    if (value === null) expect(['uuid', 'state', 'hostname', 'heartbeats']).not.toContain(field);
    else if (field === 'children') expect(value).toBeInstanceOf(Set);
    else if (field === 'heartbeats' || field === 'loadavg')
      expect((value as unknown[]).every((n) => typeof n === 'number')).toBe(true);
    else expect([field, typeof value]).toEqual([field, isTextField(field, record) ? 'string' : 'number']);
  }
}

function expectWithin(state: State, { maxTasks, maxWorkers }: Limits): void {
  const { tasks, workers, indexes } = state;
  expect(tasks.size).toBeLessThanOrEqual(maxTasks);
  expect(workers.size).toBeLessThanOrEqual(maxWorkers);
  for (const [uuid, task] of tasks) {
    expect(task.uuid).toBe(uuid);
    expect(task.children?.size).not.toBe(0);
    for (const child of task.children ?? []) expect([...tasks.keys()]).toContain(child);
  }
  for (const siblings of indexes.waiting.values()) {
    expect(siblings.size).toBeGreaterThan(0);
    for (const child of siblings) expect([...tasks.keys()]).toContain(child);
  }
  for (const uuid of indexes.formerParents.keys()) expect([...tasks.keys()]).toContain(uuid);
  const known = new Set<Task | Worker>([...tasks.values(), ...workers.values()]);
  for (const record of indexes.misfits) expect(known.has(record)).toBe(true);
  const ended = [...tasks.values()].filter((task) => READY_STATES.has(task.state));
  expect([...indexes.ended].sort(byUuid)).toEqual(ended.sort(byUuid));
}

const byUuid = (a: Task, b: Task): number => (a.uuid < b.uuid ? -1 : 1);

describe('any events', () => {
  test('never throw, keep the types of records, and leave JavaScript alone', () => {
    const names = Object.getOwnPropertyNames(Object.prototype);
    fc.assert(
      fc.property(fc.array(received, { maxLength: 40, size: 'max' }), (events) => {
        const state = foldAll(celeryClusters(ROOMY), events);
        for (const record of [...state.tasks.values(), ...state.workers.values()]) expectTypes(record);
        expect(() => JSON.stringify(reportOf(state, 0))).not.toThrow();
      }),
      { numRuns: runs(150) },
    );
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(names);
  });

  test('never throw, whatever JSON they are made of', () => {
    const types = fc.oneof(
      fc.string(),
      fc.constantFrom('task-sent', 'task-received', 'task-x', 'worker-online', 'task'),
    );
    const keys = fc.oneof(
      fc.string(),
      fc.constantFrom('uuid', 'hostname', 'timestamp', 'clock', 'utcoffset', 'name', 'state', '__proto__'),
    );
    const json = fc.jsonValue() as fc.Arbitrary<Json>;
    const anything = fc
      .tuple(types, fc.array(fc.tuple(keys, json)))
      .map(
        ([type, entries]): Event => Object.fromEntries(new Map<string, Json>([...entries, ['type', type]])) as Event,
      );
    fc.assert(
      fc.property(fc.array(fc.tuple(anything, fc.double({ noNaN: true }))), (events) => {
        const state = foldAll(celeryClusters(ROOMY), events);
        for (const record of [...state.tasks.values(), ...state.workers.values()]) expectTypes(record);
        expectWithin(state, ROOMY);
      }),
      { numRuns: runs(500) },
    );
  });

  test('stay within the bounds of memory, and nothing refers to what is gone', () => {
    fc.assert(
      fc.property(
        fc.array(received, { maxLength: 60, size: 'max' }),
        fc.record({ maxTasks: fc.integer({ min: 1, max: 4 }), maxWorkers: fc.integer({ min: 1, max: 2 }) }),
        (events, limits) => {
          const clusters = celeryClusters(limits);
          for (const each of events) expectWithin(foldAll(clusters, [each]), limits);
        },
      ),
      { numRuns: runs(150) },
    );
  });

  test('may be nested deeper than the stack', () => {
    const deep = JSON.parse(`${'[['.repeat(50_000)}${']]'.repeat(50_000)}`) as Json;
    const state = foldAll(celeryClusters(ROOMY), life('a', ['received'], 0, { name: deep, more: deep }));
    expect(state.tasks.get('a')).toMatchObject({ state: 'RECEIVED', name: null });
  });
});

describe('a value that does not fit', () => {
  test('is kept under its own name until one comes that does', () => {
    const clusters = celeryClusters(ROOMY);
    const state = foldAll(clusters, life('a', ['received'], 0, { retries: 'many', name: 5 }));
    const task = state.tasks.get('a') as Task;
    expect(task).toMatchObject({ retries: null, name: null, extra: { retries: 'many', name: 5 } });
    expect(reportOf(state, 0).tasks[0]).toMatchObject({ retries: 'many', name: 5 });
    foldAll(clusters, life('a', ['started'], 1, { retries: 2 }));
    expect(task.retries).toBe(2);
    expect(Object.keys(task.extra ?? {})).not.toContain('retries');
    expect(task.extra).toMatchObject({ name: 5 });
  });

  test('as uuid, is another task than a text that looks the same', () => {
    const state = foldAll(celeryClusters(ROOMY), [
      ...life('1', ['received']),
      ...life('x', ['received'], 1, { uuid: 1 }),
      ...life('x', ['received'], 2, { uuid: null }),
      ...life('x', ['received'], 3, { uuid: ['x'] }),
    ]);
    expect(reportOf(state, 0).tasks.map(({ uuid }) => uuid)).toEqual(['1', 1, null]);
    expect(state.event_count).toBe(4);
  });
});

describe('eviction', () => {
  const limits: Limits = { maxTasks: 3, maxWorkers: 10 };

  test('takes what ended first, however late it was known', () => {
    const clusters = celeryClusters(limits);
    const state = foldAll(clusters, [
      ...life('a', ['received', 'started'], 0),
      ...life('b', ['received', 'started', 'succeeded'], 10),
      ...life('a', ['failed'], 20),
      ...life('c', ['received'], 30),
      ...life('d', ['received'], 40),
    ]);
    expect([...state.tasks.keys()]).toEqual(['a', 'c', 'd']);
    foldAll(clusters, life('e', ['received'], 50));
    expect([...state.tasks.keys()]).toEqual(['c', 'd', 'e']);
    expect(state).toMatchObject({ evicted_active: 0, forgetful: true });
  });

  test('takes an active task only when nothing has ended, the oldest, and counts it', () => {
    const clusters = celeryClusters(limits);
    const state = foldAll(
      clusters,
      ['a', 'b', 'c', 'd'].flatMap((uuid, i) => life(uuid, ['received'], i)),
    );
    expect([...state.tasks.keys()]).toEqual(['b', 'c', 'd']);
    expect(state.evicted_active).toBe(1);
    foldAll(clusters, [...life('d', ['succeeded'], 10), ...life('e', ['received'], 11)]);
    expect([...state.tasks.keys()]).toEqual(['b', 'c', 'e']);
    expect(state.evicted_active).toBe(1);
  });

  test('does not take a task for ended that is retried after all', () => {
    const state = foldAll(celeryClusters(limits), [
      ...life('a', ['received', 'succeeded', 'retried'], 0),
      ...life('b', ['received', 'succeeded'], 10),
      ...life('c', ['received'], 20),
      ...life('d', ['received'], 30),
    ]);
    expect([...state.tasks.keys()]).toEqual(['a', 'c', 'd']);
  });

  test('is forgetful of nothing while there is room', () => {
    expect(foldAll(celeryClusters(limits), life('a', ['received'])).forgetful).toBe(false);
  });

  test('of workers takes the one that came first', () => {
    const hello = (hostname: string, at: number): [Event, number] => [
      { type: 'worker-online', hostname, timestamp: at, clock: at },
      at,
    ];
    const events = [hello('a', 1), hello('b', 2), hello('a', 3), hello('c', 4)];
    const state = foldAll(celeryClusters({ maxTasks: 1, maxWorkers: 2 }), events);
    expect([...state.workers.keys()]).toEqual(['b', 'c']);
  });

  test('agrees with a plain model over long runs of new, ended and retried tasks', () => {
    const step = fc.record({
      n: fc.integer({ min: 0, max: 30 }),
      subject: fc.constantFrom('received', 'succeeded', 'retried'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
        const clusters = celeryClusters({ maxTasks: 8, maxWorkers: 1 });
        const state = stateOf(clusters, 'c');
        const known: string[] = [];
        const ended: string[] = [];
        let evictedActive = 0;
        const remove = (list: string[], uuid: string): boolean => {
          const i = list.indexOf(uuid);
          if (i >= 0) list.splice(i, 1);
          return i >= 0;
        };
        steps.forEach(({ n, subject }, i) => {
          const uuid = `t${n}`;
          if (!known.includes(uuid)) {
            if (known.length === 8) {
              const victim = ended[0] ?? (known[0] as string);
              if (!remove(ended, victim)) evictedActive++;
              remove(known, victim);
            }
            known.push(uuid);
          }
          foldAll(clusters, life(uuid, [subject], i));
          if (!READY_STATES.has(state.tasks.get(uuid)?.state ?? '')) remove(ended, uuid);
          else if (!ended.includes(uuid)) ended.push(uuid);
          expect([...state.tasks.keys()]).toEqual(known);
        });
        expect(state.evicted_active).toBe(evictedActive);
      }),
      { numRuns: runs(100) },
    );
  });
});

describe('restoring', () => {
  /** As a database would give the records back: copies, children as they were, in the order of their ends. */
  function restored(from: Clusters): Clusters {
    const clusters = celeryClusters(from.limits);
    clusters.position = from.position;
    const [before, state] = [stateOf(from, 'c'), stateOf(clusters, 'c')];
    const { event_count, task_count, clock, evicted_active, last_received } = before;
    Object.assign(state, { event_count, task_count, clock, evicted_active, last_received });
    for (const name of before.task_types) state.task_types.add(name);
    for (const worker of before.workers.values()) restoreWorker(state, structuredClone(worker));
    for (const task of before.tasks.values()) restoreTask(state, structuredClone(task));
    endRestore(state);
    return clusters;
  }

  function shape(state: State): unknown {
    const waiting = [...state.indexes.waiting].map(([parent, uuids]) => [parent, [...uuids].sort()]);
    return { report: reportOf(state, 0), clock: state.clock, waiting: Object.fromEntries(waiting) };
  }

  /** That a task waits for a parent it no longer names is the one thing that no record tells. */
  function waitsForFormer(state: State): boolean {
    return [...state.indexes.formerParents.values()].flat().some((parent) => !state.tasks.has(parent));
  }

  /** Where Celery raises halfway a task may be known whose family is not joined yet; a restored one joins it. */
  const whole = received.filter(
    ([event]) =>
      typeof event.timestamp === 'number' &&
      ['name', 'parent_id', 'state', 'hostname'].every(
        (name) => typeof event[name] !== 'object' || event[name] === null,
      ),
  );

  test('at any place, then folding on, is the same as never having stopped', () => {
    let [places, compared] = [0, 0];
    fc.assert(
      fc.property(fc.array(whole, { maxLength: 30, size: 'max' }), (events) => {
        const uninterrupted = shape(foldAll(celeryClusters(ROOMY), events));
        const first = celeryClusters(ROOMY);
        for (let cut = 0; cut <= events.length; cut++) {
          const state = foldAll(first, events.slice(cut - 1, cut));
          places++;
          if (waitsForFormer(state)) continue;
          expect(shape(foldAll(restored(first), events.slice(cut)))).toEqual(uninterrupted);
          compared++;
        }
      }),
      { numRuns: 100 }, // whatever the effort: the share of a few streams says nothing
    );
    expect(compared).toBeGreaterThan(places / 2);
  });

  test('finds families again whichever member comes first', () => {
    const child = { ...createTask('child'), parent_id: 'parent' };
    const retried = { ...createTask('retried'), parent_id: 'retried' };
    const parent = { ...createTask('parent'), children: new Set(['child', 'retried', 'gone']) };
    for (const order of [
      [child, retried, parent],
      [parent, child, retried],
      [retried, parent, child],
    ]) {
      const state = stateOf(celeryClusters(ROOMY), 'c');
      for (const task of order) restoreTask(state, structuredClone(task));
      endRestore(state);
      expect([...(state.tasks.get('parent')?.children ?? [])].sort()).toEqual(['child', 'retried']);
      expect(state.tasks.get('retried')?.children).toEqual(new Set(['retried']));
      expectWithin(state, ROOMY);
    }
  });

  test('stays within the limits and does not replace what is there', () => {
    const limits: Limits = { maxTasks: 2, maxWorkers: 1 };
    const state = stateOf(celeryClusters(limits), 'c');
    for (const uuid of ['a', 'b', 'c']) restoreTask(state, { ...createTask(uuid), state: 'SUCCESS' });
    const [kept] = state.tasks.values();
    restoreTask(state, createTask('b'));
    for (const hostname of ['w1', 'w2']) restoreWorker(state, createWorker(hostname));
    expect([...state.tasks.keys()]).toEqual(['b', 'c']);
    expect(state.tasks.get('b')).toBe(kept);
    expect([...state.workers.keys()]).toEqual(['w2']);
    expectWithin(state, limits);
  });

  test('brings back a task that was evicted', () => {
    const clusters = celeryClusters({ maxTasks: 1, maxWorkers: 1 });
    const state = foldAll(clusters, life('a', ['received', 'started'], 0, { name: 'n' }));
    const evicted = state.tasks.get('a') as Task;
    foldAll(clusters, life('b', ['received', 'succeeded'], 10));
    expect(state.tasks.has('a')).toBe(false);
    restoreTask(state, evicted);
    foldAll(clusters, life('a', ['succeeded'], 20));
    expect(state.tasks.get('a')).toBe(evicted);
    expect(evicted).toMatchObject({ state: 'SUCCESS', name: 'n' });
  });
});
