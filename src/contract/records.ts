/** Tasks and workers as clients see them, in the API and in the feed: Celery's names, JSON types, null for what is not known. */
import { z } from 'zod';
import type { Json } from '../domain/event.ts';
import { runsOf } from '../domain/runs.ts';
import { lifeOf, type Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';

/** Epoch seconds, or a length of time in seconds. */
const seconds = z.number().nullable();
const text = z.string().nullable();
const json: z.ZodType<Json> = z.json();
const extra = z.record(z.string(), json).nullable();

/** One run of a task: an attempt, a redelivery or a re-run. */
export const runRecord = z.strictObject({
  number: z.number().int(),
  retries: z.number().nullable(),
  worker: text,
  pid: z.number().nullable(),
  received: seconds,
  started: seconds,
  state: z.string(),
  ended: seconds,
  result: text,
  exception: text,
  traceback: text,
  runtime: seconds,
});

export const taskRecord = z.strictObject({
  cluster: z.string(),
  task_id: z.string(),
  name: text,
  state: z.string(),
  sent: seconds,
  received: seconds,
  started: seconds,
  succeeded: seconds,
  failed: seconds,
  retried: seconds,
  revoked: seconds,
  rejected: seconds,
  args: text,
  kwargs: text,
  result: text,
  exception: text,
  traceback: text,
  eta: text,
  expires: text,
  retries: z.number().nullable(),
  runtime: seconds,
  timestamp: seconds,
  clock: z.number().nullable(),
  exchange: text,
  routing_key: text,
  root_id: text,
  parent_id: text,
  client: text,
  worker: text,
  children: z.array(z.string()),
  /** Null where the `celery` reducer folds, which knows none. */
  runs: z.array(runRecord).nullable(),
  extra,
});

export const workerRecord = z.strictObject({
  cluster: z.string(),
  hostname: z.string(),
  status: z.enum(['ONLINE', 'OFFLINE']),
  pid: z.number().nullable(),
  freq: seconds,
  heartbeats: z.array(z.number()),
  clock: z.number().nullable(),
  active: z.number().nullable(),
  processed: z.number().nullable(),
  loadavg: z.array(z.number()).nullable(),
  sw_ident: text,
  sw_ver: text,
  sw_sys: text,
  extra,
});

export type TaskRecord = z.output<typeof taskRecord>;
export type WorkerRecord = z.output<typeof workerRecord>;

export function toTaskRecord(cluster: string, task: Task): TaskRecord {
  const life = lifeOf(task);
  const { kind: _, uuid, children, life: _life, stored_life: _stored, ...fields } = task;
  const runs = life && runsOf(life);
  return { cluster, task_id: uuid, ...fields, children: children === null ? [] : [...children], runs };
}

export function toWorkerRecord(cluster: string, worker: Worker, status: WorkerRecord['status']): WorkerRecord {
  const { kind: _, incarnation: _incarnation, loadavg, ...fields } = worker;
  return { cluster, ...fields, status, loadavg: loadavg === null ? null : [...loadavg] };
}
