/** Records as rows, and rows as records again: one table of columns for each says both. */
import type { Json, Seconds } from '../domain/event.ts';
import type { Liveness, Orphaned } from '../domain/liveness.ts';
import { runsOf } from '../domain/runs.ts';
import { storeLife } from '../domain/stored-life.ts';
import { createTask, hasEnded, lifeOf, type Task } from '../domain/task.ts';
import { createWorker, type Worker } from '../domain/worker.ts';
import { copyNumber, copyText, copyTime, storableJson, storableKey } from '../postgres-text.ts';

/** The columns of `task_states` that a shutter writes, in the order of `taskLine`. */
export const TASK_COLUMNS = [
  ...['cluster', 'task_id', 'state', 'name', 'args', 'kwargs', 'eta', 'expires', 'result', 'exception', 'traceback'],
  ...['runtime', 'retries', 'worker', '"timestamp"', 'sent', 'received', 'started', 'succeeded', 'failed', 'retried'],
  ...['revoked', 'rejected', 'clock', 'exchange', 'routing_key', 'root_id', 'parent_id', 'client', 'children'],
  ...['eta_sent', 'expires_sent', 'extra', 'runs', 'life', 'orphaned_at', 'orphaned_reason', 'ready', 'ages_from'],
];

/** Those of them that make a version in `task_history`. */
export const TASK_VERSION = [
  ...['state', 'name', 'worker', '"timestamp"', 'sent', 'received', 'started', 'runtime', 'retries'],
  ...['root_id', 'parent_id'],
];

/** A time that is later by more than this than the snapshot that first had it comes from a clock that is ahead, seconds. */
export const AHEAD: Seconds = 5;

export const WORKER_COLUMNS = [
  ...['cluster', 'hostname', 'status', 'last_heartbeat', 'pid', 'freq', 'heartbeats', 'clock', 'active', 'processed'],
  ...['loadavg', 'sw_ident', 'sw_ver', 'sw_sys', 'extra', 'reason', 'incarnation'],
];

/** What makes a version in `worker_history`: not that a heartbeat came. */
export const WORKER_VERSION = [
  ...['status', 'reason', 'pid', 'freq', 'active', 'processed', 'sw_ident', 'sw_ver', 'sw_sys'],
];

/** A task as a line for COPY. @param takenAt when the shutter was released */
export function taskLine(cluster: string, task: Task, takenAt: Seconds, orphaned: Orphaned | null = null): string {
  const t = task;
  return `${copyText(cluster)}\t${copyText(storableKey(t.uuid))}\t${copyKey(t.state)}\t${copyKey(t.name)}\t${copyText(
    t.args,
  )}\t${copyText(t.kwargs)}\t${copyIso(t.eta)}\t${copyIso(t.expires)}\t${copyText(t.result)}\t${copyText(
    t.exception,
  )}\t${copyText(t.traceback)}\t${copyNumber(t.runtime)}\t${copyNumber(t.retries)}\t${copyKey(t.worker)}\t${copyNumber(
    t.timestamp,
  )}\t${copyNumber(t.sent)}\t${copyNumber(t.received)}\t${copyNumber(t.started)}\t${copyNumber(
    t.succeeded,
  )}\t${copyNumber(t.failed)}\t${copyNumber(t.retried)}\t${copyNumber(t.revoked)}\t${copyNumber(
    t.rejected,
  )}\t${copyNumber(t.clock)}\t${copyText(t.exchange)}\t${copyText(t.routing_key)}\t${copyKey(t.root_id)}\t${copyKey(
    t.parent_id,
  )}\t${copyText(t.client)}\t${copyJson(t.children && [...t.children])}\t${copyText(t.eta)}\t${copyText(
    t.expires,
  )}\t${copyJson(t.extra)}\t${copyRuns(t)}\t${copyNumber(orphaned?.at ?? null)}\t${copyText(
    orphaned?.reason ?? null,
  )}\t${hasEnded(t) ? 't' : 'f'}\t${agesFrom(t, takenAt)}\n`;
}

/** Since when it counts as old, epoch seconds. @param takenAt when the shutter was released */
export function agesFrom({ timestamp }: Task, takenAt: Seconds): Seconds {
  return Math.min(timestamp ?? takenAt, takenAt);
}

/** A text of which there is an index. */
function copyKey(text: string | null): string {
  return text === null ? '\\N' : copyText(storableKey(text));
}

/** The columns `runs`, null where the other columns tell the only one, and `life`. */
function copyRuns(task: Task): string {
  const life = lifeOf(task);
  if (life === null) return '\\N\t\\N';
  const runs = life.dropped + life.attempts.length > 1 ? copyJson(runsOf(life) as unknown as Json) : '\\N';
  return `${runs}\t${copyText(storeLife(life, task))}`;
}

/** What is read of `task_states` to make a task again, in the order of `toTask`. */
export const TASK_RECORD = TASK_COLUMNS.filter(
  (column) =>
    !['cluster', 'eta', 'expires', 'runs', 'ready', 'ages_from'].includes(column) && !/^orphaned/.test(column),
).join(', ');

type Field = string | null | undefined;

/** A row of `TASK_RECORD` as a task. */
export function toTask(fields: readonly Field[]): Task {
  let n = 0;
  const text = (): string | null => fields[n++] ?? null;
  const number = (): number | null => toNumber(fields[n++]);
  const task = createTask(text() ?? '');
  task.state = text() ?? task.state;
  task.name = text();
  task.args = text();
  task.kwargs = text();
  task.result = text();
  task.exception = text();
  task.traceback = text();
  task.runtime = number();
  task.retries = number();
  task.worker = text();
  task.timestamp = number();
  task.sent = number();
  task.received = number();
  task.started = number();
  task.succeeded = number();
  task.failed = number();
  task.retried = number();
  task.revoked = number();
  task.rejected = number();
  task.clock = number();
  task.exchange = text();
  task.routing_key = text();
  task.root_id = text();
  task.parent_id = text();
  task.client = text();
  const children = text();
  if (children !== null) task.children = new Set(JSON.parse(children));
  task.eta = text();
  task.expires = text();
  const extra = text();
  if (extra !== null) task.extra = JSON.parse(extra);
  task.stored_life = text();
  return task;
}

/** A worker as a line for COPY. */
export function workerLine(cluster: string, worker: Worker, { status, reason }: Liveness): string {
  return `${[
    copyText(cluster),
    copyText(storableKey(worker.hostname)),
    status,
    copyTime(worker.heartbeats.at(-1) ?? null),
    copyNumber(worker.pid),
    copyNumber(worker.freq),
    copyNumbers(worker.heartbeats),
    copyNumber(worker.clock),
    copyNumber(worker.active),
    copyNumber(worker.processed),
    copyNumbers(worker.loadavg),
    copyText(worker.sw_ident),
    copyText(worker.sw_ver),
    copyText(worker.sw_sys),
    copyJson(worker.extra),
    copyText(reason),
    copyJson(worker.incarnation as Json),
  ].join('\t')}\n`;
}

/** What is read of `worker_states` to make a worker again, in the order of `toWorker`. */
export const WORKER_RECORD = WORKER_COLUMNS.filter(
  (column) => !['cluster', 'status', 'reason', 'last_heartbeat'].includes(column),
).join(', ');

/** A row of `WORKER_RECORD` as a worker. */
export function toWorker(fields: readonly Field[]): Worker {
  const [hostname, pid, freq, heartbeats, clock, active, processed, loadavg, ident, ver, sys, extra, incarnation] =
    fields;
  const worker = createWorker(hostname ?? '');
  worker.pid = toNumber(pid);
  worker.freq = toNumber(freq);
  worker.heartbeats = toNumbers(heartbeats) ?? [];
  worker.clock = toNumber(clock);
  worker.active = toNumber(active);
  worker.processed = toNumber(processed);
  worker.loadavg = toNumbers(loadavg);
  worker.sw_ident = ident ?? null;
  worker.sw_ver = ver ?? null;
  worker.sw_sys = sys ?? null;
  worker.extra = extra ? JSON.parse(extra) : null;
  worker.incarnation = incarnation ? JSON.parse(incarnation) : null;
  return worker;
}

/** A number of what Postgres wrote as text. */
export function toNumber(field: Field): number | null {
  return field === null || field === undefined ? null : Number(field);
}

function toNumbers(field: Field): number[] | null {
  if (field === null || field === undefined) return null;
  return field === '{}' ? [] : field.slice(1, -1).split(',').map(Number);
}

function copyNumbers(numbers: readonly number[] | null): string {
  return numbers === null ? '\\N' : `{${numbers.map(copyNumber).join(',')}}`;
}

/** JSON for a `jsonb` column. */
function copyJson(json: Json): string {
  return json === null ? '\\N' : copyText(storableJson(json));
}

const ISO =
  /^(\d{4})-(0\d|1[0-2])-([0-3]\d)[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(Z|[+-](?:0\d|1[0-4]):?[0-5]\d)?$/;

/** ISO 8601 text for a `timestamptz` column, UTC where it gives no offset; NULL where it is no such text. */
export function copyIso(text: string | null): string {
  if (text === null) return '\\N';
  const [, year, month, day, offset] = ISO.exec(text) ?? [];
  if (year === undefined || Number(year) < 100 || month === '00' || day === '00') return '\\N';
  const lastDay = new Date(Date.UTC(Number(year), Number(month), 0)).getUTCDate();
  return Number(day) > lastDay ? '\\N' : `${text}${offset === undefined ? 'Z' : ''}`;
}
