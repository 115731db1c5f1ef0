/** One cluster's state as plain JSON, in Celery's names: what `celerycam replay --json` prints. */
import { compareCodePoints } from './code-points.ts';
import type { Json, Seconds } from './event.ts';
import { livenessOf } from './liveness.ts';
import { keyOf, misfitOf, type State } from './memory.ts';
import { runsOf } from './runs.ts';
import { READY_STATES } from './states.ts';
import { lifeOf, TASK_FIELDS, type Task } from './task.ts';
import { heartbeatExpires, WORKER_FIELDS, type Worker } from './worker.ts';

/** A record by field. A field holds what the events said, so of a strange event it may hold anything. */
export type RecordReport = { readonly [field: string]: Json };

export interface Report {
  readonly event_count: number;
  readonly task_count: number;
  /** In the order in which they came to be known. */
  readonly tasks: readonly RecordReport[];
  /** uuids, newest first, as Celery's `tasks_by_time`; empty when that order was not kept. */
  readonly tasks_by_time: readonly Json[];
  /** Sorted by code point. */
  readonly task_types: readonly string[];
  readonly workers: readonly RecordReport[];
  /** Tasks that were dropped from memory while they had not ended. */
  readonly evicted_active: number;
}

/** @param now when the workers' status is judged, epoch seconds: usually some moment after the last event was received */
export function reportOf(state: State, now: Seconds): Report {
  return { ...reportWithoutTasks(state, now), tasks: [...reportTasks(state)] };
}

/** For a state whose tasks' reports would be too many to hold at once: see `reportTasks`. */
export function reportWithoutTasks(state: State, now: Seconds): Omit<Report, 'tasks'> {
  return {
    event_count: state.event_count,
    task_count: state.task_count,
    tasks_by_time: (state.timeOrder?.tasksByTime(state.tasks) ?? []).map((uuid) => toldUuid(state, uuid)),
    task_types: [...state.task_types].sort(compareCodePoints),
    workers: [...state.workers.values()].map((worker) => reportWorker(state, worker, now)),
    evicted_active: state.evicted_active,
  };
}

/** One after the other, in the order in which they came to be known. */
export function* reportTasks(state: State): Generator<RecordReport, void, undefined> {
  for (const task of state.tasks.values()) yield reportTask(state, task);
}

/** The fields of `Task.as_dict` (Celery 5.2), with `parent` and `root` only where they are in memory, and what else there is; `runs` as `strict` knows them. */
export function reportTask(state: State, task: Task): RecordReport {
  const fields = toldFields(state, task, TASK_FIELDS);
  const life = lifeOf(task);
  const worker = task.worker === null ? undefined : state.workers.get(task.worker);
  return {
    ...fields,
    children: [...(task.children ?? [])].sort(compareCodePoints).map((uuid) => toldUuid(state, uuid)),
    parent: relative(state, fields.parent_id),
    root: relative(state, fields.root_id),
    origin: worker ? `${worker.hostname}.${worker.pid}` : task.client,
    ready: READY_STATES.has(String(fields.state)),
    ...(life === null
      ? { extra: otherFields(task, TASK_FIELDS) }
      : { extra: { ...task.extra }, runs: runsOf(life).map((run) => ({ ...run })) }),
  };
}

function reportWorker(state: State, worker: Worker, now: Seconds): RecordReport {
  const { status } = livenessOf(worker, state, now);
  return {
    ...toldFields(state, worker, WORKER_FIELDS),
    heartbeat_expires: heartbeatExpires(worker),
    alive: status === 'ONLINE',
    status,
    extra: otherFields(worker, WORKER_FIELDS),
  };
}

/** The fields as they were told: what did not fit is where it belongs. */
function toldFields(state: State, record: Task | Worker, fields: ReadonlySet<string>): Record<string, Json> {
  const told: Record<string, Json> = {};
  const held: Record<string, unknown> = { ...record };
  for (const field of fields) {
    const misfit = misfitOf(state, record, field);
    told[field] = misfit === undefined ? (held[field] as Json) : misfit;
  }
  return told;
}

function otherFields(record: Task | Worker, fields: ReadonlySet<string>): RecordReport {
  return Object.fromEntries(Object.entries(record.extra ?? {}).filter(([key]) => !fields.has(key)));
}

/** The uuid of a task that is named, when it is in memory. */
function relative(state: State, id: Json | undefined): Json {
  const key = id ? keyOf(id) : null;
  return key !== null && state.tasks.has(key) ? toldUuid(state, key) : null;
}

/** The uuid as the events said it: where that was no text, a task's own is a stand-in. */
function toldUuid(state: State, uuid: string): Json {
  const task = state.tasks.get(uuid);
  const misfit = task && misfitOf(state, task, 'uuid');
  return misfit === undefined ? uuid : misfit;
}
