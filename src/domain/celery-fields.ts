/**
 * How the fields of an event come onto a record. Celery copies them as they are, whatever they hold; here a value that
 * does not fit its field goes to `extra` under the field's name, and away again when a good one comes.
 */
import type { CeleryType } from './celery-types.ts';
import { copyUsual } from './celery-usual.ts';
import type { Event, Json, Seconds } from './event.ts';
import { type State, shareName } from './memory.ts';
import { TASK_FIELDS, type Task } from './task.ts';
import { WORKER_FIELDS, type Worker } from './worker.ts';

/** What the receiver puts into an event. */
export interface Stamps {
  readonly clock: Json;
  /** Undefined where the event has none. */
  readonly timestamp: Json | undefined;
  readonly local_received: Seconds;
}

/** `Task.merge_rules` in celery/events/state.py: all that a late `task-received` may still tell. */
const LATE_RECEIVED: ReadonlySet<string> = new Set([
  'name',
  'args',
  'kwargs',
  'parent_id',
  'root_id',
  'retries',
  'eta',
  'expires',
]);

/** Attributes of Celery's `Worker` that cannot be set: it raises. `worker-elect` carries an `id`. */
const READ_ONLY: ReadonlySet<string> = new Set([
  'id',
  'alive',
  'status_string',
  'heartbeat_expires',
  '__class__',
  '__weakref__',
]);

/** Copies every field; `sender` is the event's hostname in the copy that is kept. */
export function copyTaskFields(
  state: State,
  task: Task,
  event: Event,
  type: CeleryType,
  stamps: Stamps,
  sender: string,
): void {
  const { clock, timestamp, local_received } = stamps;
  if (copyUsual(state, task, event, type, stamps, sender)) return;
  const extra = extraOf(task);
  for (const key in event) {
    const value = event[key] as Json;
    switch (key) {
      case 'type':
        extra.type = type.type;
        break;
      case 'hostname':
        extra.hostname = typeof value === 'string' ? sender : value;
        break;
      case 'pid':
        extra.pid = value;
        break;
      case 'utcoffset':
        extra.utcoffset = value;
        break;
      case 'timestamp':
        setTaskField(state, task, key, timestamp as Json);
        break;
      case 'uuid':
        if (typeof value !== 'string') setTaskField(state, task, key, value);
        break;
      case 'clock':
      case 'local_received':
        break;
      default:
        setTaskField(state, task, key, value);
    }
  }
  setTaskField(state, task, 'clock', clock);
  extra.local_received = local_received;
}

/** Copies what a late `task-received` may tell. */
export function copyLateReceived(state: State, task: Task, event: Event): void {
  for (const key in event) if (LATE_RECEIVED.has(key)) setTaskField(state, task, key, event[key] as Json);
}

/** Copies every field, in the order of the event; false where Celery raises, and then nothing more is copied. */
export function copyWorkerFields(
  state: State,
  worker: Worker,
  event: Event,
  type: CeleryType,
  stamps: Stamps,
): boolean {
  const extra = extraOf(worker);
  for (const key in event) {
    if (READ_ONLY.has(key)) return false;
    if (key === 'type') extra.type = type.type;
    else if (key === 'timestamp') extra.timestamp = stamps.timestamp as Json;
    else if (key === 'local_received') extra.local_received = stamps.local_received;
    else setWorkerField(state, worker, key, event[key] as Json);
  }
  if (event.clock === undefined) setWorkerField(state, worker, 'clock', stamps.clock);
  extra.local_received = stamps.local_received;
  return true;
}

/** Sets one field to what an event says. */
export function setTaskField(state: State, task: Task, key: string, value: Json): void {
  const { misfits } = state.indexes;
  if (misfits.size > 0 && misfits.has(task) && TASK_FIELDS.has(key)) delete task.extra?.[key];
  if (typeof value === 'string') {
    if (setText(state, task, key, value)) return;
  } else if (typeof value === 'number') {
    if (setNumber(task, key, value)) return;
  } else if (value === null) {
    if (setText(state, task, key, null) || setNumber(task, key, null)) return;
  }
  if (TASK_FIELDS.has(key)) {
    if (!setText(state, task, key, null)) setNumber(task, key, null);
    misfits.add(task);
  }
  setExtra(task, key, value);
}

/** False when it is not a field that holds text. The fields that are set most often come first: it is tried in order. */
function setText(state: State, task: Task, key: string, text: string | null): boolean {
  switch (key) {
    case 'worker':
      task.worker = text;
      return true;
    case 'state':
      if (text === null) return false;
      task.state = text;
      return true;
    case 'name':
      task.name = text === null ? null : shareName(state, text);
      return true;
    case 'args':
      task.args = text;
      return true;
    case 'kwargs':
      task.kwargs = text === null ? null : state.indexes.texts.share(text);
      return true;
    case 'root_id':
      task.root_id = text === task.uuid ? task.uuid : text;
      return true;
    case 'parent_id':
      task.parent_id = text === task.uuid ? task.uuid : text;
      return true;
    case 'eta':
      task.eta = text;
      return true;
    case 'expires':
      task.expires = text;
      return true;
    case 'result':
      task.result = text;
      return true;
    case 'exchange':
      task.exchange = text;
      return true;
    case 'routing_key':
      task.routing_key = text;
      return true;
    case 'client':
      task.client = text;
      return true;
    case 'exception':
      task.exception = text === null ? null : state.indexes.texts.share(text);
      return true;
    case 'traceback':
      task.traceback = text === null ? null : state.indexes.texts.share(text);
      return true;
    case 'uuid': // the same one, by which the task was found
      return text !== null;
    default:
      return false;
  }
}

/** False when it is not a field that holds a number. The fields that are set most often come first. */
function setNumber(task: Task, key: string, number: number | null): boolean {
  switch (key) {
    case 'timestamp':
      task.timestamp = number;
      return true;
    case 'clock':
      task.clock = number;
      return true;
    case 'received':
      task.received = number;
      return true;
    case 'started':
      task.started = number;
      return true;
    case 'succeeded':
      task.succeeded = number;
      return true;
    case 'sent':
      task.sent = number;
      return true;
    case 'retries':
      task.retries = number;
      return true;
    case 'runtime':
      task.runtime = number;
      return true;
    case 'failed':
      task.failed = number;
      return true;
    case 'retried':
      task.retried = number;
      return true;
    case 'revoked':
      task.revoked = number;
      return true;
    case 'rejected':
      task.rejected = number;
      return true;
    default:
      return false;
  }
}

/** Sets one field to what an event says. */
export function setWorkerField(state: State, worker: Worker, key: string, value: Json): void {
  const { misfits } = state.indexes;
  if (misfits.size > 0 && misfits.has(worker) && WORKER_FIELDS.has(key)) delete worker.extra?.[key];
  switch (key) {
    case 'hostname':
      if (typeof value === 'string') return;
      break;
    case 'pid':
    case 'freq':
    case 'clock':
    case 'active':
    case 'processed':
      worker[key] = typeof value === 'number' ? value : null;
      if (worker[key] === value) return;
      break;
    case 'sw_ident':
    case 'sw_ver':
    case 'sw_sys':
      worker[key] = typeof value === 'string' ? value : null;
      if (worker[key] === value) return;
      break;
    case 'loadavg':
      worker.loadavg = isNumbers(value) ? value : null;
      if (worker.loadavg === value) return;
      break;
    case 'heartbeats': // ours to keep: Celery, too, goes on with its own list
      break;
    default:
      setExtra(worker, key, value);
      return;
  }
  misfits.add(worker);
  setExtra(worker, key, value);
}

function isNumbers(value: Json): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'number');
}

function extraOf(record: Task | Worker): Record<string, Json> {
  record.extra ??= {};
  return record.extra;
}

function setExtra(record: Task | Worker, key: string, value: Json): void {
  const extra = extraOf(record);
  // By assignment this one name would change what the object is.
  if (key === '__proto__')
    Object.defineProperty(extra, key, { value, enumerable: true, writable: true, configurable: true });
  else extra[key] = value;
}
