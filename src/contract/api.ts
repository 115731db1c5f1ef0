/** What celerycam says of itself and of the clusters that it watches, now. Times are epoch seconds. The routes: `routes.ts`. */
import { z } from 'zod';

const counts = z.record(z.string(), z.number().int());

/** How one broker is being listened to. */
export const receiverRecord = z.strictObject({
  cluster: z.string(),
  /** No broker is behind it. */
  simulated: z.boolean(),
  connected: z.boolean(),
  /** Without the password. */
  url: z.string(),
  /** RabbitMQ's; null while it is not connected. */
  version: z.string().nullable(),
  queue: z.string().nullable(),
  mode: z.enum(['guest', 'durable']),
  /** Since when it has been connected, or not connected. */
  since: z.number(),
  /** Why the broker does not take what we publish; null while it does. */
  blocked: z.string().nullable(),
  last_delivery: z.number().nullable(),
  /** Messages received since the start of this process. */
  received: z.number().int(),
  /** Why it is not connected. */
  error: z.string().nullable(),
});

/**
 * How much of what workers did was heard of: their heartbeats count the tasks that they began, whether those told of it or not.
 * Over the present processes of the workers in memory; of each up to some ten seconds ago. Tasks of
 * `send_events=False` count as lost.
 */
export const captureRecord = z.strictObject({
  /** Tasks whose beginning was heard of. */
  captured: z.number().int(),
  /** Tasks whose beginning was not. */
  lost: z.number().int(),
  /** captured / (captured + lost); null where nothing can be judged, as with the `celery` reducer. */
  completeness: z.number().nullable(),
});

export const clusterStatus = z.strictObject({
  cluster: z.string(),
  workers: counts,
  tasks: counts,
  /** Tasks in memory whose worker went away while it executed them. */
  orphaned: z.number().int(),
  capture: captureRecord,
  event_count: z.number().int(),
  task_count: z.number().int(),
  /** Tasks that had not ended and were dropped from memory, because `--max-tasks` or `--max-task-bytes` was reached. */
  evicted_active: z.number().int(),
});

export const clusterAnswer = z.strictObject({
  version: z.string(),
  now: z.number(),
  started: z.number(),
  /** What is shown is a simulated cluster, because no broker was configured and none answered. */
  simulated: z.boolean(),
  /** Position in the journal up to which everything here is folded. */
  position: z.number().int(),
  /** Seconds between the newest event's own timestamp and its being recorded; null before the first event. */
  lag: z.number().nullable(),
  events_per_second: z.strictObject({ now: z.number(), minute: z.number() }),
  /** Workers by status, of all clusters. */
  workers: counts,
  /** Tasks in memory by state, of all clusters. */
  tasks: counts,
  /** Tasks in memory whose worker went away while it executed them, of all clusters. */
  orphaned: z.number().int(),
  /** Of all clusters. */
  capture: captureRecord,
  clusters: z.array(clusterStatus),
  receivers: z.array(receiverRecord),
  /** Clients of the live feed that are connected. */
  feed_clients: z.number().int(),
  /** Counted since the start of this process. */
  since_start: z.strictObject({
    events: z.number().int(),
    duplicates: z.number().int(),
    dead_letters: z.number().int(),
    gaps: z.number().int(),
  }),
  /** Why nothing can be recorded at the moment; null while it can. */
  recording_error: z.string().nullable(),
  last_shutter: z
    .strictObject({
      at: z.number(),
      snapshot: z.number().int(),
      position: z.number().int(),
      tasks: z.number().int(),
      workers: z.number().int(),
      seconds: z.number(),
    })
    .nullable(),
});

/** What is not as it should be, as far as the recorder itself can tell. */
export const findingsAnswer = z.strictObject({
  parts: z.array(
    z.strictObject({
      /** What was looked at. */
      title: z.string(),
      findings: z.array(
        z.strictObject({
          /** `problem`: celerycam cannot do its work. `note`: it can, but shows less than it might. */
          level: z.enum(['ok', 'note', 'problem']),
          text: z.string(),
          /** What to type or to set. */
          remedy: z.array(z.string()),
        }),
      ),
    }),
  ),
});

export const readyAnswer = z.strictObject({ ready: z.boolean(), reasons: z.array(z.string()) });

/** Why a question was not answered. */
export const errorAnswer = z.strictObject({
  /** One sentence for a person: what was wrong and what was expected. */
  error: z.string(),
  /** The parameter that was wrong. */
  parameter: z.string().optional(),
  /** Where in its value, in code units from 0. */
  at: z.number().int().optional(),
  /** Completes the sentence "expected …". */
  expected: z.string().optional(),
});

/** For those who cannot send a header: good for one connection to `/live` or `/api/changes`, as `?ticket=…`. */
export const ticketAnswer = z.strictObject({
  ticket: z.string(),
  /** Seconds. */
  expires_in: z.number(),
});

export type CaptureRecord = z.output<typeof captureRecord>;
export type ReceiverRecord = z.output<typeof receiverRecord>;
export type ClusterAnswer = z.output<typeof clusterAnswer>;
export type FindingsAnswer = z.output<typeof findingsAnswer>;
export type ReadyAnswer = z.output<typeof readyAnswer>;
export type ErrorAnswer = z.output<typeof errorAnswer>;
