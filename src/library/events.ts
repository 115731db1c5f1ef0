/**
 * The events of Celery as types: what its own senders write (celery/events/event.py, celery/worker/request.py,
 * celery/app/amqp.py), in Celery's spelling. An event that somebody else sends may have less, or other values: what arrives is
 * not checked beyond being an object with a `type`.
 */
import type { Json, Seconds } from '../domain/event.ts';

/** What every event says of its sender. */
export interface EventBase {
  /** Node name: `celery@host` of a worker, `gen4711@host` of a client. */
  readonly hostname: string;
  readonly pid: number;
  /** The sender's Lamport clock: it orders the events of one process. */
  readonly clock: number;
  /** When it was sent, epoch seconds. */
  readonly timestamp: Seconds;
  /** Hours; `timestamp` is UTC whatever it says. */
  readonly utcoffset: number;
  /** When this monitor received it, epoch seconds. */
  readonly local_received: Seconds;
}

interface TaskEventBase extends EventBase {
  /** The task's id. */
  readonly uuid: string;
}

/** What was called. `args` and `kwargs` are cut Python reprs: for people, not data. */
interface Call extends TaskEventBase {
  readonly name: string;
  readonly args: string | null;
  readonly kwargs: string | null;
  readonly retries: number;
  /** ISO 8601. */
  readonly eta: string | null;
  readonly expires: string | null;
  readonly root_id: string | null;
  readonly parent_id: string | null;
}

/** By the client, where `task_send_sent_event` is on. */
export interface TaskSent extends Call {
  readonly type: 'task-sent';
  readonly queue: string;
  readonly exchange: string;
  readonly routing_key: string;
}

export interface TaskReceived extends Call {
  readonly type: 'task-received';
}

export interface TaskStarted extends TaskEventBase {
  readonly type: 'task-started';
}

export interface TaskSucceeded extends TaskEventBase {
  readonly type: 'task-succeeded';
  /** A cut Python repr. */
  readonly result: string;
  readonly runtime: Seconds;
}

export interface TaskFailed extends TaskEventBase {
  readonly type: 'task-failed';
  /** A Python repr, `ValueError('no')`. */
  readonly exception: string;
  readonly traceback: string;
}

export interface TaskRetried extends TaskEventBase {
  readonly type: 'task-retried';
  readonly exception: string;
  readonly traceback: string;
}

export interface TaskRevoked extends TaskEventBase {
  readonly type: 'task-revoked';
  readonly terminated: boolean;
  readonly signum: number | string | null;
  readonly expired: boolean;
}

export interface TaskRejected extends TaskEventBase {
  readonly type: 'task-rejected';
  readonly requeue: boolean;
}

/** Its worker lost the broker; the task is delivered again. */
export interface TaskCancelled extends TaskEventBase {
  readonly type: 'task-cancelled';
}

interface WorkerEventBase extends EventBase {
  /** Seconds between heartbeats. */
  readonly freq: Seconds;
  readonly sw_ident: string;
  readonly sw_ver: string;
  readonly sw_sys: string;
  /** Tasks that it is executing; missing from the answer to a `heartbeat` command, as are the two below. */
  readonly active?: number;
  /** Tasks that it has accepted since its start. */
  readonly processed?: number;
  readonly loadavg?: readonly number[];
}

export interface WorkerOnline extends WorkerEventBase {
  readonly type: 'worker-online';
}

export interface WorkerHeartbeat extends WorkerEventBase {
  readonly type: 'worker-heartbeat';
}

export interface WorkerOffline extends WorkerEventBase {
  readonly type: 'worker-offline';
}

/** Some text that is none of Celery's own types: so the compiler can tell those apart in `switch (event.type)`. */
export declare enum CustomType {
  any = 'any',
}

/**
 * Anything else that was sent with `send_event`, such as `task-progress`, with whatever fields. See `isCustom`, and name
 * those that you know: `monitor.events<{ type: 'task-progress'; … }>()`.
 */
export interface CustomEvent {
  readonly type: CustomType;
  readonly local_received: Seconds;
  readonly [field: string]: Json;
}

export type TaskEvent =
  | (TaskSent | TaskReceived | TaskStarted | TaskSucceeded | TaskFailed)
  | (TaskRetried | TaskRevoked | TaskRejected | TaskCancelled);

export type WorkerEvent = WorkerOnline | WorkerHeartbeat | WorkerOffline;

/** Celery's own events by `type`, and all others. */
export type CeleryEvent = TaskEvent | WorkerEvent | CustomEvent;

const OWN: Readonly<Record<(TaskEvent | WorkerEvent)['type'], true>> = {
  'task-sent': true,
  'task-received': true,
  'task-started': true,
  'task-succeeded': true,
  'task-failed': true,
  'task-retried': true,
  'task-revoked': true,
  'task-rejected': true,
  'task-cancelled': true,
  'worker-online': true,
  'worker-heartbeat': true,
  'worker-offline': true,
};

/** True of an event whose type is none of Celery's own. */
export function isCustom(event: { readonly type: string }): event is CustomEvent {
  return !Object.hasOwn(OWN, event.type);
}
