import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import type { ReceiverStatus } from '../../src/broker/receiver.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { GAP_CAUSES } from '../../src/domain/gap.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { metricsHandler } from '../../src/http/metrics.ts';
import { CONTENT_TYPE } from '../../src/metrics/exposition.ts';
import { foldCrowd, metricsOf, NOW } from '../support/crowd.ts';
import { type Family, parseExposition, sampleOf } from '../support/exposition.ts';
import { askedInVain } from '../support/promql.ts';

/** Names, label names and types of the two exporters whose dashboards must keep working. */
const PEERS: readonly (readonly [name: string, type: string, labels: readonly string[]])[] = [
  ...['sent', 'received', 'started', 'succeeded', 'rejected', 'revoked', 'retried'].map(
    (type) => [`celery_task_${type}_total`, 'counter', ['hostname', 'name', 'queue_name']] as const,
  ),
  ['celery_task_failed_total', 'counter', ['exception', 'hostname', 'name', 'queue_name']],
  ['celery_task_runtime', 'histogram', ['hostname', 'name', 'queue_name']],
  ['celery_task_queue_wait_time', 'histogram', ['hostname', 'name', 'queue_name']],
  ['celery_worker_up', 'gauge', ['hostname']],
  ['celery_worker_tasks_active', 'gauge', ['hostname']],
  ['celery_queue_length', 'gauge', ['queue_name']],
  ['celery_active_consumer_count', 'gauge', ['queue_name']],
  ['celery_active_worker_count', 'gauge', ['queue_name']],
  ['celery_active_process_count', 'gauge', ['queue_name']],
  ['flower_events_total', 'counter', ['task', 'type', 'worker']],
  ['flower_task_runtime_seconds', 'histogram', ['task', 'worker']],
  ['flower_task_prefetch_time_seconds', 'gauge', ['task', 'worker']],
  ['flower_worker_prefetched_tasks', 'gauge', ['task', 'worker']],
  ['flower_worker_online', 'gauge', ['worker']],
  ['flower_worker_number_of_currently_executing_tasks', 'gauge', ['worker']],
];

/** A cluster in which everything has happened that is exported. */
function busy(): Clusters {
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 10 }, { maxLabels: 20 });
  let position = 0;
  const say = (type: string, more: object = {}): void => {
    position += 1;
    const event = { type, hostname: 'celery@one', pid: 7, clock: position, timestamp: NOW - 30 + position, ...more };
    fold(clusters, { position, cluster: 'c', local_received: NOW - 1, event });
  };
  say('worker-online', { freq: 2 });
  for (const uuid of ['a', 'b', 'd']) {
    say('task-sent', { uuid, name: 'shop.pay', hostname: 'gen9@web', pid: 9, queue: 'fast' });
    say('task-received', { uuid, name: 'shop.pay' });
  }
  say('task-started', { uuid: 'a' });
  say('task-started', { uuid: 'b' });
  say('task-succeeded', { uuid: 'a', runtime: 0.2, result: '"\n\\' });
  say('task-failed', { uuid: 'b', exception: 'Boom()' });
  say('worker-heartbeat', { freq: 2, active: 3, processed: 2 });
  return clusters;
}

function familiesOf(clusters: Clusters): Map<string, Family> {
  const fast = { cluster: 'c', queue: 'fast', messages: 12, consumers: 3 };
  const queueLengths = () => [
    { ...fast, consumption: { workers: 2, processes: 8 } },
    { ...fast, queue: 'unasked', consumption: null },
  ];
  const receivers = (): ReceiverStatus[] => [{ cluster: 'c', connected: true } as ReceiverStatus];
  const diagnostics = createDiagnostics();
  const metrics = metricsOf(clusters, { queueLengths, beats: true, receivers }, diagnostics);
  const batch = { events: 1, deadLetters: 0, duplicates: 0, position: 1, timestamp: NOW - 2, seconds: 0.02 };
  diagnostics.emit('journal:appended', batch);
  diagnostics.emit('camera:shutter', { snapshot: 1, position: 9, tasks: 1, workers: 1, seconds: 0.1 });
  return parseExposition(metrics.render());
}

describe('the peers’ metrics', () => {
  const families = familiesOf(busy());
  test.each(PEERS)('%s', (name, type, labels) => {
    const family = families.get(name);
    expect(family).toMatchObject({ type });
    expect(family?.help).toMatch(/\w/);
    for (const { labels: own } of family?.samples ?? []) {
      const names = Object.keys(own).filter((label) => label !== 'cluster' && label !== 'le');
      expect(names.sort()).toEqual(labels);
    }
    expect(family?.samples).not.toEqual([]);
  });

  test('the values', () => {
    const one = { cluster: 'c', name: 'shop.pay', hostname: 'one', queue_name: 'fast' };
    const worker = { cluster: 'c', worker: 'celery@one', task: 'shop.pay' };
    expect(sampleOf(families, 'celery_task_received_total', one)).toBe(3);
    expect(sampleOf(families, 'celery_task_sent_total', { ...one, hostname: 'web' })).toBe(3);
    expect(sampleOf(families, 'celery_task_failed_total', { ...one, exception: 'Boom' })).toBe(1);
    expect(sampleOf(families, 'celery_task_failed_total', { ...one, exception: '' })).toBe(0);
    expect(sampleOf(families, 'celery_task_retried_total', one)).toBe(0);
    expect(sampleOf(families, 'celery_task_runtime_bucket', { ...one, le: '0.25' })).toBe(1);
    expect(sampleOf(families, 'celery_task_runtime_bucket', { ...one, le: '0.1' })).toBe(0);
    expect(sampleOf(families, 'celery_task_runtime_bucket', { ...one, le: '1.0' })).toBe(1);
    expect(sampleOf(families, 'celery_task_queue_wait_time_count', one)).toBe(2);
    expect(sampleOf(families, 'flower_events_total', { ...worker, type: 'task-started' })).toBe(2);
    expect(sampleOf(families, 'flower_worker_prefetched_tasks', worker)).toBe(1);
    expect(sampleOf(families, 'flower_task_prefetch_time_seconds', worker)).toBe(0);
    expect(sampleOf(families, 'celery_worker_up', { cluster: 'c', hostname: 'one' })).toBe(1);
    expect(sampleOf(families, 'celery_worker_tasks_active', { cluster: 'c', hostname: 'one' })).toBe(3);
    expect(sampleOf(families, 'celery_queue_length', { cluster: 'c', queue_name: 'fast' })).toBe(12);
    const fast = { cluster: 'c', queue_name: 'fast' };
    expect(sampleOf(families, 'celery_active_worker_count', fast)).toBe(2);
    expect(sampleOf(families, 'celery_active_process_count', fast)).toBe(8);
    expect(sampleOf(families, 'celery_active_process_count', { ...fast, queue_name: 'unasked' })).toBeUndefined();
    expect(sampleOf(families, 'flower_worker_online', { cluster: 'c', worker: 'celery@one' })).toBe(1);
  });

  test('a worker that went away is told as down, and after twenty minutes no more, which is longer than any alert waits', () => {
    const clusters = busy();
    const event = { type: 'worker-offline', hostname: 'celery@one', pid: 7, clock: 99, timestamp: NOW };
    fold(clusters, { position: 99, cluster: 'c', local_received: NOW, event });
    const at = (now: number) => parseExposition(metricsOf(clusters, { clock: () => now }).render());
    const up = (now: number) => sampleOf(at(now), 'celery_worker_up', { cluster: 'c', hostname: 'one' });
    expect(up(NOW + 1199)).toBe(0);
    expect(up(NOW + 1201)).toBeUndefined();
  });
});

describe('our own', () => {
  test('how celerycam does', () => {
    const diagnostics = createDiagnostics();
    const more = {
      hub: { clients: 4 },
      inbox: { bytes: 123 },
      journal: { totals: { deadLetters: 2, duplicates: 5 }, gapTotals: async () => [] },
    };
    const metrics = metricsOf(busy(), more, diagnostics);
    const batch = { events: 1, deadLetters: 0, duplicates: 0, position: 1, timestamp: NOW - 2, seconds: 0.02 };
    diagnostics.emit('journal:appended', batch);
    diagnostics.emit('journal:failed', { reason: 'gone', retryIn: 1 });
    diagnostics.emit('camera:shutter', { snapshot: 1, position: 9, tasks: 1, workers: 1, seconds: 100 });
    const families = parseExposition(metrics.render());
    const value = (name: string, labels = {}): number | undefined => sampleOf(families, `celerycam_${name}`, labels);
    expect(value('lag_seconds')).toBe(2);
    expect(value('recording')).toBe(0);
    expect(value('journal_failures_total')).toBe(1);
    expect(value('journal_append_seconds_bucket', { le: '0.025' })).toBe(1);
    expect(value('journal_append_seconds_bucket', { le: '0.01' })).toBe(0);
    expect(value('shutter_seconds_bucket', { le: '60.0' })).toBe(0);
    expect(value('shutter_seconds_sum')).toBe(100);
    expect(value('snapshot_position')).toBe(9);
    expect(value('feed_clients')).toBe(4);
    expect(value('buffered_bytes')).toBe(123);
    expect(value('dead_letters_total')).toBe(2);
    expect(value('duplicates_total')).toBe(5);
    expect(value('events_total', { cluster: 'c', type: 'task-received' })).toBe(3);
    expect(value('tasks', { cluster: 'c', state: 'RECEIVED' })).toBe(1);
    expect(value('workers', { cluster: 'c', status: 'ONLINE' })).toBe(1);
    expect(value('position')).toBe(12);
  });

  test('how its beat does; nothing where it has none', () => {
    const diagnostics = createDiagnostics();
    const metrics = metricsOf(busy(), { beats: true }, diagnostics);
    const value = (name: string, labels = {}): number | undefined =>
      sampleOf(parseExposition(metrics.render()), `celerycam_beat_${name}`, labels);
    expect(value('leading')).toBe(0);
    diagnostics.emit('beat:leading', { url: 'amqp://h' });
    diagnostics.emit('beat:read', { tasks: 3, unfit: new Map([[4, 'args: "{"']]) });
    const sent = { periodic_task: 1, outcome: 'sent', due_at: NOW - 10, sent_at: NOW - 9.98, missed: 0 } as const;
    const skipped = { ...sent, outcome: 'skipped', sent_at: null, missed: 7 } as const;
    diagnostics.emit('beat:ran', { runs: [sent, sent, skipped, { ...sent, outcome: 'unroutable' }] });
    expect(value('leading')).toBe(1);
    expect(value('unfit_tasks')).toBe(1);
    expect(['sent', 'skipped', 'unroutable'].map((outcome) => value('runs_total', { outcome }))).toEqual([2, 1, 1]);
    expect(value('missed_total')).toBe(7);
    expect(value('lateness_seconds_count')).toBe(3);
    expect(value('lateness_seconds_bucket', { le: '0.01' })).toBe(0);
    expect(value('lateness_seconds_bucket', { le: '0.025' })).toBe(3);
    diagnostics.emit('beat:stepped-down');
    diagnostics.emit('beat:failed', { reason: 'gone', retryIn: 1 });
    expect([value('leading'), value('unfit_tasks'), value('failures_total')]).toEqual([0, 0, 1]);
    expect(metricsOf(busy()).render()).not.toContain('celerycam_beat_');
  });

  test('gaps of every cause are told before there are any, so that the first is an increase', () => {
    const receivers = (): ReceiverStatus[] => [{ cluster: 'c' } as ReceiverStatus];
    const { samples } = parseExposition(metricsOf(busy(), { receivers }).render()).get(
      'celerycam_gaps_total',
    ) as Family;
    expect(samples.map(({ labels, value }) => [labels['cause'], value])).toEqual(GAP_CAUSES.map((cause) => [cause, 0]));
  });

  test('gaps are counted anew when there is another, and stay known while the database does not answer', async () => {
    const diagnostics = createDiagnostics();
    const answers: (() => Promise<{ cluster: string; cause: string; gaps: number }[]>)[] = [
      async () => [{ cluster: 'c', cause: 'disconnect', gaps: 3 }],
      async () => {
        throw new Error('gone');
      },
    ];
    const journal = {
      totals: { deadLetters: 0, duplicates: 0 },
      gapTotals: () => (answers.shift() ?? (async () => []))(),
    };
    const metrics = metricsOf(busy(), { journal }, diagnostics);
    const gap = { cluster: 'c', cause: 'disconnect', started_at: 1, ended_at: 2, estimate: null, detail: '' } as const;
    for (let n = 0; n < 2; n++) {
      diagnostics.emit('gap', gap);
      await new Promise(setImmediate);
      const families = parseExposition(metrics.render());
      expect(sampleOf(families, 'celerycam_gaps_total', { cluster: 'c', cause: 'disconnect' })).toBe(3);
    }
  });
});

test('a crowd is answered within bounds, as valid text without a series told twice', () => {
  const clusters = foldCrowd(300, 40, 100);
  const text = metricsOf(clusters).render();
  expect(text.length).toBeLessThan(3_000_000);
  const families = parseExposition(text);
  for (const family of ['celery_task_runtime', 'flower_task_runtime_seconds', 'celery_worker_up']) {
    expect(families.get(family)?.samples.length).toBeGreaterThan(0);
  }
});

test('whatever anybody calls a task, a worker, a queue or a state, the text is valid and says it', () => {
  const texts = ['a"b\\c\nd\\n', '}', '"} 1\n', 'é\r\u2028', '\0', '\uD800', '', 'other', '__proto__', 'x'.repeat(300)];
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 100 }, { maxLabels: 100 });
  let position = 0;
  for (const text of texts) {
    const task = { uuid: `u${text}`, name: text, queue: text, hostname: `${text}@${text}` };
    for (const [type, more] of [
      ...[
        ['worker-heartbeat', {}],
        ['task-sent', task],
        ['task-received', task],
        ['task-failed', { ...task, exception: text }],
      ],
      ['task-succeeded', { ...task, uuid: `v${text}`, runtime: 1 }],
      [`task-${text}`, { ...task, uuid: `w${text}` }],
    ] as [string, object][]) {
      position += 1;
      const event = { type, hostname: `${text}@${text}`, pid: 1, clock: position, timestamp: NOW - 2, ...more };
      fold(clusters, { position, cluster: 'c"', local_received: NOW - 1, event });
    }
  }
  const families = parseExposition(metricsOf(clusters).render());
  const received = families.get('celery_task_received_total')?.samples ?? [];
  expect(new Set(received.map(({ labels }) => labels['cluster']))).toEqual(new Set(['c"']));
  const names = received.map(({ labels }) => labels['name']);
  for (const text of texts.slice(0, 4)) expect(names).toContain(text);
  const states = families.get('celerycam_tasks')?.samples.map(({ labels }) => labels['state']);
  expect(states).toContain(texts[0]?.toUpperCase());
});

test('the answer is Prometheus’s text format', async () => {
  const { Hono } = await import('hono');
  const app = new Hono().get('/metrics', metricsHandler(metricsOf(busy())));
  const answer = await app.request('/metrics');
  expect(answer.headers.get('content-type')).toBe(CONTENT_TYPE);
  expect(parseExposition(await answer.text()).size).toBeGreaterThan(30);
});

/** … and a worker whose heartbeats were held against its events. */
function audited(): Clusters {
  const clusters = busy();
  const said = [
    ['task-started', 'x', 1],
    ['worker-heartbeat', null, 1],
    ['task-started', 'y', 2],
    ...[3, 4, 5].map(() => ['worker-heartbeat', null, 2] as const),
  ] as const;
  for (const [n, [type, uuid, processed]] of said.entries()) {
    const at = NOW - 60 + 10 * n;
    const event = { type, uuid, processed, hostname: 'celery@two', pid: 8, clock: 100 + n, timestamp: at };
    fold(clusters, { position: 100 + n, cluster: 'c', local_received: at, event });
  }
  return clusters;
}

describe('examples/prometheus', () => {
  const families = familiesOf(audited());
  const read = (name: string): string =>
    readFileSync(new URL(`../../examples/prometheus/${name}`, import.meta.url), 'utf8');

  test('the dashboard asks for what is exported, with labels that it has, of the data source that was chosen', () => {
    const { panels, templating, ...rest } = JSON.parse(read('dashboard.json')) as Dashboard;
    expect(rest).toMatchObject({ uid: 'celerycam', schemaVersion: expect.any(Number), title: expect.any(String) });
    const [source, ...variables] = templating.list;
    expect(source).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const charts = panels.filter(({ type }) => type !== 'row');
    for (const { datasource } of [...charts, ...variables]) {
      expect(datasource).toEqual({ type: 'prometheus', uid: expect.stringMatching(/^\$\{datasource\}$/) });
    }
    for (const { fieldConfig, gridPos } of charts) {
      expect(fieldConfig?.defaults.unit).toMatch(/\w/);
      expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
    }
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const expressions = charts.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? []);
    expect(expressions.length).toBeGreaterThan(30);
    for (const expr of [...expressions, ...variables.map(({ query }) => query)]) {
      expect([expr, askedInVain(expr, families)]).toEqual([expr, []]);
      expect([expr, balanced(expr)]).toEqual([expr, true]);
    }
    const named = new Set(templating.list.map(({ name }) => name));
    for (const [, name] of JSON.stringify(panels).matchAll(/\$(?!__)\{?(\w+)/g)) expect(named).toContain(name);
  });

  test('so do the alert rules', () => {
    const { groups } = parse(read('rules.yml')) as {
      groups: { name: string; rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { expr, annotations } of rules) {
      expect([expr, askedInVain(expr, families)]).toEqual([expr, []]);
      expect(balanced(expr)).toBe(true);
      expect(annotations.summary).toMatch(/\w/);
    }
  });
});

interface Dashboard {
  readonly templating: { readonly list: readonly { name: string; type: string; query: string; datasource?: object }[] };
  readonly panels: readonly {
    readonly id: number;
    readonly type: string;
    readonly gridPos: { readonly x: number; readonly w: number };
    readonly datasource?: object;
    readonly targets?: readonly { readonly expr: string }[];
    readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
  }[];
}

/** Every bracket is closed by its like. */
function balanced(expr: string): boolean {
  const open: string[] = [];
  for (const sign of expr.replace(/"[^"]*"/g, '')) {
    if ('([{'.includes(sign)) open.push(sign);
    else if (')]}'.includes(sign) && '([{'.indexOf(open.pop() ?? '') !== ')]}'.indexOf(sign)) return false;
  }
  return open.length === 0;
}
