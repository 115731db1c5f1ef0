/** What differs between two moments: which tasks finished, failed, started, which workers came and went. */
import { z } from 'zod';
import { asOf, gapRow } from './history.ts';

const text = z.string().nullable();
const count = z.number().int();

/** A task that was in another state at the later moment. */
export const changedTask = z.strictObject({
  cluster: z.string(),
  task_id: z.string(),
  name: text,
  worker: text,
  /** When it was last heard of before the later moment. */
  timestamp: z.number().nullable(),
});

/** How a worker was at one of the moments. */
export const workerThen = z.strictObject({
  status: z.enum(['ONLINE', 'SUSPECT', 'OFFLINE']),
  reason: z.enum(['goodbye', 'lost']).nullable(),
  pid: z.number().nullable(),
  processed: z.number().nullable(),
});

/** A worker of another status, or another process under the same name. */
export const changedWorker = z.strictObject({
  cluster: z.string(),
  hostname: z.string(),
  /** Null: it was not known then. */
  before: workerThen.nullable(),
  after: workerThen.nullable(),
});

export const difference = z.strictObject({
  /** The snapshots at or before the two moments are what is compared; where none is as early as `from`, the first. */
  from: asOf,
  to: asOf,
  /** Events recorded in between. */
  events: count,
  /** By the states before and after, the most frequent first; null where tasks were not compared: `uncompared` says why. */
  tasks: z
    .array(
      z.strictObject({
        /** Null: nothing was known of them then. */
        before: text,
        /** Null: they had expired. */
        after: text,
        count,
        /** Of these the ones last heard of, at most ten. */
        latest: z.array(changedTask),
      }),
    )
    .nullable(),
  /** `many`: more than 200,000 events lie in between. `expired`: the journal has not all of them any more. */
  uncompared: z.enum(['many', 'expired']).nullable(),
  /** By cluster and hostname, at most 1,000. */
  workers: z.array(changedWorker),
  /** Gaps that are at least in part between the moments. */
  gaps: z.array(gapRow),
});

export type Difference = z.output<typeof difference>;
export type ChangedTask = z.output<typeof changedTask>;
export type ChangedWorker = z.output<typeof changedWorker>;
