/**
 * The metrics of celery-exporter and Flower under their own names, so that dashboards and alerts made for those keep working.
 * Names, labels, buckets and help are theirs (src/exporter.py, flower/events.py); each has the label `cluster` besides.
 *
 * Workers that went away are told as down for twenty minutes, and then no more. In celery-exporter it is ten, by default, which its
 * own alert CeleryWorkerDown, after fifteen, does not live to see.
 */
import type { QueueLength } from '../broker/queue-watch.ts';
import type { Seconds } from '../domain/event.ts';
import { livenessOf } from '../domain/liveness.ts';
import {
  DIMENSIONS,
  hostOf,
  labelOf,
  labelsFor,
  OTHER,
  RUNTIME_BUCKETS,
  type Series,
  type SeriesKind,
  TASK_COUNTS,
  TASK_TYPES,
  WAIT_BUCKETS,
  WORKER_TASK_COUNTS,
  WORKER_TASK_TYPES,
} from '../domain/series.ts';
import type { Clusters } from '../domain/state.ts';
import type { Tally } from '../domain/tally.ts';
import type { Worker } from '../domain/worker.ts';
import type { Census } from './census.ts';
import { bucketLabels, type Exposition, labelText } from './exposition.ts';

const PURGE: Seconds = 1200;

const HELP: Readonly<Record<(typeof TASK_TYPES)[number], string>> = {
  'task-sent': 'Sent when a task message is published.',
  'task-received': 'Sent when the worker receives a task.',
  'task-started': 'Sent just before the worker executes the task.',
  'task-succeeded': 'Sent if the task executed successfully.',
  'task-rejected': 'The task was rejected by the worker, possibly to be re-queued or moved to a dead letter queue.',
  'task-revoked': 'Sent if the task has been revoked.',
  'task-retried': 'Sent if the task failed, but will be retried in the future.',
};

const RUNTIME_LES = bucketLabels(RUNTIME_BUCKETS);
const WAIT_LES = bucketLabels(WAIT_BUCKETS);

/** Labels written once for each series: most of what a scrape would have to do. */
const TEXTS = new WeakMap<Series, string>();

const FLOWER_LABELS = ['cluster', 'worker', 'task'];

function textOf(series: Series): string {
  let text = TEXTS.get(series);
  if (text === undefined) {
    const { kind, labels } = series;
    text = labelText(kind === 'worker_task' ? FLOWER_LABELS : DIMENSIONS[kind], labels);
    TEXTS.set(series, text);
  }
  return text;
}

function ofKind(tally: Tally, kind: SeriesKind): Series[] {
  return [...tally.series.values()].filter((series) => series.kind === kind);
}

export function writeTasks(out: Exposition, tally: Tally): void {
  const tasks = ofKind(tally, 'task');
  // A client that only sends has no series of what workers do.
  const executed = tasks.filter(({ counts }) => counts.slice(1, TASK_TYPES.length).some((n) => n > 0));
  for (const [n, type] of TASK_TYPES.entries()) {
    out.family(`celery_${type.replace('-', '_')}_total`, 'counter', HELP[type]);
    const shown = n === 0 ? tasks.filter(({ counts }) => (counts[0] as number) > 0) : executed;
    for (const series of shown) out.sample(textOf(series), series.counts[n] as number);
  }
  out.family('celery_task_failed_total', 'counter', 'Sent if the execution of the task failed.');
  for (const series of executed) out.sample(`${textOf(series)},exception=""`, 0);
  for (const series of ofKind(tally, 'failed')) out.sample(textOf(series), series.counts[0] as number);
  out.family('celery_task_runtime', 'histogram', 'Histogram of task runtime measurements.');
  histograms(out, executed, RUNTIME_LES, TASK_COUNTS.runtime);
  const waiting = 'Histogram of the time tasks spend waiting in the queue before being executed, excluding';
  out.family('celery_task_queue_wait_time', 'histogram', `${waiting} deliberate ETA/countdown delay.`);
  histograms(out, executed, WAIT_LES, TASK_COUNTS.wait);

  const workerTasks = ofKind(tally, 'worker_task');
  out.family('flower_events_total', 'counter', 'Number of events');
  for (const series of workerTasks) {
    const labels = textOf(series);
    for (const [n, type] of WORKER_TASK_TYPES.entries()) {
      const value = series.counts[n] as number;
      if (value > 0) out.sample(`${labels},type="${type}"`, value);
    }
  }
  out.family('flower_task_runtime_seconds', 'histogram', 'Task runtime');
  histograms(out, workerTasks, RUNTIME_LES, WORKER_TASK_COUNTS.runtime);
  const prefetch = 'The time the task spent waiting at the celery worker to be executed.';
  out.family('flower_task_prefetch_time_seconds', 'gauge', prefetch);
  const started = WORKER_TASK_TYPES.indexOf('task-started');
  for (const series of workerTasks) {
    if ((series.counts[started] as number) > 0) {
      out.sample(textOf(series), series.counts[WORKER_TASK_COUNTS.prefetch] as number);
    }
  }
}

/** Those that have observed something, as Python's client does. */
function histograms(out: Exposition, all: readonly Series[], les: readonly string[], from: number): void {
  for (const series of all) {
    for (let n = 0; n < les.length; n++) {
      if ((series.counts[from + n] as number) === 0) continue;
      out.histogram(textOf(series), les, series.counts, from);
      break;
    }
  }
}

export function writePrefetched(out: Exposition, census: readonly Census[], tally: Tally): void {
  const counts = new Map<string, number>();
  const raise = (labels: readonly string[], by: number): void => {
    const text = labelText(FLOWER_LABELS, labels);
    counts.set(text, (counts.get(text) ?? 0) + by);
  };
  for (const { labels } of ofKind(tally, 'worker_task')) raise(labels, 0);
  for (const { cluster, prefetched } of census) {
    for (const [worker, names] of prefetched) {
      for (const [name, n] of names) raise(labelsFor(tally, 'worker_task', [cluster, worker, name]), n);
    }
  }
  out.family('flower_worker_prefetched_tasks', 'gauge', 'Number of tasks of given type prefetched at a worker');
  for (const [text, n] of counts) out.sample(text, n);
}

/** The queues of tasks, where the broker was asked. */
export function writeQueues(out: Exposition, lengths: readonly QueueLength[]): void {
  const labels = ({ cluster, queue }: QueueLength): string => labelText(['cluster', 'queue_name'], [cluster, queue]);
  out.family('celery_queue_length', 'gauge', 'The number of message in broker queue.');
  for (const each of lengths) out.sample(labels(each), each.messages);
  out.family('celery_active_consumer_count', 'gauge', 'The number of active consumer in broker queue.');
  for (const each of lengths) out.sample(labels(each), each.consumers);
  for (const [of, names] of [
    ['workers', 'worker'],
    ['processes', 'process'],
  ] as const) {
    out.family(`celery_active_${names}_count`, 'gauge', `The number of active ${of} in broker queue.`);
    for (const each of lengths) if (each.consumption) out.sample(labels(each), each.consumption[of]);
  }
}

interface Up {
  up: 0 | 1;
  active: number;
}

/** @param limit of workers, and of hosts, that are told apart */
export function writeWorkers(out: Exposition, clusters: Clusters, now: Seconds, limit: number): void {
  const hosts = new Map<string, Up>();
  const workers = new Map<string, Up>();
  for (const state of clusters.byName.values()) {
    for (const worker of state.workers.values()) {
      const { status, since } = livenessOf(worker, state, now);
      const up = status === 'OFFLINE' ? 0 : 1;
      const seen = since ?? worker.heartbeats.at(-1) ?? now;
      if (up === 0 && now - seen > PURGE) continue;
      note(hosts, 'hostname', state.cluster, hostOf(worker.hostname), up, worker, limit);
      note(workers, 'worker', state.cluster, worker.hostname, up, worker, limit);
    }
  }
  out.family('celery_worker_up', 'gauge', 'Indicates if a worker has recently sent a heartbeat.');
  for (const [labels, { up }] of hosts) out.sample(labels, up);
  out.family('celery_worker_tasks_active', 'gauge', 'The number of tasks the worker is currently processing');
  for (const [labels, { active }] of hosts) out.sample(labels, active);
  out.family('flower_worker_online', 'gauge', 'Worker online status');
  for (const [labels, { up }] of workers) out.sample(labels, up);
  const executing = 'Number of tasks currently executing at a worker';
  out.family('flower_worker_number_of_currently_executing_tasks', 'gauge', executing);
  for (const [labels, { active }] of workers) out.sample(labels, active);
}

/** Where several workers share labels, one that is up counts, and all their tasks. */
function note(
  all: Map<string, Up>,
  name: string,
  cluster: string,
  value: string,
  up: 0 | 1,
  worker: Worker,
  limit: number,
): void {
  const own = labelText(['cluster', name], [cluster, labelOf(value)]);
  const labels = all.has(own) || all.size < limit ? own : labelText(['cluster', name], [cluster, OTHER]);
  const known = all.get(labels) ?? { up: 0, active: 0 };
  if (up) known.up = 1;
  if (up) known.active += worker.active ?? 0;
  all.set(labels, known);
}
