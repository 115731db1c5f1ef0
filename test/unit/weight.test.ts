/** Texts of tasks in memory are bounded in bytes, under both reducers, and only tasks with long ones go for it. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event, Json } from '../../src/domain/event.ts';
import { endRestore } from '../../src/domain/memory.ts';
import { createClusters, type FoldName, fold, restoreTask, type State, stateOf } from '../../src/domain/state.ts';
import { hasEnded, type Task } from '../../src/domain/task.ts';
import { LONG, Weights } from '../../src/domain/weight.ts';
import { runs } from '../support/effort.ts';

const BOUND = 100_000;

class Folding {
  readonly clusters;
  readonly state: State;
  #clock = 0;

  constructor(name: FoldName) {
    this.clusters = createClusters({ maxTasks: 1000, maxWorkers: 10, maxTaskBytes: BOUND }, { fold: name });
    this.state = stateOf(this.clusters, 'c');
  }

  tell(subject: string, uuid: string, fields: Readonly<Record<string, Json>> = {}): void {
    this.#clock++;
    const at = 1_700_000_000 + this.#clock;
    const sender = { hostname: 'w@h', pid: 1, clock: this.#clock, timestamp: at, utcoffset: 0 };
    const event: Event = { type: `task-${subject}`, uuid, ...sender, ...fields };
    const size = JSON.stringify(event).length;
    fold(this.clusters, { position: this.clusters.position + 1, cluster: 'c', local_received: at, event, size });
  }

  /** Fails unless what was counted is what there is, but for the little that short events tell. */
  expectCounted(): void {
    const { weights, tasks } = this.state;
    const anew = new Weights();
    for (const task of tasks.values()) {
      anew.weigh(task);
      expect(Math.abs(anew.of(task) - weights.of(task))).toBeLessThan(LONG + 1000);
    }
    const sum = [...weights.tasks()].reduce((total, task) => total + weights.of(task), 0);
    expect(weights.total).toBe(sum);
  }
}

const text = (length: number): string => 'x'.repeat(length);

describe.each(['strict', 'celery'] as const)('the fold %s', (name) => {
  test('drops tasks with long texts: those that ended first, active ones only when nothing else is left', () => {
    const folding = new Folding(name);
    const { state } = folding;
    const uuids = (): string[] => [...state.tasks.keys()];
    for (let n = 0; n < 50; n++) {
      folding.tell('received', `light-${n}`);
      folding.tell('succeeded', `light-${n}`, { result: '1' });
    }
    const light = uuids();
    for (let n = 0; n < 4; n++) folding.tell('received', `active-${n}`, { args: text(10_000) });
    for (let n = 0; n < 3; n++) {
      folding.tell('received', `ended-${n}`, { args: text(10_000) });
      folding.tell('failed', `ended-${n}`, { traceback: text(5000) });
    }
    expect(state.weights.total).toBeGreaterThanOrEqual(85_000);
    expect(state.forgetful).toBe(false);
    folding.tell('received', 'more', { odd: [text(10_000), { deep: text(6000) }] });
    expect(uuids().slice(50)).toEqual(['active-0', 'active-1', 'active-2', 'active-3', 'ended-1', 'ended-2', 'more']);
    expect(state.forgetful).toBe(true);
    expect(state.evicted_active).toBe(0);
    for (let n = 4; n < 14; n++) folding.tell('received', `active-${n}`, { kwargs: text(10_000) });
    expect(state.evicted_active).toBeGreaterThan(0);
    expect(state.tasks.has('ended-2')).toBe(false);
    expect(uuids().slice(0, 50)).toEqual(light);
    folding.expectCounted();
  });

  test('a text that was replaced does not count, and one that is too long for all of it stays while it grows', () => {
    const folding = new Folding(name);
    const { state } = folding;
    folding.tell('received', 'u', { args: text(5000) });
    folding.tell('started', 'u');
    for (let n = 0; n < 100; n++) folding.tell('progress', 'u', { percent: n, log: text(20_000) });
    expect(state.weights.total).toBeLessThan(50_000);
    folding.expectCounted();
    folding.tell('succeeded', 'u', { result: text(2 * BOUND) });
    expect([...state.tasks.keys()]).toEqual(['u']);
    folding.tell('received', 'v', { args: text(5000) });
    expect([...state.tasks.keys()]).toEqual(['v']);
  });

  test('counts what it holds, whatever comes, and whatever is restored', () => {
    const step = fc.record({
      subject: fc.constantFrom('sent', 'received', 'started', 'progress', 'retried', 'failed', 'succeeded'),
      uuid: fc.integer({ min: 0, max: 20 }).map(String),
      length: fc.oneof(fc.constant(0), fc.integer({ min: 5000, max: 30_000 })),
      field: fc.constantFrom('args', 'result', 'traceback', 'odd'),
      back: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const folding = new Folding(name);
        const { state } = folding;
        const known = new Map<string, Task>();
        for (const { subject, uuid, length, field, back } of steps) {
          const dropped = known.get(uuid);
          if (back && dropped) restoreTask(state, dropped);
          endRestore(state);
          folding.tell(subject, uuid, length > 0 ? { [field]: text(length) } : {});
          for (const task of state.tasks.values()) known.set(task.uuid, task);
          const last = state.tasks.get(uuid);
          const others = state.weights.total - (last ? state.weights.of(last) : 0);
          expect(others).toBeLessThanOrEqual(BOUND);
          for (const task of state.weights.tasks()) expect(state.tasks.get(task.uuid) === task).toBe(true);
          expect(Array.from(state.indexes.ended, (task) => task.uuid).sort()).toEqual(
            [...state.tasks.values()]
              .filter(hasEnded)
              .map((task) => task.uuid)
              .sort(),
          );
        }
        folding.expectCounted();
      }),
      { numRuns: runs(200) },
    );
  });
});
