/**
 * Workers of the `strict` reducer, by incarnation: a worker is a node name, an incarnation one process under it.
 *
 * What an incarnation says counts in the order of its own clock: a worker event that is older than one already folded
 * tells nothing, so neither a late nor a repeated heartbeat raises a worker that said goodbye. Another process takes
 * the name over when its event is younger than all that is known of the one before; else it is of the past. In containers
 * it may well have the same pid: then its clock, or its count of tasks, gives it away.
 *
 * Events of tasks are signs of life, too, when a worker's main process sends them. Those of clients and of pool children
 * are not, and make no worker.
 */
import { countHeartbeat, countStarted, createAudit } from './audit.ts';
import type { Event, Seconds } from './event.ts';
import { type Fact, isKnown } from './fact.ts';
import { addWorker, type State } from './memory.ts';
import { type Incarnation, MAX_SKEWS, type Worker } from './worker.ts';

/** What only workers send. Anybody may send `worker-note`. */
const FROM_WORKERS: ReadonlySet<string> = new Set(['worker-online', 'worker-heartbeat', 'worker-offline']);

/** No process is started, with the pid of one that has just ended, within this time. */
const RESTART: Seconds = 1;

/** Folds a `worker-…` event. */
export function foldStrictWorker(state: State, event: Event, local_received: Seconds): Worker | null {
  const { type, hostname, timestamp } = event;
  if (!FROM_WORKERS.has(type) || typeof hostname !== 'string') {
    state.event_count++;
    return null;
  }
  const sent = numberOf(timestamp);
  const at = Math.min(sent ?? local_received, local_received);
  const worker = state.workers.get(hostname) ?? addWorker(state, hostname);
  const processed = numberOf(event.processed);
  const incarnation = incarnationOf(worker, { pid: numberOf(event.pid), clock: numberOf(event.clock), at, processed });
  // Without a clock an event can only be taken for the next one.
  const clock = numberOf(event.clock) ?? (incarnation?.clock ?? 0) + 1;
  if (incarnation === null || clock <= incarnation.clock) return null;
  state.event_count++;
  incarnation.clock = clock;
  const active = numberOf(event.active);
  incarnation.goodbye = type === 'worker-offline' ? { clock, at, active: active ?? 0 } : null;
  if (sent !== null && incarnation.skews.push(sent - local_received) > MAX_SKEWS) incarnation.skews.shift();
  noteSeen(worker, incarnation, at, local_received);
  tell(worker, incarnation, event);
  if (processed === null) return worker;
  incarnation.beats = true;
  const loss = countHeartbeat(incarnation.audit, { clock, processed, active, at, arrived: local_received });
  if (loss) state.losses.push({ hostname, ...loss });
  return worker;
}

/**
 * A task's event as a sign of life of the worker that sent it, and as one that its heartbeats have to account for. It does
 * not take back a goodbye: in a warm shutdown a worker says that first, and finishes its tasks then.
 */
export function noteSignOfLife(state: State, fact: Fact): void {
  const { subject, clock, arrived } = fact;
  if (subject === 'sent' || !isKnown(subject)) return;
  const { hostname, pid } = fact.process;
  const at = Math.min(fact.timestamp, arrived);
  const worker = state.workers.get(hostname) ?? addWorker(state, hostname);
  const incarnation = incarnationOf(worker, { pid, clock: clock > 0 ? clock : null, at, processed: null });
  if (incarnation === null) return;
  worker.pid = pid;
  noteSeen(worker, incarnation, at, arrived);
  if (subject === 'started') countStarted(incarnation.audit, clock);
}

/** What an event tells of the process that sent it. */
interface Sign {
  readonly pid: number | null;
  readonly clock: number | null;
  readonly at: Seconds;
  readonly processed: number | null;
}

/** The incarnation that an event is of, a new one where it is the first of it; null when it is of one that was replaced. */
function incarnationOf(worker: Worker, sign: Sign): Incarnation | null {
  const { pid, at } = sign;
  const known = worker.incarnation;
  if (known?.pid === pid) {
    if (known.before?.pid === pid && at <= known.before.reached) return null;
    if (!isRestart(worker, known, sign)) return known;
  } else if (known && at <= known.reached) return null;
  worker.incarnation = {
    ...{ pid, since: at, reached: at, clock: 0, beats: false, goodbye: null, skews: [], audit: createAudit() },
    before: known && { pid: known.pid, reached: known.reached },
    contested: known !== null && known.pid !== pid && known.before?.pid === pid,
  };
  worker.heartbeats = [];
  worker.active = null;
  worker.processed = null;
  worker.loadavg = null;
  return worker.incarnation;
}

/** Another process with the same pid: its clock began anew, or came from its neighbours and its count began anew. */
function isRestart(worker: Worker, known: Incarnation, { clock, at, processed }: Sign): boolean {
  if (clock === null) return false;
  if (clock <= known.clock) return at > known.reached + RESTART;
  return processed !== null && worker.processed !== null && processed < worker.processed;
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && !Number.isNaN(value) ? value : null;
}

function noteSeen(worker: Worker, incarnation: Incarnation, at: Seconds, arrived: Seconds): void {
  if (at > incarnation.reached) incarnation.reached = at;
  const last = worker.heartbeats[0];
  if (last === undefined || arrived > last) worker.heartbeats[0] = arrived;
}

function tell(worker: Worker, incarnation: Incarnation, event: Event): void {
  const { freq, active, processed, loadavg, sw_ident, sw_ver, sw_sys, utcoffset } = event;
  worker.pid = incarnation.pid;
  worker.clock = incarnation.clock;
  // The answer to a wake-up lacks the load, and its freq is not the worker's own (PROTOCOL A.7).
  const isAnswer = active === undefined && processed === undefined;
  if (typeof freq === 'number' && !(isAnswer && worker.processed !== null)) worker.freq = freq;
  if (typeof active === 'number') worker.active = active;
  if (typeof processed === 'number') worker.processed = processed;
  if (Array.isArray(loadavg) && loadavg.every((load) => typeof load === 'number')) worker.loadavg = loadavg;
  if (typeof sw_ident === 'string') worker.sw_ident = sw_ident;
  if (typeof sw_ver === 'string') worker.sw_ver = sw_ver;
  if (typeof sw_sys === 'string') worker.sw_sys = sw_sys;
  if (typeof utcoffset === 'number' && worker.extra?.utcoffset !== utcoffset)
    worker.extra = { ...worker.extra, utcoffset };
}
