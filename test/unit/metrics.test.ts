import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { metricsHandler } from '../../src/http/metrics.ts';
import { CONTENT_TYPE } from '../../src/metrics/exposition.ts';
import { foldCrowd, metricsOf, NOW } from '../support/crowd.ts';
import { type Family, parseExposition, sampleOf } from '../support/exposition.ts';

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
  const queueLengths = () => [{ cluster: 'c', queue: 'fast', messages: 12, consumers: 3 }];
  return parseExposition(metricsOf(clusters, { queueLengths, beats: true }).render());
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
    expect(sampleOf(families, 'flower_worker_online', { cluster: 'c', worker: 'celery@one' })).toBe(1);
  });

  test('a worker that went away is told as down, and after ten minutes no more', () => {
    const clusters = busy();
    const event = { type: 'worker-offline', hostname: 'celery@one', pid: 7, clock: 99, timestamp: NOW };
    fold(clusters, { position: 99, cluster: 'c', local_received: NOW, event });
    const at = (now: number) => parseExposition(metricsOf(clusters, { clock: () => now }).render());
    const up = (now: number) => sampleOf(at(now), 'celery_worker_up', { cluster: 'c', hostname: 'one' });
    expect(up(NOW + 599)).toBe(0);
    expect(up(NOW + 601)).toBeUndefined();
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

test('the answer is Prometheus’s text format', async () => {
  const { Hono } = await import('hono');
  const app = new Hono().get('/metrics', metricsHandler(metricsOf(busy())));
  const answer = await app.request('/metrics');
  expect(answer.headers.get('content-type')).toBe(CONTENT_TYPE);
  expect(parseExposition(await answer.text()).size).toBeGreaterThan(30);
});

describe('examples/prometheus', () => {
  const exported = new Set<string>();
  for (const [name, { type }] of familiesOf(busy())) {
    if (type === 'histogram') for (const part of ['bucket', 'sum', 'count']) exported.add(`${name}_${part}`);
    else exported.add(name);
  }
  const used = (text: string): string[] => text.match(/\b(celery|celerycam|flower)_[a-z_]+\b/g) ?? [];
  const read = (name: string): string =>
    readFileSync(new URL(`../../examples/prometheus/${name}`, import.meta.url), 'utf8');

  test('the dashboard shows what is exported', () => {
    const dashboard = JSON.parse(read('dashboard.json')) as { panels: { id: number; targets?: { expr: string }[] }[] };
    const expressions = dashboard.panels.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? []);
    expect(new Set(dashboard.panels.map(({ id }) => id)).size).toBe(dashboard.panels.length);
    expect(expressions.length).toBeGreaterThan(30);
    for (const expr of expressions) {
      expect(used(expr)).not.toEqual([]);
      for (const name of used(expr)) expect(exported).toContain(name);
      expect(balanced(expr)).toBe(true);
    }
  });

  test('so do the alert rules', () => {
    const { groups } = parse(read('rules.yml')) as {
      groups: { name: string; rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length);
    for (const { expr, annotations } of rules) {
      expect(used(expr)).not.toEqual([]);
      for (const name of used(expr)) expect(exported).toContain(name);
      expect(balanced(expr)).toBe(true);
      expect(annotations.summary).toMatch(/\w/);
    }
  });
});

/** Every bracket is closed by its like. */
function balanced(expr: string): boolean {
  const open: string[] = [];
  for (const sign of expr.replace(/"[^"]*"/g, '')) {
    if ('([{'.includes(sign)) open.push(sign);
    else if (')]}'.includes(sign) && '([{'.indexOf(open.pop() ?? '') !== ')]}'.indexOf(sign)) return false;
  }
  return open.length === 0;
}
