/** Makes a fact of an event: who sent it and when, and what it says in fields of the right type. */
import type { Event, Json, Seconds } from './event.ts';
import { type Call, type Fact, KNOWN_SUBJECTS, type Process, type Said } from './fact.ts';

/** Processes known by name, so that their facts share them; emptied when full. */
const MAX_PROCESSES = 100_000;

/** There are about a dozen types, but anybody may send any. */
const MAX_SUBJECTS = 1_000;

/** Fields of every event that say who sent it and when: they are the fact itself, not what it says. */
const ENVELOPE = ['type', 'uuid', 'hostname', 'pid', 'clock', 'timestamp', 'utcoffset', 'local_received'];
const CALL = ['name', 'args', 'kwargs', 'eta', 'expires', 'root_id', 'parent_id', 'exchange', 'routing_key', 'retries'];

/** The fields that an event of this subject sets; what else it carries goes to `extra`. */
const FIELDS_OF: ReadonlyMap<string, readonly string[]> = new Map([
  ['sent', CALL],
  ['received', CALL],
  ['succeeded', ['result', 'runtime']],
  ['failed', ['exception', 'traceback']],
  ['retried', ['exception', 'traceback']],
]);
const NUMBERS: ReadonlySet<string> = new Set(['retries', 'runtime']);

/**
 * @param texts gives equal texts the same memory
 * @param known what is in memory of the task already: most name themselves as their root, and their call is told twice
 */
export type ToFact = (event: Event, local_received: Seconds, texts: Sharing, known?: Known) => Fact | null;

export interface Known {
  readonly uuid: string;
  readonly call: Call | null;
}

/** `Texts`, or anything else that gives equal texts. */
interface Sharing {
  share(text: string): string;
}

/** Leaves texts as they are. */
export const UNSHARED: Sharing = { share: (text) => text };

/** A function that makes facts of task events; null of one that names no task or no sender. */
export function createFacts(): ToFact {
  const processes = new Map<string, Process>();
  /** By host: nearly all events of one come from one process. */
  const latestOf = new Map<string, Process>();
  const subjects = new Map<string, string>(Array.from(KNOWN_SUBJECTS, (subject) => [`task-${subject}`, subject]));

  function processOf(hostname: string, pid: number | null, hasClock: boolean): Process {
    // Without a clock nothing tells where among its process's events this one stands: those are a sequence of their own.
    const name = hasClock ? hostname : `${hostname}?`;
    const latest = latestOf.get(name);
    if (latest?.pid === pid) return latest;
    const key = `${name} ${pid}`;
    let process = processes.get(key);
    if (!process) {
      if (processes.size >= MAX_PROCESSES) {
        processes.clear();
        latestOf.clear();
      }
      process = { hostname, pid, key };
      processes.set(key, process);
    }
    latestOf.set(name, process);
    return process;
  }

  function subjectOf(type: string): string {
    let subject = subjects.get(type);
    if (subject === undefined) {
      subject = type.slice('task-'.length);
      if (subjects.size < MAX_SUBJECTS) subjects.set(type, subject);
    }
    return subject;
  }

  return (event, local_received, texts, known) => {
    const { uuid, hostname, pid, clock, timestamp } = event;
    if (typeof uuid !== 'string' || typeof hostname !== 'string') return null;
    const subject = subjectOf(event.type);
    const time = typeof clock === 'number' && clock > 0 && clock < Number.POSITIVE_INFINITY ? clock : 0;
    const at = typeof timestamp === 'number' && Number.isFinite(timestamp) ? timestamp : local_received;
    return {
      subject,
      process: processOf(hostname, typeof pid === 'number' ? pid : null, time > 0),
      clock: time,
      timestamp: at,
      arrived: local_received,
      call: callOf(event, subject, texts, known ?? { uuid, call: null }),
      said: saidBy(event, subject, texts),
    };
  };
}

/** What an event says was called: the call that is known where it is the same. */
function callOf(event: Event, subject: string, texts: Sharing, { uuid, call }: Known): Call | null {
  if (subject !== 'sent' && subject !== 'received') return null;
  if (call !== null && isCall(event, call)) return call;
  return {
    name: textOf(event.name, texts),
    args: textOf(event.args, texts),
    kwargs: textOf(event.kwargs, texts),
    eta: textOf(event.eta, texts),
    expires: textOf(event.expires, texts),
    retries: numberOf(event.retries),
    root_id: event.root_id === uuid ? uuid : textOf(event.root_id, texts),
    parent_id: event.parent_id === uuid ? uuid : textOf(event.parent_id, texts),
  };
}

function isCall(event: Event, call: Call): boolean {
  return (
    call.args === textOf(event.args) &&
    call.retries === numberOf(event.retries) &&
    call.name === textOf(event.name) &&
    call.kwargs === textOf(event.kwargs) &&
    call.eta === textOf(event.eta) &&
    call.expires === textOf(event.expires) &&
    call.root_id === textOf(event.root_id) &&
    call.parent_id === textOf(event.parent_id)
  );
}

/** What an event says else; null when that is nothing. One literal for each kind of event, so that each has few hidden classes. */
function saidBy(event: Event, subject: string, texts: Sharing): Said | null {
  const extra = extraOf(event, subject);
  switch (subject) {
    case 'sent':
    case 'received': {
      const exchange = textOf(event.exchange, texts);
      const routing_key = textOf(event.routing_key, texts);
      if (exchange === undefined && routing_key === undefined && extra === null) return null;
      return { exchange, routing_key, extra };
    }
    case 'succeeded':
      return { result: textOf(event.result, texts), runtime: numberOf(event.runtime), extra };
    case 'failed':
    case 'retried':
      return { exception: textOf(event.exception, texts), traceback: textOf(event.traceback, texts), extra };
    default:
      return extra && { extra };
  }
}

function textOf(value: Json | undefined, texts = UNSHARED): string | undefined {
  return typeof value === 'string' ? texts.share(value) : undefined;
}

function numberOf(value: Json | undefined): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

/** Every field that is neither who and when nor where it belongs; null when there is none. */
function extraOf(event: Event, subject: string): Record<string, Json> | null {
  // Nearly all events have nothing of the kind: counting their fields is much cheaper than looking each up.
  let others = -envelopeCount(event) - ownCount(event, subject);
  for (const _ in event) others++;
  if (others === 0) return null;
  if (others === 1 && subject === 'sent' && typeof event.queue === 'string') return { queue: event.queue }; // as Celery's do
  const fields = FIELDS_OF.get(subject);
  let extra: Record<string, Json> | null = null;
  for (const key in event) {
    const value = event[key] as Json;
    if (value === null || ENVELOPE.includes(key) || (fields?.includes(key) && isOf(value, key))) continue;
    extra ??= {};
    // By assignment this one name would change what the object is.
    if (key === '__proto__')
      Object.defineProperty(extra, key, { value, enumerable: true, writable: true, configurable: true });
    else extra[key] = value;
  }
  return extra;
}

function envelopeCount(event: Event): number {
  return (
    3 + // type, uuid, hostname
    Number(event.pid !== undefined) +
    Number(event.clock !== undefined) +
    Number(event.timestamp !== undefined) +
    Number(event.utcoffset !== undefined) +
    Number(event.local_received !== undefined)
  );
}

/** How many of an event's fields are where they belong, or null. */
function ownCount(event: Event, subject: string): number {
  switch (subject) {
    case 'sent':
    case 'received':
      return (
        isText(event.name) +
        isText(event.args) +
        isText(event.kwargs) +
        isText(event.eta) +
        isText(event.expires) +
        isText(event.root_id) +
        isText(event.parent_id) +
        isText(event.exchange) +
        isText(event.routing_key) +
        isNumber(event.retries)
      );
    case 'succeeded':
      return isText(event.result) + isNumber(event.runtime);
    case 'failed':
    case 'retried':
      return isText(event.exception) + isText(event.traceback);
    default:
      return 0;
  }
}

/** 1 or 0. */
function isText(value: Json | undefined): number {
  return Number(typeof value === 'string' || value === null);
}

/** 1 or 0. */
function isNumber(value: Json | undefined): number {
  return Number(typeof value === 'number' || value === null);
}

function isOf(value: Json, field: string): boolean {
  return typeof value === (NUMBERS.has(field) ? 'number' : 'string');
}
