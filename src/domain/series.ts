/**
 * The series that metrics are counted in, bounded whatever is sent: each a set of labels with its counts. What they count is
 * in `tally.ts`.
 */
import type { Position } from './event.ts';

/** `events`: of every type. `task` and `failed`: as celery-exporter tells tasks apart. `worker_task`: as Flower does. */
export type SeriesKind = 'events' | 'task' | 'failed' | 'worker_task';

/** Some counts of one set of labels. */
export interface Series {
  readonly kind: SeriesKind;
  /** As `DIMENSIONS` says. */
  readonly labels: readonly string[];
  /** `events`, `failed`: one. `task`: see `TASK_COUNTS`. `worker_task`: see `WORKER_TASK_COUNTS`. */
  readonly counts: number[];
  /** The latest entry that counted here. */
  touched: Position;
}

type Dimension = 'cluster' | 'type' | 'name' | 'hostname' | 'queue_name' | 'exception' | 'worker';

/** What the labels of a kind are, in order. `hostname` is the part of a node name after the `@`, `worker` all of it. */
export const DIMENSIONS: Readonly<Record<SeriesKind, readonly Dimension[]>> = {
  events: ['cluster', 'type'],
  task: ['cluster', 'name', 'hostname', 'queue_name'],
  failed: ['cluster', 'name', 'hostname', 'queue_name', 'exception'],
  worker_task: ['cluster', 'worker', 'name'],
};

/** Which labels become `other`, one step after the other, where there are too many sets of labels of a kind. */
const WIDER: Readonly<Record<SeriesKind, readonly (readonly Dimension[])[]>> = {
  events: [],
  task: [['hostname'], ['hostname', 'queue_name']],
  failed: [['hostname'], ['hostname', 'queue_name', 'exception']],
  worker_task: [['worker']],
};

/** Stands for whatever has no label of its own. */
export const OTHER = 'other';

/** Bounds of buckets, seconds: those of Python's prometheus_client, which both peers use, … */
export const RUNTIME_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] as const;
/** … and celery-exporter's for the time in the queue. */
export const WAIT_BUCKETS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800] as const;
/** Numbers that a histogram takes in `counts`: its buckets, each by itself, the one beyond the last bound, and the sum. */
export const HISTOGRAM = 16;

/** Where in the counts of a `task` series an event of that type counts; failures are series of their own. */
export const TASK_TYPES = [
  'task-sent',
  'task-received',
  'task-started',
  'task-succeeded',
  'task-rejected',
  'task-revoked',
  'task-retried',
] as const;
/** Where its histograms begin, and how long its counts are. */
export const TASK_COUNTS = { runtime: 7, wait: 7 + HISTOGRAM, length: 7 + 2 * HISTOGRAM } as const;

/** The same of `worker_task`. Types that are not Celery's stand together in the last place. */
export const WORKER_TASK_TYPES = [...TASK_TYPES, 'task-failed', 'task-cancelled', OTHER] as const;
/** `prefetch`: the seconds between `task-received` and `task-started` of the latest task, no count. */
export const WORKER_TASK_COUNTS = { prefetch: 10, runtime: 11, length: 11 + HISTOGRAM } as const;

const LENGTHS: Readonly<Record<SeriesKind, number>> = {
  events: 1,
  task: TASK_COUNTS.length,
  failed: 1,
  worker_task: WORKER_TASK_COUNTS.length,
};

/** A longer label is cut: nobody's task name, but anybody may send one. Five fit into a key of a Postgres index. */
const LONGEST_LABEL = 128;

/** All series, and what is known to keep them few. */
export interface SeriesSet {
  /** Journal entries up to here are counted. */
  position: Position;
  /** Of each dimension so many values are told apart, and of each kind about so many sets of labels. */
  readonly limit: number;
  readonly series: Map<string, Series>;
  readonly sizes: Record<SeriesKind, number>;
  readonly seen: ReadonlyMap<Dimension, Set<string>>;
}

/** @param limit one or more */
export function createSeriesSet(limit: number): SeriesSet {
  return {
    position: 0,
    limit,
    series: new Map(),
    sizes: { events: 0, task: 0, failed: 0, worker_task: 0 },
    seen: new Map(
      Object.values(DIMENSIONS)
        .flat()
        .map((dimension) => [dimension, new Set()]),
    ),
  };
}

/**
 * The series of these labels. Each dimension has `limit` values, and what comes later is `other`. Of each kind there are
 * `limit` series; for each further combination the less important labels become `other`, too, so that sums by name stay
 * right. At most `4 × limit` of a kind and cluster in all.
 */
export function seriesOf(set: SeriesSet, kind: SeriesKind, values: readonly string[]): Series {
  const labels = values.map((value, n) => boundedLabel(set, DIMENSIONS[kind][n] as Dimension, value));
  const found = set.series.get(keyOf(kind, labels));
  if (found) return found;
  const choices = choicesOf(kind, labels);
  for (const [n, choice] of choices.entries()) {
    const known = set.series.get(keyOf(kind, choice));
    if (known) return known;
    if (set.sizes[kind] < set.limit * (n + 1) || n === choices.length - 1) {
      return keep(set, kind, choice, new Array<number>(LENGTHS[kind]).fill(0));
    }
  }
  throw new Error('the last choice is always kept');
}

/** The labels under which such a combination counts, or would; adds nothing. */
export function labelsFor(set: SeriesSet, kind: SeriesKind, values: readonly string[]): readonly string[] {
  const labels = values.map((value, n) => {
    const label = labelOf(value);
    return set.seen.get(DIMENSIONS[kind][n] as Dimension)?.has(label) ? label : OTHER;
  });
  const choices = choicesOf(kind, labels);
  return choices.find((choice) => set.series.has(keyOf(kind, choice))) ?? (choices.at(-1) as readonly string[]);
}

/** The queues that tasks of a cluster were sent to, as far as they are told apart. */
export function queuesOf({ series }: SeriesSet, cluster: string): ReadonlySet<string> {
  const queues = new Set<string>();
  for (const { kind, labels } of series.values()) {
    if (kind === 'task' && labels[0] === cluster && labels[3] !== OTHER) queues.add(labels[3] as string);
  }
  return queues;
}

/** Puts a series back that was kept in the database; one that this program does not know is left out. */
export function restoreSeries(
  set: SeriesSet,
  kind: string,
  labels: readonly string[],
  counts: readonly number[],
): void {
  if (!Object.hasOwn(DIMENSIONS, kind)) return;
  const known = kind as SeriesKind;
  const dimensions = DIMENSIONS[known];
  if (labels.length !== dimensions.length || counts.length !== LENGTHS[known]) return;
  for (const [n, label] of labels.entries()) {
    if (label !== OTHER) set.seen.get(dimensions[n] as Dimension)?.add(label);
  }
  keep(set, known, labels, [...counts]);
}

function keep(set: SeriesSet, kind: SeriesKind, labels: readonly string[], counts: number[]): Series {
  const series: Series = { kind, labels, counts, touched: set.position };
  set.series.set(keyOf(kind, labels), series);
  set.sizes[kind] += 1;
  return series;
}

function choicesOf(kind: SeriesKind, labels: readonly string[]): (readonly string[])[] {
  const wider = WIDER[kind].map((dimensions) =>
    labels.map((label, n) => (dimensions.includes(DIMENSIONS[kind][n] as Dimension) ? OTHER : label)),
  );
  return [labels, ...wider];
}

function keyOf(kind: SeriesKind, labels: readonly string[]): string {
  return `${kind}\0${labels.join('\0')}`;
}

function boundedLabel(set: SeriesSet, dimension: Dimension, value: string): string {
  const label = labelOf(value);
  const seen = set.seen.get(dimension) as Set<string>;
  if (seen.has(label) || label === OTHER) return label;
  // How many clusters there are is up to who configures them.
  if (seen.size >= set.limit && dimension !== 'cluster') return OTHER;
  seen.add(label);
  return label;
}

/** A value as Prometheus and Postgres can hold it. */
export function labelOf(value: string): string {
  const cut = value.length > LONGEST_LABEL ? `${value.slice(0, LONGEST_LABEL - 1)}…` : value;
  return cut.replaceAll('\0', '\u2400').toWellFormed();
}

/** Celery's `nodesplit`: the part after the first `@`, or all. */
export function hostOf(node: string): string {
  return node.slice(node.indexOf('@') + 1);
}
