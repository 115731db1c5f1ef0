/**
 * What can be asked of the record: lists as of the latest snapshot or one of the past, one task and its relatives, figures
 * over time. Celery's names; times are epoch seconds; null for what is not known.
 */
import { z } from 'zod';
import { json } from './records.ts';

const seconds = z.number().nullable();
const text = z.string().nullable();
const count = z.number().int();
const counts = z.record(z.string(), count);

/** The snapshot that an answer shows. A client goes on with the live feed from `position` without a hole. */
export const asOf = z.strictObject({
  /** Its id. */
  snapshot: count,
  taken_at: z.number(),
  /** The journal's position that it corresponds to. */
  position: count,
});

/** An interval in which events may have been missed. */
export const gapRow = z.strictObject({
  id: count,
  cluster: z.string(),
  cause: z.string(),
  started_at: z.number(),
  ended_at: z.number(),
  /** How many events are believed missing; null where nobody can know. */
  estimate: z.number().nullable(),
  detail: z.string(),
});

/** How many there are in all, without the limit. */
export const total = z.strictObject({ count, kind: z.enum(['exact', 'estimate']) });

/** Hand it back as `cursor`, with everything else as it was asked before, to go on; null: that was all. */
const next = text;

/** One task in a list. */
export const taskRow = z.strictObject({
  cluster: z.string(),
  task_id: z.string(),
  name: text,
  state: z.string(),
  worker: text,
  timestamp: seconds,
  sent: seconds,
  received: seconds,
  started: seconds,
  /** Seconds of execution. */
  runtime: seconds,
  retries: z.number().nullable(),
  root_id: text,
  parent_id: text,
  /** These and `orphaned` are null for the past: the history keeps them not. */
  args: text,
  kwargs: text,
  result: text,
  exception: text,
  orphaned: z.strictObject({ at: z.number(), reason: z.enum(['goodbye', 'lost', 'replaced']) }).nullable(),
});

export const TASK_SORTS = ['received', 'started', 'timestamp', 'runtime', 'name'] as const;

/**
 * A page of tasks. Where few tasks match, a page looks only so far: it then may have fewer items than were asked for, even
 * none, and `next` goes on from there.
 */
export const tasksPage = z.strictObject({
  items: z.array(taskRow),
  next,
  total,
  as_of: asOf,
  /** Gaps that cover the moment that was asked for. */
  gaps: z.array(gapRow),
  /**
   * How far was looked, as a value of what is sorted by (null: among those without one): nothing that matches before this
   * is left out. Null itself where all is told: the page is full, or it is the last.
   */
  searched_to: z.strictObject({ value: z.union([z.number(), z.string()]).nullable() }).nullable(),
});

/** A version of a task and when it held: from snapshot `since` on, up to but not including `until`; null: it still does. */
export const taskVersion = z.strictObject({
  ...taskRow.omit({ args: true, kwargs: true, result: true, exception: true, orphaned: true }).shape,
  since: count,
  /** When that snapshot was taken; null where it is kept no longer. */
  since_at: seconds,
  until: count.nullable(),
  until_at: seconds,
});

/** The tasks of one workflow: `root_id` and `parent_id` make the graph. Oldest first. */
export const taskTree = z.strictObject({
  root_id: z.string(),
  items: z.array(taskRow),
  /** There are more than these. */
  cut: z.boolean(),
  as_of: asOf,
  gaps: z.array(gapRow),
});

/** One worker as a snapshot has it. */
export const workerRow = z.strictObject({
  cluster: z.string(),
  hostname: z.string(),
  status: z.enum(['ONLINE', 'SUSPECT', 'OFFLINE']),
  reason: z.enum(['goodbye', 'lost']).nullable(),
  pid: z.number().nullable(),
  freq: seconds,
  active: z.number().nullable(),
  processed: z.number().nullable(),
  sw_ident: text,
  sw_ver: text,
  sw_sys: text,
  /** Null for the past, as `loadavg`. */
  last_heartbeat: seconds,
  loadavg: z.array(z.number()).nullable(),
});

/** How a worker was from some snapshot on. */
export const workerChange = z.strictObject({
  ...workerRow.omit({ freq: true, last_heartbeat: true, loadavg: true }).shape,
  /** That snapshot, … */
  since: count,
  /** … and when it was taken; null where it is kept no longer. */
  since_at: seconds,
});

export const workersPage = z.strictObject({
  items: z.array(workerRow),
  next,
  total,
  as_of: asOf,
  gaps: z.array(gapRow),
});

/** One snapshot. */
export const snapshotRow = z.strictObject({
  ...asOf.shape,
  /** Records that changed since the one before. */
  tasks: count,
  workers: count,
  /** By cluster: what the recorder had in memory. */
  clusters: z.record(
    z.string(),
    z.strictObject({ event_count: count, task_count: count, tasks: counts, workers: counts }),
  ),
});

/** Newest first. */
export const snapshotsPage = z.strictObject({ items: z.array(snapshotRow), next });

/** Newest first. */
export const gapsPage = z.strictObject({ items: z.array(gapRow), next });

/** A message that could not be decoded. */
export const deadLetterRow = z.strictObject({
  id: count,
  cluster: z.string(),
  received_at: z.number(),
  routing_key: z.string(),
  content_type: text,
  content_encoding: text,
  headers: z.record(z.string(), json),
  /** Base64; of a longer one the beginning. */
  body: z.string(),
  /** Bytes of the whole body. */
  body_bytes: count,
  reason: z.string(),
});

/** Newest first. */
export const deadLettersPage = z.strictObject({ items: z.array(deadLetterRow), next });

/** How lengths of time are spread. Quantiles are true to within 10 %; null where there is none. */
export const spread = z.strictObject({ count, p50: seconds, p95: seconds, p99: seconds });

/** What became of the tasks of one name, over the time that was asked for. */
export const taskNameRow = z.strictObject({
  cluster: z.string(),
  /** Null: all that are beyond the number of names that are told apart, and those whose name is not known. */
  name: text,
  states: counts,
  runtime: spread,
  /** FAILURE / (SUCCESS + FAILURE); null before the first of these. */
  failure_rate: z.number().nullable(),
  /** Beginning of the minute, hour or day in which one was last heard of. */
  last_seen: seconds,
});

export const taskNames = z.strictObject({ from: z.number(), to: z.number(), items: z.array(taskNameRow) });

export const STATS_GROUPS = ['cluster', 'name', 'worker'] as const;

/** One stretch of time of one group. */
export const statsPoint = z.strictObject({
  /** Where it begins. */
  at: z.number(),
  /** Tasks that were last heard of in it, by state. */
  tasks: counts,
  /** Seconds from `received` to `started`. */
  wait: spread,
  /** Seconds from `sent` to `received`. */
  delivery: spread,
  runtime: spread,
  /** Events recorded in it; null where they are told apart by name or worker, or no snapshot tells. */
  events: count.nullable(),
});

export const stats = z.strictObject({
  from: z.number(),
  to: z.number(),
  /** Seconds to a point. */
  bucket: z.number(),
  series: z.array(
    z.strictObject({
      cluster: text,
      /** The name or worker; null where it is not grouped by these, and for the rest of them. */
      key: text,
      points: z.array(statsPoint),
    }),
  ),
  /** More names or workers than are shown; the busiest are. */
  cut: z.boolean(),
  gaps: z.array(gapRow),
});

export type AsOf = z.output<typeof asOf>;
export type GapRow = z.output<typeof gapRow>;
export type Total = z.output<typeof total>;
export type TaskRow = z.output<typeof taskRow>;
export type TaskSort = (typeof TASK_SORTS)[number];
export type TasksPage = z.output<typeof tasksPage>;
export type TaskVersion = z.output<typeof taskVersion>;
export type TaskTree = z.output<typeof taskTree>;
export type WorkerRow = z.output<typeof workerRow>;
export type WorkerChange = z.output<typeof workerChange>;
export type WorkersPage = z.output<typeof workersPage>;
export type SnapshotRow = z.output<typeof snapshotRow>;
export type SnapshotsPage = z.output<typeof snapshotsPage>;
export type GapsPage = z.output<typeof gapsPage>;
export type DeadLetterRow = z.output<typeof deadLetterRow>;
export type DeadLettersPage = z.output<typeof deadLettersPage>;
export type Spread = z.output<typeof spread>;
export type TaskNameRow = z.output<typeof taskNameRow>;
export type TaskNames = z.output<typeof taskNames>;
export type StatsGroup = (typeof STATS_GROUPS)[number];
export type StatsPoint = z.output<typeof statsPoint>;
export type Stats = z.output<typeof stats>;
