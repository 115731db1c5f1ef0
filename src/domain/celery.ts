/**
 * The `celery` reducer: the records that Celery's own monitor would hold, field for field.
 *
 * It does what an event goes through in Celery 5.2: first the receiver (`EventReceiver.event_from_message` in
 * celery/events/receiver.py: clock, `utcoffset`), then the state (`State.event` in celery/events/state.py). Its
 * faults are kept, two excepted. Celery forgets tasks that are still running; here finished ones go first. And
 * some events make Celery's code raise: here such an event has exactly the effect that it had there until then, and the
 * next one is folded as usual.
 */
import {
  copyLateReceived,
  copyTaskFields,
  copyWorkerFields,
  type Stamps,
  setTaskField,
  setWorkerField,
} from './celery-fields.ts';
import { type CeleryType, createTypes } from './celery-types.ts';
import type { Event, Json, Seconds } from './event.ts';
import {
  addTask,
  addWorker,
  joinParent,
  keyOf,
  leaveParent,
  misfitOf,
  noteReady,
  parentOf,
  type State,
  takeChildren,
} from './memory.ts';
import type { Change, Reducer } from './reducer.ts';
import { precedence, RECEIVED, RETRY } from './states.ts';
import { hasEnded, type Task } from './task.ts';
import { addHeartbeat, type Worker } from './worker.ts';

export interface CeleryOptions {
  /**
   * Move every timestamp by its `utcoffset`, as Celery's receiver does, here for a monitor in UTC. Timestamps are UTC
   * as they are sent, so this moves those from other zones away from the truth; Celery's monitors show them so.
   * @default true
   */
  readonly localize?: boolean | undefined;
}

export function createCelery({ localize = true }: CeleryOptions = {}): Reducer {
  const typeOf = createTypes();

  return {
    fold(state: State, event: Event, local_received: Seconds): Change {
      const type = typeOf(state.indexes.texts.share(event.type));
      const clock = receive(state, event.clock, type);
      if (clock === undefined) return null;
      let { timestamp } = event;
      if (localize && timestamp !== undefined) {
        timestamp = localized(timestamp, event.utcoffset);
        if (timestamp === undefined) return null;
      }
      state.event_count++;
      const stamps: Stamps = { clock, timestamp, local_received };
      if (type.group === 'task') return foldTask(state, event, type, stamps);
      if (type.group === 'worker') return foldWorker(state, event, type, stamps);
      return null;
    },
  };
}

/** The receiver's clock rule: advances the monitor's clock and gives the event's; undefined where Celery raises. */
function receive(state: State, clock: Json | undefined, type: CeleryType): Json | undefined {
  if (type.isSent) {
    // Clients never synchronise their clocks, so Celery uses its own.
    const ours = state.clock === 0 ? 0 : state.clock - 1;
    state.clock++;
    return ours;
  }
  if (clock === undefined) return ++state.clock;
  const value = toNumber(clock);
  if (value === null) return undefined;
  if (value > state.clock) state.clock = value;
  state.clock++;
  return clock;
}

/** The event's time as Celery's receiver in UTC shifts it; undefined where Celery raises. */
function localized(timestamp: Json, utcoffset: Json | undefined): Json | undefined {
  if (utcoffset === undefined || (utcoffset === 0 && typeof timestamp === 'number')) return timestamp;
  const time = toNumber(timestamp);
  const hours = toNumber(utcoffset);
  return time === null || hours === null ? undefined : time - hours * 3600;
}

function foldWorker(state: State, event: Event, type: CeleryType, stamps: Stamps): Worker | null {
  const { hostname } = event;
  if (hostname === undefined || stamps.timestamp === undefined) return null;
  const isOffline = type.subject === 'offline';
  // Celery makes a worker that says goodbye before it was heard of, and does not keep it.
  if (isOffline && !state.workers.has(keyOf(hostname) ?? '')) return null;
  const worker = workerOf(state, hostname);
  if (!worker || !copyWorkerFields(state, worker, event, type, stamps)) return worker;
  if (isOffline) worker.heartbeats.length = 0;
  else if (stamps.local_received && toTime(stamps.timestamp)) addHeartbeat(worker, stamps.local_received);
  return worker;
}

function foldTask(state: State, event: Event, type: CeleryType, stamps: Stamps): Task | null {
  const { uuid, hostname } = event;
  const { timestamp } = stamps;
  if (uuid === undefined || hostname === undefined || timestamp === undefined) return null;
  const task = taskOf(state, uuid);
  if (!task) return null;

  let sender: string;
  let id: string;
  if (type.isSent) {
    sender = state.indexes.texts.share(String(hostname));
    id = sender;
    setTaskField(state, task, 'client', typeof hostname === 'string' ? sender : hostname);
  } else {
    const worker = workerOf(state, hostname);
    if (!worker) return task;
    sender = worker.hostname;
    setTaskField(state, task, 'worker', typeof hostname === 'string' ? sender : hostname);
    if (stamps.local_received && isTruthy(timestamp)) {
      const time = toTime(timestamp);
      if (time === null) return task;
      // Celery passes the two times in the wrong order, so that the event's own becomes the heartbeat.
      addHeartbeat(worker, time);
    }
    id = state.timeOrder ? workerId(state, worker) : '';
  }
  state.timeOrder?.add(Number(stamps.clock), toNumber(timestamp), id, task);
  if (type.subject === 'received') state.task_count++;

  const formerParent = parentOf(state, task);
  const hadEnded = hasEnded(task);
  if (!updateTask(state, task, event, type, stamps, sender)) return task;
  if (hasEnded(task) !== hadEnded) noteReady(state, task);
  const parent = parentOf(state, task);
  if (formerParent !== null && formerParent !== parent) leaveParent(state, task, formerParent);
  if (!isHashable(misfitOf(state, task, 'name'))) return task;
  if (parent !== null) {
    joinParent(state, task, parent);
  } else {
    const misfit = misfitOf(state, task, 'parent_id');
    if (misfit !== undefined && !isHashable(misfit) && isTruthy(misfit)) return task;
  }
  takeChildren(state, task);
  return task;
}

/** `Task.event`; false where Celery raises. */
function updateTask(state: State, task: Task, event: Event, type: CeleryType, stamps: Stamps, sender: string): boolean {
  if (type.time !== null) setTaskField(state, task, type.time, stamps.timestamp as Json);
  if (type.state !== RETRY) {
    const current = misfitOf(state, task, 'state');
    if (!isHashable(current)) return false;
    if (task.state !== RETRY || current !== undefined) {
      // A state that is no text is a custom one to Celery.
      if (type.precedence > precedence(current === undefined ? task.state : String(current))) {
        if (type.state === RECEIVED) copyLateReceived(state, task, event);
        else copyTaskFields(state, task, event, type, stamps, sender);
        return true;
      }
    }
  }
  copyTaskFields(state, task, event, type, stamps, sender);
  setTaskField(state, task, 'state', type.state);
  return true;
}

/** The task that an event names, made known if it was not; null for what cannot name one. */
function taskOf(state: State, uuid: Json): Task | null {
  const key = keyOf(uuid);
  if (key === null) return null;
  let task = state.tasks.get(key);
  if (!task) {
    task = addTask(state, key);
    if (key !== uuid) setTaskField(state, task, 'uuid', uuid);
  }
  return task;
}

/** The worker that an event names, made known if it was not; null for what cannot name one. */
function workerOf(state: State, hostname: Json): Worker | null {
  const key = typeof hostname === 'string' ? state.indexes.texts.share(hostname) : keyOf(hostname);
  if (key === null) return null;
  let worker = state.workers.get(key);
  if (!worker) {
    worker = addWorker(state, key);
    if (key !== hostname) setWorkerField(state, worker, 'hostname', hostname);
  }
  return worker;
}

/** Celery's `Worker.id`, by which it orders events of equal clocks. */
function workerId(state: State, worker: Worker): string {
  const hostname = misfitOf(state, worker, 'hostname');
  const pid = misfitOf(state, worker, 'pid');
  return `${hostname === undefined ? worker.hostname : pythonText(hostname)}.${pythonText(pid === undefined ? worker.pid : pid)}`;
}

/** What Python's `str` makes of a value, as far as identifiers go. */
function pythonText(value: Json): string {
  if (value === null) return 'None';
  return typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value);
}

/** What Python takes for a number, as a number; null for anything else. */
function toNumber(value: Json): number | null {
  if (typeof value === 'number') return value;
  return typeof value === 'boolean' ? Number(value) : null;
}

/** A time that can be told in whole seconds; null for anything else. */
function toTime(value: Json): Seconds | null {
  const time = toNumber(value);
  return time !== null && Number.isFinite(time) ? time : null;
}

/** What Python takes for true. */
function isTruthy(value: Json): boolean {
  if (typeof value !== 'object' || value === null) return Boolean(value);
  return Object.keys(value).length > 0;
}

/** False for what cannot be a key in Python: lists and objects. */
function isHashable(value: Json | undefined): boolean {
  return typeof value !== 'object' || value === null;
}
