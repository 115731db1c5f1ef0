import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { JournalEntry, Json } from '../../src/domain/event.ts';
import type { Change } from '../../src/domain/reducer.ts';
import { restoreSeries, type Series, type SeriesKind, TASK_COUNTS, WAIT_BUCKETS } from '../../src/domain/series.ts';
import { type Clusters, createClusters, type FoldName, fold } from '../../src/domain/state.ts';
import { count, createTally, type Tally } from '../../src/domain/tally.ts';
import { foldCrowd } from '../support/crowd.ts';

const LIMITS = { maxTasks: 1000, maxWorkers: 100 };

let clock = 0;

function event(type: string, more: Readonly<Record<string, Json>> = {}): JournalEntry['event'] {
  clock += 1;
  return { type, hostname: 'celery@one', pid: 7, clock, timestamp: 1000 + clock, utcoffset: 0, ...more };
}

function folded(events: readonly JournalEntry['event'][], name: FoldName = 'strict', maxLabels = 100): Clusters {
  const clusters = createClusters(LIMITS, { fold: name, maxLabels });
  for (const [n, each] of events.entries()) {
    fold(clusters, { position: n + 1, cluster: 'c', local_received: 2000, event: each });
  }
  return clusters;
}

function seriesOf({ tally }: Clusters, kind: SeriesKind): Series[] {
  return [...(tally?.series.values() ?? [])].filter((series) => series.kind === kind);
}

/** Labels and counts, by kind. */
function told(tally: Tally): unknown {
  return Array.from(tally.series.values(), ({ kind, labels, counts }) => [kind, ...labels, counts].join(' ')).sort();
}

const LIFE = [
  event('task-sent', { uuid: 'u', hostname: 'gen12@web', pid: 12, name: 'shop.pay', queue: 'fast', timestamp: 1000 }),
  event('task-received', { uuid: 'u', name: 'shop.pay', timestamp: 1001 }),
  event('task-started', { uuid: 'u', timestamp: 1004 }),
  event('task-succeeded', { uuid: 'u', result: '1', runtime: 0.3, timestamp: 1005 }),
];

describe('what counts', () => {
  test('the life of a task, where it ran and in which queue it waited', () => {
    const clusters = folded(LIFE);
    const [sent, executed] = seriesOf(clusters, 'task');
    expect(sent?.labels).toEqual(['c', 'shop.pay', 'web', 'fast']);
    expect(sent?.counts.slice(0, 7)).toEqual([1, 0, 0, 0, 0, 0, 0]);
    expect(executed?.labels).toEqual(['c', 'shop.pay', 'one', 'fast']);
    expect(executed?.counts.slice(0, 7)).toEqual([0, 1, 1, 1, 0, 0, 0]);
    const runtimes = executed?.counts.slice(TASK_COUNTS.runtime, TASK_COUNTS.wait);
    expect(runtimes).toEqual([0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0.3]);
    // Four seconds from the sending to the start: the bucket up to five.
    const waits = executed?.counts.slice(TASK_COUNTS.wait) ?? [];
    expect(waits[WAIT_BUCKETS.indexOf(5)]).toBe(1);
    expect(waits.at(-1)).toBe(4);
    expect(seriesOf(clusters, 'worker_task').map(({ labels }) => labels)).toEqual([
      ['c', 'gen@web', 'shop.pay'],
      ['c', 'celery@one', 'shop.pay'],
    ]);
  });

  test('an event that comes again counts no more, but as an event; with the celery reducer it counts as in celery-exporter', () => {
    const succeeded = (clusters: Clusters): number[] => seriesOf(clusters, 'task').map(({ counts }) => counts[3] ?? 0);
    expect(succeeded(folded([...LIFE, ...LIFE]))).toEqual([0, 1]);
    expect(succeeded(folded([...LIFE, ...LIFE], 'celery'))).toEqual([0, 2]);
    const events = seriesOf(folded([...LIFE, ...LIFE]), 'events');
    expect(events.map(({ labels, counts }) => [labels[1], counts[0]])).toEqual([
      ['task-sent', 2],
      ['task-received', 2],
      ['task-started', 2],
      ['task-succeeded', 2],
    ]);
  });

  test('time that a task was to wait is no wait in the queue', () => {
    const [sent, received, started] = LIFE as [(typeof LIFE)[0], (typeof LIFE)[0], (typeof LIFE)[0]];
    const eta = new Date(1003_500).toISOString();
    const [, executed] = seriesOf(folded([{ ...sent, eta }, { ...received, eta }, started]), 'task');
    expect(executed?.counts.at(-1)).toBe(0.5);
  });

  test('failures by the class of the exception', () => {
    const fails = (exception: Json, n: number) => event('task-failed', { uuid: `f${n}`, exception });
    const clusters = folded([fails("ValueError('x')", 1), fails('KeyError()', 2), fails(null, 3), fails('?', 4)]);
    expect(seriesOf(clusters, 'failed').map(({ labels, counts }) => [labels.at(-1), counts[0]])).toEqual([
      ['ValueError', 1],
      ['KeyError', 1],
      ['UnknownException', 2],
    ]);
  });
});

test('counts go on over any restarts and kills: what was not kept is folded again and counted once', () => {
  const sent = fc.record({ name: fc.nat(5), host: fc.nat(5), queue: fc.nat(4), fails: fc.boolean() });
  const moments = fc.array(fc.record({ at: fc.nat(60), kept: fc.boolean() }), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(sent, { minLength: 20, maxLength: 60 }), moments, (tasks, stops) => {
      const clusters = createClusters(LIMITS);
      const changes = tasks.map(({ name, host, queue, fails }, n): [JournalEntry, Change] => {
        const uuid = `u${fails ? n : name}`;
        const more = {
          uuid,
          hostname: `celery@h${host}`,
          name: `t${name}`,
          queue: `q${queue}`,
          exception: `E${host}()`,
        };
        const whole = event(fails ? 'task-failed' : 'task-received', more);
        const entry = { position: n + 1, cluster: 'c', local_received: 2000, event: whole };
        return [entry, fold(clusters, entry)];
      });
      const whole = createTally(3);
      for (const [entry, change] of changes) count(whole, entry, change);
      /** What the database holds. */
      const rows = new Map<string, { kind: SeriesKind; labels: readonly string[]; counts: readonly number[] }>();
      let position = 0;
      const start = (): Tally => {
        const tally = createTally(3);
        tally.position = position;
        for (const { kind, labels, counts } of rows.values()) restoreSeries(tally, kind, labels, counts);
        return tally;
      };
      let tally = start();
      for (const { at, kept } of [...stops, { at: changes.length, kept: true }]) {
        for (const [entry, change] of changes.slice(position, Math.max(at, position))) count(tally, entry, change);
        if (kept) {
          for (const { kind, labels, counts, touched } of tally.series.values()) {
            if (touched > position) rows.set([kind, ...labels].join('\n'), { kind, labels, counts: [...counts] });
          }
          position = tally.position;
        }
        // Killed: what was not kept is gone.
        tally = start();
      }
      expect(told(tally)).toEqual(told(whole));
    }),
  );
});

describe('the number of series is bounded', () => {
  test('100 names on 40 hosts, and sums by name stay right', () => {
    const clusters = foldCrowd(100, 40, 20);
    const tasks = seriesOf(clusters, 'task');
    expect(tasks.length).toBeLessThanOrEqual(3 * 20 + 1);
    expect(seriesOf(clusters, 'worker_task').length).toBeLessThanOrEqual(2 * 20 + 1);
    expect(new Set(tasks.map(({ labels }) => labels[1])).size).toBe(21);
    const received = (name: string): number =>
      tasks.reduce((sum, { labels, counts }) => sum + (labels[1] === name ? (counts[1] ?? 0) : 0), 0);
    expect(received('shop.module0.task_0')).toBe(40);
    expect(received('other')).toBe(80 * 40);
  });

  test('whatever anybody sends as a name, a host, a queue, a type or an exception', () => {
    const texts = ['', '\0', '\uD800', 'x'.repeat(10_000), 'a"b\\c\nd', 'other', '__proto__', 'é'.repeat(200)];
    const events = Array.from({ length: 3000 }, (_, n) => {
      const text = `${texts[n % texts.length]}${n % 31}`;
      return event(n % 3 === 0 ? `task-${text}` : 'task-failed', {
        ...{ uuid: `u${n}`, hostname: `${text}@${text}${n % 7}`, exception: `E${n}()`, name: text, queue: text },
      });
    });
    for (const name of ['strict', 'celery'] as const) {
      const { tally } = folded(events, name, 10);
      expect(tally?.series.size).toBeLessThanOrEqual(4 * 4 * 10 + 4);
      for (const { labels } of tally?.series.values() ?? []) {
        expect(labels.every((label) => label.length <= 128 && label.isWellFormed() && !label.includes('\0'))).toBe(
          true,
        );
      }
    }
  });
});

test('what a newer program kept is left out', () => {
  const tally = createTally(10);
  restoreSeries(tally, 'gone', ['a'], [1]);
  restoreSeries(tally, 'events', ['c'], [1]);
  restoreSeries(tally, 'events', ['c', 'task-sent'], [1, 2]);
  restoreSeries(tally, '__proto__', [], []);
  expect(tally.series.size).toBe(0);
});
