/**
 * The `strict` reducer: what really happened. It turns each event of a task into a fact, lets `life.ts` put the facts in
 * their true order, and shows the latest run on the task's record.
 */
import type { Event, Json, Seconds } from './event.ts';
import { type Attempt, createLife, type Fact, type Life, live, type Process, type Said } from './life.ts';
import {
  addTask,
  joinParent,
  leaveParent,
  noteReady,
  parentOf,
  type State,
  shareName,
  takeChildren,
} from './memory.ts';
import type { Change, Reducer } from './reducer.ts';
import { FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS } from './states.ts';
import { foldStrictWorker, noteSignOfLife } from './strict-worker.ts';
import { isReady, lifeOf, type Task } from './task.ts';

/** The state that an end leaves behind. */
const END_STATES: ReadonlyMap<string, string> = new Map([
  ['succeeded', SUCCESS],
  ['failed', FAILURE],
  ['retried', RETRY],
  ['revoked', REVOKED],
  ['rejected', REJECTED],
  ['cancelled', 'CANCELLED'],
]);

/** Fields of every event that say who sent it and when: they are the fact itself, not what it says. */
const ENVELOPE: ReadonlySet<string> = new Set([
  ...['type', 'uuid', 'hostname', 'pid', 'clock', 'timestamp', 'utcoffset', 'local_received'],
]);

const CALL_TEXTS = [
  'name',
  'args',
  'kwargs',
  'eta',
  'expires',
  'root_id',
  'parent_id',
  'exchange',
  'routing_key',
] as const;

/** The fields that an event of this subject sets, by their type; what else it carries goes to `extra`. */
const CALL: ReadonlyMap<string, 'string' | 'number'> = new Map([
  ...CALL_TEXTS.map((field) => [field, 'string'] as const),
  ['retries', 'number'],
]);
const SUCCEEDED: ReadonlyMap<string, 'string' | 'number'> = new Map([
  ['result', 'string'],
  ['runtime', 'number'],
]);
const RAISED: ReadonlyMap<string, 'string' | 'number'> = new Map([
  ['exception', 'string'],
  ['traceback', 'string'],
]);
const NONE: ReadonlyMap<string, 'string' | 'number'> = new Map();
const FIELDS_OF: ReadonlyMap<string, ReadonlyMap<string, 'string' | 'number'>> = new Map([
  ['sent', CALL],
  ['received', CALL],
  ['succeeded', SUCCEEDED],
  ['failed', RAISED],
  ['retried', RAISED],
]);

/** Processes known by name, so that their facts share them; emptied when full. */
const MAX_PROCESSES = 100_000;

export function createStrict(): Reducer {
  const processes = new Map<string, Map<number | null, Process>>();
  let known = 0;

  function processOf(hostname: string, pid: number | null, hasClock: boolean): Process {
    // Without a clock nothing tells where among its process's events this one stands: those are a sequence of their own.
    const name = hasClock ? hostname : `${hostname}?`;
    let ofHost = processes.get(name);
    let process = ofHost?.get(pid);
    if (process) return process;
    if (known++ >= MAX_PROCESSES) {
      processes.clear();
      known = 1;
      ofHost = undefined;
    }
    process = { hostname, pid, key: `${name} ${pid}` };
    if (ofHost) ofHost.set(pid, process);
    else processes.set(name, new Map([[pid, process]]));
    return process;
  }

  function foldTask(state: State, event: Event, local_received: Seconds): Change {
    const { uuid, hostname, pid, clock, timestamp } = event;
    if (typeof uuid !== 'string' || typeof hostname !== 'string') return null;
    const subject = event.type.slice(5);
    const time = typeof clock === 'number' && clock > 0 ? clock : 0;
    const at = typeof timestamp === 'number' ? timestamp : local_received;
    const fact: Fact = {
      subject,
      process: processOf(hostname, typeof pid === 'number' ? pid : null, time > 0),
      clock: time,
      timestamp: at,
      arrived: local_received,
      reached: at,
      said: saidBy(state, subject, event),
    };
    const task = state.tasks.get(uuid) ?? addTask(state, uuid);
    const life = lifeOf(task) ?? createLife();
    task.life = life;
    const effect = live(life, fact);
    if (effect.kind === 'same' || effect.kind === 'too-old') return null;
    state.event_count++;
    if (subject === 'received') state.task_count++;
    noteSignOfLife(state, fact);
    show(state, task, life);
    return task;
  }

  return {
    fold(state, event, local_received) {
      if (event.type.startsWith('task-')) return foldTask(state, event, local_received);
      if (event.type.startsWith('worker-')) return foldStrictWorker(state, event, local_received);
      state.event_count++;
      return null;
    },
  };
}

/** What an event says beside who sent it and when; null when that is nothing. */
function saidBy(state: State, subject: string, event: Event): Said | null {
  const fields = FIELDS_OF.get(subject) ?? NONE;
  let said: { -readonly [K in keyof Said]: Said[K] } | null = null;
  for (const key in event) {
    if (ENVELOPE.has(key)) continue;
    const value = event[key] as Json;
    if (value === null) continue;
    said ??= { extra: null };
    if (fields.get(key) === typeof value) (said as Record<string, Json>)[key] = shared(state, key, value);
    else {
      said.extra ??= Object.create(null) as Record<string, Json>;
      (said.extra as Record<string, Json>)[key] = value;
    }
  }
  return said;
}

function shared(state: State, key: string, value: Json): Json {
  if (key === 'name') return shareName(state, value as string);
  return typeof value === 'string' ? state.indexes.texts.share(value) : value;
}

/** Puts the latest run on the record. */
function show(state: State, task: Task, life: Life): void {
  const parentBefore = parentOf(state, task);
  const wasReady = isReady(task);
  const attempt = life.attempts.at(-1) ?? null;
  const { sent } = life;
  showCall(task, attempt?.received?.said ?? lastReceived(life)?.said ?? null, sent?.said ?? null);
  const end = attempt?.end ?? null;
  const latest = end ?? attempt?.custom ?? attempt?.started ?? attempt?.received ?? sent;
  task.state = attempt ? stateOfAttempt(attempt) : PENDING;
  task.timestamp = latest?.timestamp ?? null;
  task.clock = latest?.clock ?? 0;
  task.client = sent?.process.hostname ?? null;
  task.worker = attempt ? ((attempt.process ?? latest?.process)?.hostname ?? null) : null;
  task.sent = sent?.timestamp ?? null;
  task.received = attempt?.received?.timestamp ?? null;
  task.started = attempt?.started?.timestamp ?? null;
  task.succeeded = timeOf(end, 'succeeded');
  task.failed = timeOf(end, 'failed');
  task.retried = timeOf(end, 'retried');
  task.revoked = timeOf(end, 'revoked');
  task.rejected = timeOf(end, 'rejected');
  task.result = end?.said?.result ?? null;
  task.runtime = end?.said?.runtime ?? null;
  task.exception = end?.said?.exception ?? null;
  task.traceback = end?.said?.traceback ?? null;
  task.extra = extraOf(sent, attempt);
  if (isReady(task) !== wasReady) noteReady(state, task);
  const parent = parentOf(state, task);
  if (parentBefore !== null && parentBefore !== parent) leaveParent(state, task, parentBefore);
  if (parent !== null && parent !== task.uuid) joinParent(state, task, parent);
  takeChildren(state, task);
}

/** What was called: as its worker received it, else as its client sent it. */
function showCall(task: Task, received: Said | null, sent: Said | null): void {
  task.name = received?.name ?? sent?.name ?? null;
  task.args = received?.args ?? sent?.args ?? null;
  task.kwargs = received?.kwargs ?? sent?.kwargs ?? null;
  task.eta = received?.eta ?? sent?.eta ?? null;
  task.expires = received?.expires ?? sent?.expires ?? null;
  task.retries = received?.retries ?? sent?.retries ?? null;
  task.root_id = received?.root_id ?? sent?.root_id ?? null;
  task.parent_id = received?.parent_id ?? sent?.parent_id ?? null;
  task.exchange = sent?.exchange ?? received?.exchange ?? null;
  task.routing_key = sent?.routing_key ?? received?.routing_key ?? null;
}

function lastReceived({ attempts }: Life): Fact | null {
  return attempts.findLast(({ received }) => received !== null)?.received ?? null;
}

export function stateOfAttempt({ end, custom, started, received }: Attempt): string {
  if (end) return END_STATES.get(end.subject) ?? FAILURE;
  if (custom) return custom.subject.toUpperCase();
  if (started) return STARTED;
  return received ? RECEIVED : PENDING;
}

function timeOf(end: Fact | null, subject: string): Seconds | null {
  return end?.subject === subject ? end.timestamp : null;
}

function extraOf(sent: Fact | null, attempt: Attempt | null): Record<string, Json> | null {
  let extra: Record<string, Json> | null = null;
  for (const fact of [sent, attempt?.received, attempt?.started, attempt?.custom, attempt?.end]) {
    if (fact?.said?.extra) extra = Object.assign(extra ?? Object.create(null), fact.said.extra);
  }
  return extra;
}
