/** What arrives, as messages of the contract: fields that the feed leaves out, because they are null, are there again. */
import type { FeedMessage, Hello } from '../contract/feed.ts';
import type { TaskRecord, WorkerRecord } from '../contract/records.ts';

/** Every field that may be null. */
type Nulls<T> = { readonly [K in keyof T as null extends T[K] ? K : never]: null };

/** The protocol that is understood here. */
export const PROTOCOL: Hello['protocol'] = 1;

type RunRecord = NonNullable<TaskRecord['runs']>[number];

const TASK: Nulls<TaskRecord> = {
  ...{ name: null, sent: null, received: null, started: null, succeeded: null, failed: null, retried: null },
  ...{ revoked: null, rejected: null, args: null, kwargs: null, result: null, exception: null, traceback: null },
  ...{ eta: null, expires: null, retries: null, runtime: null, timestamp: null, clock: null, exchange: null },
  ...{ routing_key: null, root_id: null, parent_id: null, client: null, worker: null, orphaned: null, doubt: null },
  ...{ runs: null, extra: null },
};

const RUN: Nulls<RunRecord> = {
  ...{ retries: null, worker: null, pid: null, received: null, started: null, ended: null, result: null },
  ...{ exception: null, traceback: null, runtime: null },
};

const WORKER: Nulls<WorkerRecord> = {
  ...{ reason: null, since: null, pid: null, freq: null, clock: null, active: null, processed: null, loadavg: null },
  ...{ sw_ident: null, sw_ver: null, sw_sys: null, skew: null, extra: null },
};

/** Reads a frame of the feed. @throws SyntaxError, TypeError for what is none */
export function readMessage(text: string): FeedMessage {
  const message = JSON.parse(text) as FeedMessage;
  if (typeof message.type !== 'string') throw new TypeError('it has no type');
  if (message.type !== 'changes' && message.type !== 'snapshot') return message;
  return {
    ...message,
    tasks: message.tasks.map((task) => {
      const runs = task.runs?.map((run) => ({ ...RUN, ...run })) ?? null;
      return { ...TASK, ...task, runs };
    }),
    workers: message.workers.map((worker) => ({ ...WORKER, ...worker })),
  };
}
