/**
 * What `/metrics` counts: advanced by the fold, entry by entry, so that it is a function of the journal. Kept with the
 * snapshot at whose position it stands, it goes on after any restart where it was: no event is lost to it or counted twice.
 *
 * Names and meaning are those of celery-exporter (src/exporter.py) and Flower (flower/events.py), which count events. So
 * does this, but an event that the `strict` reducer knows already is none: it counts once, however often it arrives. With
 * the `celery` reducer every arrival counts, as there.
 */
import type { JournalEntry, Json, Position, Seconds } from './event.ts';
import type { Change } from './reducer.ts';
import {
  createSeriesSet,
  HISTOGRAM,
  hostOf,
  RUNTIME_BUCKETS,
  type Series,
  type SeriesSet,
  seriesOf,
  TASK_COUNTS,
  TASK_TYPES,
  WAIT_BUCKETS,
  WORKER_TASK_COUNTS,
  WORKER_TASK_TYPES,
} from './series.ts';
import type { Task } from './task.ts';

/** Places remembered, and the longest text that one is remembered by: some 20 MB at most. */
const MAX_PLACES = 50_000;
const LONGEST_KEY = 200;

/** The series that a task's events count in, found by what the event says. */
interface Place {
  readonly task: Series;
  readonly workerTask: Series;
  /** By exception. */
  readonly failed: Map<string, Series>;
}

/** Of all clusters. */
export interface Tally extends SeriesSet {
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
  return { ...createSeriesSet(limit), found: { events: new Map(), places: new Map(), count: 0 } };
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
    add(failedOf(tally, place, exceptionOf(event.exception)), 0, 1, position);
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
    failed: new Map(),
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

function failedOf(tally: Tally, { task, failed }: Place, exception: string): Series {
  const known = failed.get(exception);
  if (known) return known;
  const series = seriesOf(tally, 'failed', [...task.labels, exception]);
  if (series.labels.at(-1) === exception) failed.set(exception, series);
  return series;
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
