/** Captured and adversarial streams, folded and compared with what Celery 5.2.6 made of them (`State` behind its receiver). */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Event, Json } from '../../src/domain/event.ts';
import { type Report, reportOf } from '../../src/domain/report.ts';
import { createClusters, type FoldOptions, fold, type State, stateOf } from '../../src/domain/state.ts';

const DIRECTORY = new URL('../fixtures/celery/', import.meta.url);

interface Line {
  readonly op?: string;
  readonly options?: { max_tasks?: number; max_workers?: number; localize?: boolean; callbacks?: boolean };
  readonly body?: Event | Event[];
  readonly local_received?: number | number[];
}

interface Golden {
  readonly now: number;
  readonly receiver_clock: number;
  readonly tasks: readonly Record<string, Json>[];
  readonly workers: readonly Record<string, Json>[];
  readonly tasks_by_time_reverse_false: readonly string[];
  readonly tasks_by_time_limit_10: readonly string[];
  readonly unresolved_children: Record<string, string[]>;
  readonly checkpoints?: readonly (Golden & { line: number })[];
  readonly [field: string]: unknown;
}

function streams(folder: string): string[] {
  return readdirSync(new URL(folder, DIRECTORY))
    .filter((file) => file.endsWith('.golden.json'))
    .map((file) => folder + file.replace('.golden.json', ''));
}

function load(name: string): { lines: Line[]; golden: Golden; options: NonNullable<Line['options']> } {
  const lines = readFileSync(new URL(`${name}.jsonl`, DIRECTORY), 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .map((text) => JSON.parse(text) as Line);
  const options = lines[0]?.options ?? {};
  if (lines[0]?.options) lines.shift();
  return { lines, golden: JSON.parse(readFileSync(new URL(`${name}.golden.json`, DIRECTORY), 'utf8')), options };
}

/** Folds up to a line, not with it. `onNodeLeave` is what Celery does when that callback is set: the worker is removed. */
function foldLines(lines: readonly Line[], options: NonNullable<Line['options']>): State {
  const foldOptions: FoldOptions = { fold: 'celery', timeOrder: true, localize: options.localize ?? true };
  const clusters = createClusters(
    { maxTasks: options.max_tasks ?? 10_000, maxWorkers: options.max_workers ?? 5_000 },
    foldOptions,
  );
  const state = stateOf(clusters, 'c');
  let position = 0;
  for (const { body, local_received } of lines) {
    if (body === undefined) continue;
    [body].flat().forEach((event, i) => {
      if (typeof event.type !== 'string') return; // no event at all: a dead letter
      const at = [local_received].flat()[i] as number;
      fold(clusters, { position: ++position, cluster: 'c', local_received: at, event });
      if (options.callbacks && event.type === 'worker-offline') state.workers.delete(event.hostname as string);
    });
  }
  return state;
}

/** Attributes that Celery keeps elsewhere, and what the goldens do not tell. */
const HIDDEN = new Set(['children', 'worker', 'parent', 'root', 'cluster_state']);

function expectSameTasks(report: Report, golden: Golden, without: readonly string[] = []): void {
  const byUuid = new Map(report.tasks.map((task) => [task.uuid, task]));
  expect(report.tasks.length).toBe(golden.tasks.length);
  for (const expected of golden.tasks) {
    const task = byUuid.get(expected.uuid as string);
    const wanted = Object.fromEntries(Object.entries(expected).filter(([key]) => !without.includes(key)));
    expect(task, String(expected.uuid)).toMatchObject(wanted);
    const extra = Object.entries(task?.extra as object).filter(([key]) => !HIDDEN.has(key));
    expect(Object.fromEntries(extra), String(expected.uuid)).toEqual(expected.extra);
  }
}

function expectSameWorkers(report: Report, golden: Golden): void {
  const wanted = golden.workers.map(({ id: _, ...worker }) => worker);
  expect(report.workers).toEqual(wanted);
}

function expectSameCounters(state: State, report: Report, golden: Golden): void {
  const { event_count, task_count, task_types } = report;
  expect({ event_count, task_count, task_types, receiver_clock: state.clock }).toEqual({
    event_count: golden.event_count,
    task_count: golden.task_count,
    task_types: golden.task_types,
    receiver_clock: golden.receiver_clock,
  });
}

function expectSameOrder(state: State, report: Report, golden: Golden): void {
  expect(report.tasks_by_time).toEqual(golden.tasks_by_time);
  expect(state.timeOrder?.tasksByTime(state.tasks, { reverse: false })).toEqual(golden.tasks_by_time_reverse_false);
  expect(state.timeOrder?.tasksByTime(state.tasks, { limit: 10 })).toEqual(golden.tasks_by_time_limit_10);
}

function expectSameWaiting(state: State, golden: Golden): void {
  const waiting = [...state.indexes.waiting].map(([parent, uuids]) => [parent, [...uuids].sort()]);
  expect(Object.fromEntries(waiting)).toEqual(golden.unresolved_children);
}

function expectSame(state: State, golden: Golden): void {
  const report = reportOf(state, golden.now);
  expectSameCounters(state, report, golden);
  expectSameTasks(report, golden);
  expectSameWorkers(report, golden);
  // A task of uuid null is called otherwise inside.
  if (!golden.tasks.some((task) => task.uuid === null)) {
    expectSameOrder(state, report, golden);
    expectSameWaiting(state, golden);
  } else {
    expect(report.tasks_by_time).toEqual(golden.tasks_by_time);
  }
}

describe('captured streams', () => {
  test.each(streams('./').map((name) => [name]))('%s', (name) => {
    const { lines, golden, options } = load(name);
    expectSame(foldLines(lines, options), golden);
  });
});

describe('adversarial streams', () => {
  const names = streams('fuzz/').filter((name) => !/\/(lru|ops|workers|family-2)/.test(name));

  test.each(names.map((name) => [name]))('%s', (name) => {
    const { lines, golden, options } = load(name);
    expectSame(foldLines(lines, options), golden);
  });

  // Celery forgets by age and by what a parent's children do, we by whether a task has ended: what depends on which
  // tasks are in memory differs from the first eviction on. The counters, names and workers do not depend on it.
  test.each([['fuzz/lru-1'], ['fuzz/lru-2'], ['fuzz/family-2']])('%s, but for the tasks that are in memory', (name) => {
    const { lines, golden, options } = load(name);
    const state = foldLines(lines, options);
    const report = reportOf(state, golden.now);
    expectSameCounters(state, report, golden);
    expectSameWorkers(report, golden);
    expect(report.tasks.length).toBe(golden.tasks.length);
  });

  // The golden was made with callbacks that remove a worker when it leaves, and with room for two workers. A Celery task
  // holds on to a worker that is gone, so its `origin` tells a process id that nobody else knows any more.
  test.each([['fuzz/workers-1'], ['fuzz/workers-2']])('%s, but for the origin of tasks', (name) => {
    const { lines, golden, options } = load(name);
    const state = foldLines(lines, options);
    const report = reportOf(state, golden.now);
    expectSameCounters(state, report, golden);
    expectSameTasks(report, golden, ['origin']);
    expectSameWorkers(report, golden);
  });

  // We have no `clear_tasks`, which forgets tasks and their order and nothing else.
  test.each([['fuzz/ops-1'], ['fuzz/ops-2']])('%s, but for the tasks', (name) => {
    const { lines, golden, options } = load(name);
    for (const then of [...(golden.checkpoints ?? []), { ...golden, line: lines.length }]) {
      const state = foldLines(lines.slice(0, then.line), options);
      const report = reportOf(state, then.now);
      expectSameCounters(state, report, then);
      expectSameWorkers(report, then);
    }
  });
});
