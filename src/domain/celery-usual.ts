/**
 * The fields of a task event as Celery sends it, all there and each of its type, put onto a record in one go: nearly all
 * events are such, and asking for each field what it is costs as much as all else. The others go field by field, as
 * `celery-fields.ts` says; the outcome is the same.
 */
import type { Stamps } from './celery-fields.ts';
import type { CeleryType } from './celery-types.ts';
import type { Event, Json } from './event.ts';
import { type State, shareName } from './memory.ts';
import type { Task } from './task.ts';

/** type, uuid, hostname, pid, utcoffset, clock, timestamp */
const ENVELOPE = 7;

/**
 * Copies every field; false, and nothing is copied, where an event is not as usual.
 * @param sender the event's hostname in the copy that is kept
 */
export function copyUsual(
  state: State,
  task: Task,
  event: Event,
  { type, subject }: CeleryType,
  { clock, timestamp, local_received }: Stamps,
  sender: string,
): boolean {
  const { misfits } = state.indexes;
  const { hostname, pid, utcoffset } = event;
  if (typeof clock !== 'number' || typeof timestamp !== 'number' || typeof hostname !== 'string') return false;
  if (event.clock === undefined || pid === undefined || utcoffset === undefined) return false;
  if ((misfits.size > 0 && misfits.has(task)) || !copyOwn(state, task, event, subject)) return false;
  const { extra } = task;
  if (extra === null) task.extra = { hostname: sender, pid, utcoffset, type, local_received };
  else {
    extra.hostname = sender;
    extra.pid = pid;
    extra.utcoffset = utcoffset;
    extra.type = type;
    extra.local_received = local_received;
  }
  if (subject === 'sent') (task.extra as Record<string, Json>).queue = event.queue as string;
  task.timestamp = timestamp;
  task.clock = clock;
  return true;
}

/** What the events of one subject say; false, and nothing is copied, where they say more, less or something else. */
function copyOwn(state: State, task: Task, event: Event, subject: string): boolean {
  switch (subject) {
    case 'sent': {
      const { queue, exchange, routing_key } = event;
      if (typeof queue !== 'string' || !isText(exchange) || !isText(routing_key)) return false;
      if (!copyCall(state, task, event, 3)) return false;
      task.exchange = exchange;
      task.routing_key = routing_key;
      return true;
    }
    case 'received':
      return copyCall(state, task, event, 0);
    case 'started':
      return countOf(event) === ENVELOPE;
    case 'succeeded': {
      const { result, runtime } = event;
      if (!isText(result) || !isNumber(runtime) || countOf(event) !== ENVELOPE + 2) return false;
      task.result = result;
      task.runtime = runtime;
      return true;
    }
    case 'failed':
    case 'retried': {
      const { exception, traceback } = event;
      if (!isText(exception) || !isText(traceback) || countOf(event) !== ENVELOPE + 2) return false;
      task.exception = shared(state, exception);
      task.traceback = shared(state, traceback);
      return true;
    }
    default:
      return false;
  }
}

/** @param others how many fields more the event has */
function copyCall(state: State, task: Task, event: Event, others: number): boolean {
  const { name, args, kwargs, root_id, parent_id, retries, eta, expires } = event;
  if (!isText(name) || !isText(args) || !isText(kwargs) || !isText(root_id) || !isText(parent_id)) return false;
  if (!isNumber(retries) || !isText(eta) || !isText(expires) || countOf(event) !== ENVELOPE + 8 + others) return false;
  const { uuid } = task;
  task.name = name === null ? null : shareName(state, name);
  task.args = args;
  task.kwargs = shared(state, kwargs);
  task.root_id = root_id === uuid ? uuid : root_id;
  task.parent_id = parent_id === uuid ? uuid : parent_id;
  task.retries = retries;
  task.eta = eta;
  task.expires = expires;
  return true;
}

function shared(state: State, text: string | null): string | null {
  return text === null ? null : state.indexes.texts.share(text);
}

function isText(value: Json | undefined): value is string | null {
  return typeof value === 'string' || value === null;
}

function isNumber(value: Json | undefined): value is number | null {
  return typeof value === 'number' || value === null;
}

function countOf(event: Event): number {
  let count = 0;
  for (const _ in event) count++;
  return count;
}
