/**
 * What `/metrics` counts: advanced by the fold, entry by entry, so that it is a function of the journal. Kept with the
 * snapshot at whose position it stands, it goes on after any restart where it was: no event is lost to it or counted twice.
 *
 * Names and meaning are those of celery-exporter (src/exporter.py) and Flower (flower/events.py), which count events. So
 * does this, but an event that the `strict` reducer knows already is none: it counts once, however often it arrives. With
 * the `celery` reducer every arrival counts, as there.
 *
 * The number of series is bounded, whatever is sent: see `seriesOf`.
 */
import type { JournalEntry, Json, Position, Seconds } from './event.ts';
import type { Change } from './reducer.ts';
import type { Task } from './task.ts';

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
const HISTOGRAM = 16;

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

/** Places remembered, and the longest text that one is remembered by: some 20 MB at most. */
const MAX_PLACES = 50_000;
const LONGEST_KEY = 200;

/** The series that a task's events count in, found by what the event says. */
interface Place {
  readonly task: Series;
  readonly workerTask: Series;
}

export interface Tally {
  /** Entries up to here are counted. */
  position: Position;
  /** Of each dimension so many values are told apart, and of each kind about so many sets of labels. */
  readonly limit: number;
  readonly series: Map<string, Series>;
  readonly sizes: Record<SeriesKind, number>;
  readonly seen: ReadonlyMap<Dimension, Set<string>>;
  /** What was found before, by values as they were sent: this is asked for each event. */
  readonly found: {
    /** By cluster and type. */
    readonly events: Map<string, Map<string, Series>>;
    /** By cluster, name of the task, and sender with its queue. Emptied when there are too many. */
    readonly places: Map<string, Map<string | null, Map<string, Place>>>;
    count: number;
  };
}

/** @param limit of names, hosts, … and of their combinations that have series of their own; one or more */
export function createTally(limit: number): Tally {
  const dimensions = Object.values(DIMENSIONS).flat();
  return {
    position: 0,
    limit,
    series: new Map(),
    sizes: { events: 0, task: 0, failed: 0, worker_task: 0 },
    seen: new Map(dimensions.map((dimension) => [dimension, new Set()])),
    found: { events: new Map(), places: new Map(), count: 0 },
  };
}

/** Counts an entry that was just folded. @param change what the fold made of it */
export function count(tally: Tally, { position, cluster, event }: JournalEntry, change: Change): void {
  // Another reducer folds the journal anew, and what was counted stays so.
  if (position <= tally.position) return;
  tally.position = position;
  add(eventsOf(tally, cluster, event.type), 0, 1, position);
  if (change?.kind === 'task' && event.type.startsWith('task-')) countTask(tally, position, cluster, event, change);
}

function countTask(tally: Tally, position: Position, cluster: string, event: JournalEntry['event'], task: Task): void {
  const { type, hostname, timestamp, runtime } = event;
  const sender = typeof hostname === 'string' ? hostname : '';
  const place = placeOf(tally, cluster, task.name, sender, task.extra?.queue);
  const at = typeof timestamp === 'number' ? timestamp : null;

  const n = (TASK_TYPES as readonly string[]).indexOf(type);
  if (n >= 0) add(place.task, n, 1, position);
  else if (type === 'task-failed') {
    const failed = seriesOf(tally, 'failed', [...place.task.labels, exceptionOf(event.exception)]);
    add(failed, 0, 1, position);
  }
  if (type === 'task-succeeded' && typeof runtime === 'number') {
    observe(place.task, TASK_COUNTS.runtime, RUNTIME_BUCKETS, runtime, position);
  }
  if (type === 'task-started' && task.sent !== null && at !== null) {
    const wait = Math.max(0, at - Math.max(task.sent, timeOf(task.eta) ?? task.sent));
    observe(place.task, TASK_COUNTS.wait, WAIT_BUCKETS, wait, position);
  }

  const m = (WORKER_TASK_TYPES as readonly string[]).indexOf(type);
  add(place.workerTask, m >= 0 ? m : WORKER_TASK_TYPES.length - 1, 1, position);
  if (typeof runtime === 'number' && runtime !== 0) {
    observe(place.workerTask, WORKER_TASK_COUNTS.runtime, RUNTIME_BUCKETS, runtime, position);
  }
  if (task.eta === null && task.received !== null) {
    const { counts } = place.workerTask;
    if (type === 'task-started' && at !== null) counts[WORKER_TASK_COUNTS.prefetch] = at - task.received;
    else if (type === 'task-succeeded' || type === 'task-failed') counts[WORKER_TASK_COUNTS.prefetch] = 0;
  }
}

function placeOf(tally: Tally, cluster: string, name: string | null, sender: string, queue: Json | undefined): Place {
  const queueName = typeof queue === 'string' ? queue : 'celery';
  const key = queueName === 'celery' ? sender : `${sender}\0${queueName}`;
  let place = tally.found.places.get(cluster)?.get(name)?.get(key);
  if (place) return place;
  // A client is a process, `gen4711@host`: each start of a web server would be another one.
  const node = sender.replace(/^gen\d+@/, 'gen@');
  place = {
    // What has no name is `None` to the one peer and empty to the other.
    task: seriesOf(tally, 'task', [cluster, name ?? 'None', hostOf(node), queueName]),
    workerTask: seriesOf(tally, 'worker_task', [cluster, node, name ?? '']),
  };
  if (key.length + (name?.length ?? 0) <= LONGEST_KEY) remember(tally, cluster, name, key, place);
  return place;
}

function remember({ found }: Tally, cluster: string, name: string | null, key: string, place: Place): void {
  if (found.count >= MAX_PLACES) {
    found.places.clear();
    found.count = 0;
  }
  found.count += 1;
  const ofCluster = found.places.get(cluster) ?? new Map<string | null, Map<string, Place>>();
  found.places.set(cluster, ofCluster);
  const ofName = ofCluster.get(name);
  if (ofName) ofName.set(key, place);
  else ofCluster.set(name, new Map([[key, place]]));
}

function eventsOf(tally: Tally, cluster: string, type: string): Series {
  const { events } = tally.found;
  const known = events.get(cluster)?.get(type);
  if (known) return known;
  const series = seriesOf(tally, 'events', [cluster, type]);
  const ofCluster = events.get(cluster) ?? new Map<string, Series>();
  events.set(cluster, ofCluster);
  // Under its own label it is one of few; of what counts as `other` there may be any number.
  if (series.labels[1] === type) ofCluster.set(type, series);
  return series;
}

/**
 * The series of these labels. Each dimension has `limit` values, and what comes later is `other`. Of each kind there are
 * `limit` series; for each further combination the less important labels become `other`, too, so that sums by name stay
 * right. At most `4 × limit` of a kind and cluster in all.
 */
function seriesOf(tally: Tally, kind: SeriesKind, values: readonly string[]): Series {
  const labels = values.map((value, n) => boundedLabel(tally, DIMENSIONS[kind][n] as Dimension, value));
  const found = tally.series.get(keyOf(kind, labels));
  if (found) return found;
  const choices = choicesOf(kind, labels);
  for (const [n, choice] of choices.entries()) {
    const known = tally.series.get(keyOf(kind, choice));
    if (known) return known;
    if (tally.sizes[kind] < tally.limit * (n + 1) || n === choices.length - 1) {
      return keep(tally, kind, choice, new Array<number>(LENGTHS[kind]).fill(0));
    }
  }
  throw new Error('the last choice is always kept');
}

/** The labels under which such a combination counts, or would; adds nothing. */
export function labelsFor(tally: Tally, kind: SeriesKind, values: readonly string[]): readonly string[] {
  const labels = values.map((value, n) => {
    const label = labelOf(value);
    return tally.seen.get(DIMENSIONS[kind][n] as Dimension)?.has(label) ? label : OTHER;
  });
  const choices = choicesOf(kind, labels);
  return choices.find((choice) => tally.series.has(keyOf(kind, choice))) ?? (choices.at(-1) as readonly string[]);
}

/** The queues that tasks of a cluster were sent to, as far as they are told apart. */
export function queuesOf({ series }: Tally, cluster: string): ReadonlySet<string> {
  const queues = new Set<string>();
  for (const { kind, labels } of series.values()) {
    if (kind === 'task' && labels[0] === cluster && labels[3] !== OTHER) queues.add(labels[3] as string);
  }
  return queues;
}

/** Puts a series back that was kept in the database; one that this program does not know is left out. */
export function restoreSeries(tally: Tally, kind: string, labels: readonly string[], counts: readonly number[]): void {
  if (!Object.hasOwn(DIMENSIONS, kind)) return;
  const known = kind as SeriesKind;
  const dimensions = DIMENSIONS[known];
  if (labels.length !== dimensions.length || counts.length !== LENGTHS[known]) return;
  for (const [n, label] of labels.entries()) tally.seen.get(dimensions[n] as Dimension)?.add(label);
  keep(tally, known, labels, [...counts]);
}

function keep(tally: Tally, kind: SeriesKind, labels: readonly string[], counts: number[]): Series {
  const series: Series = { kind, labels, counts, touched: tally.position };
  tally.series.set(keyOf(kind, labels), series);
  tally.sizes[kind] += 1;
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

function boundedLabel(tally: Tally, dimension: Dimension, value: string): string {
  const label = labelOf(value);
  const seen = tally.seen.get(dimension) as Set<string>;
  if (seen.has(label)) return label;
  // How many clusters there are is up to who configures them.
  if (seen.size >= tally.limit && dimension !== 'cluster') return OTHER;
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

/** celery-exporter's `get_exception_class_name`: the repr of an exception begins with its class. */
function exceptionOf(exception: Json | undefined): string {
  const [, name] = (typeof exception === 'string' && /^([\p{L}\p{N}_]+)\(/u.exec(exception)) || [];
  return name ?? 'UnknownException';
}

/** ISO 8601 as a sender writes it; without an offset it is UTC. Null where it is none. */
function timeOf(eta: string | null): Seconds | null {
  if (eta === null) return null;
  const time = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(eta) ? eta : `${eta}Z`);
  return Number.isNaN(time) ? null : time / 1000;
}

function add(series: Series, n: number, amount: number, position: Position): void {
  series.counts[n] = (series.counts[n] as number) + amount;
  series.touched = position;
}

function observe(series: Series, from: number, bounds: readonly number[], value: number, position: Position): void {
  if (Number.isNaN(value)) return;
  let n = 0;
  while (n < bounds.length && value > (bounds[n] as number)) n++;
  add(series, from + n, 1, position);
  add(series, from + HISTOGRAM - 1, value, position);
}
