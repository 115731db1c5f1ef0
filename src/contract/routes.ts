/**
 * The HTTP routes that clients may rely on: what each is asked with and what it answers. Times are epoch seconds. A hostname
 * or uuid in a path is percent-encoded. What is wrong with a question is told as `errorAnswer`.
 */
import { z } from 'zod';
import { clusterAnswer, findingsAnswer, readyAnswer, ticketAnswer } from './api.ts';
import { difference } from './difference.ts';
import { feedMessage } from './feed.ts';
import {
  asOf,
  deadLetterRow,
  deadLettersPage,
  gapRow,
  gapsPage,
  STATS_GROUPS,
  snapshotRow,
  snapshotsPage,
  stats,
  statsPoint,
  TASK_SORTS,
  taskNameRow,
  taskNames,
  taskRow,
  tasksPage,
  taskVersion,
  workerChange,
  workerRow,
  workersPage,
} from './history.ts';
import {
  dueTimes,
  newPeriodicTask,
  periodicRun,
  periodicRunRow,
  periodicRunsPage,
  periodicTaskChange,
  periodicTaskRow,
  periodicTasksPage,
} from './periodic.ts';
import { length, moment, oneOf, text, whole } from './query.ts';
import { json, runRecord, taskRecord, workerRecord } from './records.ts';
import { groupAnswer, resultRecord } from './results.ts';

/** One route, named by its method and path. */
export interface Route {
  readonly tag: 'now' | 'tasks' | 'workers' | 'periodic' | 'results' | 'figures' | 'record';
  /** A few words. */
  readonly summary: string;
  readonly description?: string;
  readonly params?: z.ZodObject;
  /** Anything else in the query is refused; where there is no schema the query is not looked at. */
  readonly query?: z.ZodObject;
  /** It takes `q` and every other parameter of `FILTER_PARAMS`. */
  readonly filters?: true;
  /** What is sent with it, as JSON. */
  readonly body?: z.ZodType;
  /** Others may have changed what it changes: the header `If-Match` has to say which version is meant, by its `etag`. */
  readonly guarded?: true;
  /** A success is told as 201. */
  readonly created?: true;
  readonly response: z.ZodType;
  /** What it lists, also as CSV and NDJSON. */
  readonly row?: z.ZodObject;
  /** The answer goes on: each line, or each server-sent event, is a `response`. */
  readonly stream?: true;
  /** It is mounted by itself, not through `http/answers.ts`; or answered by the server, which knows who asks. */
  readonly own?: 'app' | 'server';
}

/** What is shown: a snapshot. Where `snapshot` is null: memory, which is newer than the latest, or that none was taken yet. */
const asOfNow = z.strictObject({ ...asOf.shape, snapshot: asOf.shape.snapshot.nullable() });

/** Lists of the present: before the first snapshot they are empty. */
const tasksList = z.strictObject({ ...tasksPage.shape, as_of: asOfNow });
const workersList = z.strictObject({ ...workersPage.shape, as_of: asOfNow });

const counts = z.record(z.string(), z.number().int());

/** The clusters as a snapshot of the past has them. */
export const clusterThen = z.strictObject({
  as_of: asOf,
  /** Gaps that cover the moment that was asked for. */
  gaps: z.array(gapRow),
  /** Workers by status, of all clusters. */
  workers: counts,
  /** Tasks in memory by state, of all clusters. */
  tasks: counts,
  clusters: z.array(
    z.strictObject({
      cluster: z.string(),
      workers: counts,
      tasks: counts,
      event_count: z.number().int(),
      task_count: z.number().int(),
    }),
  ),
});

/** `task` is a whole record now, and a version of the past with `at`. */
export const taskAnswer = z.strictObject({
  task: z.union([taskRecord, taskVersion]),
  /** Where `task.result` is from: the event, which may have cut it, or whole from the table where the result is stored. */
  result_from: z.enum(['event', 'table']).nullable(),
  /** What is stored of it, where Celery keeps results in this database; null where nothing is, and for the past. */
  stored: resultRecord.nullable(),
  as_of: asOfNow,
  /** Gaps that cover the moment that was asked for. */
  gaps: z.array(gapRow),
});

/** `worker` is a whole record while memory has it, else what a snapshot has. */
export const workerAnswer = z.strictObject({
  worker: z.union([workerRecord, workerRow]),
  as_of: asOfNow,
  gaps: z.array(gapRow),
});

/** A recorded event of a task and what it did. */
export const eventRow = z.strictObject({
  cluster: z.string(),
  position: z.number().int(),
  type: z.string(),
  /** When celerycam received it. */
  local_received: z.number(),
  /** Seconds between its timestamp and its arrival, by two clocks; null where it has no timestamp. */
  delay: z.number().nullable(),
  /** What it did, in one sentence. */
  effect: z.string(),
  /** As it was sent. */
  event: z.record(z.string(), json),
});

/** In the order of the journal. */
export const eventsPage = z.strictObject({
  items: z.array(eventRow),
  next: z.string().nullable(),
  /** For each cluster that knows the task: what these events and all before and after them lead to. */
  explanations: z.array(
    z.strictObject({
      cluster: z.string(),
      state: z.string(),
      /** Why it is in this state, in a few sentences. */
      why: z.string(),
      runs: z.array(runRecord),
    }),
  ),
  /** There are more events than are read: of these only the first ones were. */
  cut: z.boolean(),
});

/** A workflow as a graph: chains, groups and chords are who called whom. */
export const treeAnswer = z.strictObject({
  root_id: z.string(),
  /** Oldest first. */
  items: z.array(taskRow),
  /** From `parent_id` to `task_id`, of those among the items. */
  edges: z.array(z.strictObject({ parent: z.string(), child: z.string() })),
  /** Parents that are named and not among the items: they have expired, or were never heard of. */
  missing: z.array(z.string()),
  /** There are more tasks than these. */
  cut: z.boolean(),
  as_of: asOf,
  gaps: z.array(gapRow),
});

/** A point of `stats` with the series that it is of. */
export const statsRow = z.strictObject({
  cluster: z.string().nullable(),
  key: z.string().nullable(),
  ...statsPoint.shape,
});

const at = moment('Show it as it was at the last snapshot at or before this time.');
const cluster = text('Of this cluster only.');
const from = moment('Not before this time.');
const to = moment('Not after this time.');
const format = oneOf('How to write the list; the header Accept says it too. csv and ndjson give all of it.', [
  'json',
  'csv',
  'ndjson',
]);
const page = {
  limit: whole('Rows to a page.', 1, 1000, 100),
  cursor: text('The `next` of the page before, with everything else as it was asked before.'),
  format,
};
const wait = length('Wait so long for it to end, and answer as soon as it has; at most a minute.', 60);
const uuid = z.strictObject({ uuid: z.string() });
const id = z.strictObject({ id: z.string() });
const hostname = z.strictObject({ hostname: z.string() });
const past = 'With `at` exactly as it was at the last snapshot at or before that time.';

export const api = {
  'GET /api/cluster': {
    tag: 'now',
    summary: 'What is going on',
    description: `Journal position, lag, workers by status, tasks by state, receivers. ${past}`,
    query: z.strictObject({ at }),
    response: z.union([clusterAnswer, clusterThen]),
  },
  'GET /api/findings': {
    tag: 'now',
    summary: 'What is not as it should be, and what to type',
    description: 'As far as the recorder has heard. `celerycam doctor` asks the workers, too.',
    query: z.strictObject({}),
    response: findingsAnswer,
  },
  'GET /api/workers': {
    tag: 'workers',
    summary: 'Workers',
    description: `By cluster and hostname, as of the latest snapshot. ${past}`,
    query: z.strictObject({ at, cluster, ...page }),
    response: workersList,
    row: workerRow,
  },
  'GET /api/workers/{hostname}': {
    tag: 'workers',
    summary: 'One worker',
    description: `Where several clusters have one of this name: the one heard of last. ${past}`,
    params: hostname,
    query: z.strictObject({ at, cluster }),
    response: workerAnswer,
  },
  'GET /api/workers/{hostname}/changes': {
    tag: 'workers',
    summary: 'How a worker came and went',
    description:
      'Whenever its status, its process or its software was another one than before, newest first, at most 1,000; of the last ' +
      'day, where no times are given. What held at the beginning is the last of them.',
    params: hostname,
    query: z.strictObject({ from, to, cluster, format }),
    response: z.strictObject({ items: z.array(workerChange), cut: z.boolean() }),
    row: workerChange,
  },
  'GET /api/tasks': {
    tag: 'tasks',
    summary: 'Tasks',
    description: `As of the latest snapshot. ${past}`,
    query: z.strictObject({
      at,
      sort: oneOf('What to sort by; tasks without it come last.', TASK_SORTS),
      order: oneOf('Descending where nothing is said.', ['asc', 'desc']),
      ...page,
    }),
    filters: true,
    response: tasksList,
    row: taskRow,
  },
  'GET /api/tasks/{uuid}': {
    tag: 'tasks',
    summary: 'One task',
    description: `Where several clusters know one of this uuid: the one heard of last. ${past}`,
    params: uuid,
    query: z.strictObject({ at, cluster }),
    response: taskAnswer,
  },
  'GET /api/tasks/{uuid}/events': {
    tag: 'tasks',
    summary: 'What was heard of a task, and what each event did',
    description: 'In the order of the journal, whose retention may be shorter than that of the task.',
    params: uuid,
    query: z.strictObject({ cluster, ...page }),
    response: eventsPage,
    row: eventRow,
  },
  'GET /api/tasks/{uuid}/versions': {
    tag: 'tasks',
    summary: 'How a task came to be as it is',
    description: 'Every version that a snapshot has shown, oldest first; of more than 1,000 the latest.',
    params: uuid,
    query: z.strictObject({ cluster, format }),
    response: z.strictObject({ items: z.array(taskVersion) }),
    row: taskVersion,
  },
  'GET /api/tasks/{uuid}/tree': {
    tag: 'tasks',
    summary: 'The workflow that a task is part of',
    description: `Its root and all that came of it, at most 1,000. ${past}`,
    params: uuid,
    query: z.strictObject({ at, cluster, format }),
    response: treeAnswer,
    row: taskRow,
  },
  'GET /api/periodic-tasks': {
    tag: 'periodic',
    summary: 'Periodic tasks',
    description: 'By name, each with when it is due next and what became of its latest run.',
    query: z.strictObject({
      search: text('Those only that have this in their name, or in that of their task.'),
      enabled: oneOf('Those only that are enabled, or that are not.', ['true', 'false']),
      ...page,
    }),
    response: periodicTasksPage,
    row: periodicTaskRow,
  },
  'POST /api/periodic-tasks': {
    tag: 'periodic',
    summary: 'Make a periodic task',
    description: 'What is left out is as for django-celery-beat. A name that is taken is refused with 409.',
    body: newPeriodicTask,
    created: true,
    response: periodicTaskRow,
  },
  'GET /api/periodic-tasks/{id}': {
    tag: 'periodic',
    summary: 'One periodic task',
    params: id,
    response: periodicTaskRow,
  },
  'PATCH /api/periodic-tasks/{id}': {
    tag: 'periodic',
    summary: 'Change a periodic task',
    description: 'What is left out stays as it is.',
    params: id,
    body: periodicTaskChange,
    guarded: true,
    response: periodicTaskRow,
  },
  'DELETE /api/periodic-tasks/{id}': {
    tag: 'periodic',
    summary: 'Delete a periodic task, and what is known of its runs',
    description: 'Answers what it was.',
    params: id,
    guarded: true,
    response: periodicTaskRow,
  },
  'POST /api/periodic-tasks/{id}/run': {
    tag: 'periodic',
    summary: 'Send a periodic task now, whether it is due or not',
    description:
      'Celery’s `delay()`. Also one that is disabled; it neither counts nor changes when it is due. 409 where something is wrong with it.',
    params: id,
    response: periodicRun,
  },
  'GET /api/periodic-tasks/{id}/runs': {
    tag: 'periodic',
    summary: 'What became of each due time, newest first',
    params: id,
    query: z.strictObject({ ...page }),
    response: periodicRunsPage,
    row: periodicRunRow,
  },
  'GET /api/due-times': {
    tag: 'periodic',
    summary: 'When a schedule is due',
    description: 'Of any schedule, whether a task has it or not.',
    query: z.strictObject({
      schedule: text('As a periodic task has it, as JSON.'),
      count: whole('How many.', 1, 100, 10),
      after: moment('Due times after this; now, where it is left out.'),
      scheduled_at: moment('From when intervals count; as `after`, where it is left out.'),
      start_time: moment('As of a periodic task, like `expires`.'),
      expires: moment('Nothing is due from this on.'),
    }),
    response: dueTimes,
  },
  'GET /api/results/{task_id}': {
    tag: 'results',
    summary: 'What is stored of a task',
    description:
      'From the tables of Celery’s result backends in this database. Of an unknown task: PENDING, as in Celery.',
    params: z.strictObject({ task_id: z.string() }),
    query: z.strictObject({ wait }),
    response: resultRecord,
  },
  'GET /api/groups/{id}': {
    tag: 'results',
    summary: 'A group and its results',
    description: 'One that was saved: `GroupResult.save()`.',
    params: z.strictObject({ id: z.string() }),
    query: z.strictObject({ wait }),
    response: groupAnswer,
  },
  'GET /api/task-names': {
    tag: 'figures',
    summary: 'What becomes of the tasks of each name',
    description: 'Of the last day, where no times are given. The busiest first, at most 1,000.',
    query: z.strictObject({ from, to, cluster, format }),
    response: taskNames,
    row: taskNameRow,
  },
  'GET /api/stats': {
    tag: 'figures',
    summary: 'Figures over time',
    description: 'Of the last hour, where no times are given, by the minute.',
    query: z.strictObject({
      from,
      to,
      bucket: oneOf('Length of time to a point.', ['1m', '5m', '1h', '1d']),
      by: oneOf('A series for each of these.', STATS_GROUPS),
      cluster,
      name: text('Of tasks of this name only.'),
      worker: text('Of tasks of this worker only; not together with name.'),
      format,
    }),
    response: stats,
    row: statsRow,
  },
  'GET /api/difference': {
    tag: 'record',
    summary: 'What differs between two moments',
    description:
      'Tasks in another state, workers of another status or process, as the last snapshots at or before the two moments have ' +
      'them. Of the last five minutes, where no times are given. Tasks are compared where at most 200,000 events lie in between.',
    query: z.strictObject({
      from: moment('The earlier moment.'),
      to: moment('The later moment.'),
      cluster,
    }),
    response: difference,
  },
  'GET /api/snapshots': {
    tag: 'record',
    summary: 'Snapshots, newest first',
    query: z.strictObject({ from, to, ...page }),
    response: snapshotsPage,
    row: snapshotRow,
  },
  'GET /api/gaps': {
    tag: 'record',
    summary: 'When events may have been missed, newest first',
    query: z.strictObject({ cluster, from, to, ...page }),
    response: gapsPage,
    row: gapRow,
  },
  'GET /api/dead-letters': {
    tag: 'record',
    summary: 'Messages that could not be decoded, newest first',
    query: z.strictObject({ cluster, from, to, ...page }),
    response: deadLettersPage,
    row: deadLetterRow,
  },
  'GET /api/changes': {
    tag: 'now',
    summary: 'the live feed without WebSocket',
    description:
      'What has changed since `after`, as the messages of `/live`; where that is nothing, what changes next. With `stream` ' +
      'server-sent events that go on; a browser that lost them comes back with `Last-Event-ID`.',
    query: z.strictObject({
      after: text('A cursor, from an earlier message. Without one: from now on.'),
      q: text('Which tasks, in the filter language.'),
      cluster: text('Of this cluster only.'),
      topics: text(
        'Of `tasks`, `workers`, `snapshots`, `events`, separated by commas; the first two where it is left out.',
      ),
      events: text('Kinds of events, separated by commas, such as `task-failed,worker-*`.'),
      snapshot: oneOf('First all that is there now.', ['true', 'false']),
      wait: whole('Seconds to wait for a change.', 0, 300, 25),
      stream: text('Server-sent events; any value, or none.'),
    }),
    response: feedMessage,
    stream: true,
    own: 'server',
  },
  'POST /api/ticket': {
    tag: 'now',
    summary: 'a ticket for a feed',
    description:
      'For those who cannot send a header: good for one connection to `/live` or `/api/changes`, as `?ticket=…`.',
    response: ticketAnswer,
    own: 'server',
  },
  'GET /healthz': {
    tag: 'now',
    summary: '200 while the process answers',
    response: z.strictObject({ ok: z.literal(true) }),
    own: 'app',
  },
  'GET /readyz': {
    tag: 'now',
    summary: '200 while it consumes and records, else 503 with the reasons',
    response: readyAnswer,
    own: 'app',
  },
} as const satisfies Readonly<Record<string, Route>>;

export type Api = typeof api;
export type ClusterThen = z.output<typeof clusterThen>;
export type TaskAnswer = z.output<typeof taskAnswer>;
export type WorkerAnswer = z.output<typeof workerAnswer>;
export type EventRow = z.output<typeof eventRow>;
export type EventsPage = z.output<typeof eventsPage>;
export type TreeAnswer = z.output<typeof treeAnswer>;
export type StatsRow = z.output<typeof statsRow>;
