/** A cluster with far more names and hosts than metrics tell apart, and metrics of it with nothing else around. */
import { createDiagnostics, type Diagnostics } from '../../src/diagnostics.ts';
import type { JournalEntry, Json } from '../../src/domain/event.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { Activity } from '../../src/live/activity.ts';
import { Metrics, type MetricsSources } from '../../src/metrics/metrics.ts';

export const NOW = 1_795_500_000;

/** Every task name on every host, so many times: received, started, and one of seven failed. */
export function* crowdOf(names: number, hosts: number, times = 1): Generator<JournalEntry, void, undefined> {
  let position = 0;
  const entry = (event: { readonly type: string; readonly [field: string]: Json }): JournalEntry => {
    position += 1;
    const whole = { pid: 1, utcoffset: 0, clock: position, timestamp: NOW - 2, ...event };
    return { position, cluster: 'default', local_received: NOW - 1, event: whole };
  };
  for (let host = 0; host < hosts; host++) {
    yield entry({ type: 'worker-heartbeat', hostname: `celery@host${host}`, freq: 2, active: 1, processed: 3 });
  }
  for (let n = 0; n < names * hosts * times; n++) {
    const name = n % names;
    const task = { uuid: `u${n}`, hostname: `celery@host${Math.floor(n / names) % hosts}` };
    yield entry({ type: 'task-received', name: `shop.module${name % 20}.task_${name}`, ...task });
    yield entry({ type: 'task-started', ...task });
    yield name % 7 === 0
      ? entry({ type: 'task-failed', exception: "ValueError('no')", traceback: '…', ...task })
      : entry({ type: 'task-succeeded', result: '1', runtime: name / 100, ...task });
  }
}

/** @param maxLabels undefined: nothing is counted */
export function foldCrowd(names: number, hosts: number, maxLabels?: number, times = 1): Clusters {
  const counting = maxLabels === undefined ? {} : { maxLabels };
  const clusters = createClusters({ maxTasks: 100_000, maxWorkers: 5_000 }, counting);
  for (const entry of crowdOf(names, hosts, times)) fold(clusters, entry);
  return clusters;
}

export function metricsOf(
  clusters: Clusters,
  more: Partial<MetricsSources> = {},
  diagnostics: Diagnostics = createDiagnostics(),
): Metrics {
  return new Metrics({
    version: '1',
    simulated: false,
    beats: false,
    clusters,
    activity: new Activity(diagnostics, () => NOW),
    journal: { totals: { deadLetters: 0, duplicates: 0 }, gapTotals: async () => [] },
    inbox: { bytes: 0 },
    hub: { clients: 0 },
    receivers: () => [],
    queueLengths: () => [],
    diagnostics,
    clock: () => NOW,
    ...more,
  });
}
