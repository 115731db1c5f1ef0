/**
 * Workers of the `strict` reducer, by incarnation: a worker is a node name, an incarnation one process under it.
 *
 * What an incarnation says counts in the order of its own clock: a worker event that is older than one already folded
 * tells nothing, so neither a late nor a repeated heartbeat raises a worker that said goodbye. Another process takes
 * the name over when its event is younger than all that is known of the one before; else it is of the past.
 * Events of tasks are signs of life, too, when a worker's main process sends them. Those of clients and of pool children
 * are not, and nothing but a worker's own event makes a worker.
 */
import { countStarted, createAudit, noteProcessed } from './audit.ts';
import type { Event, Seconds } from './event.ts';
import type { Fact } from './life.ts';
import { addWorker, type State } from './memory.ts';
import type { Incarnation, Worker } from './worker.ts';

/** What only workers send. Anybody may send `worker-note`. */
const FROM_WORKERS: ReadonlySet<string> = new Set(['worker-online', 'worker-heartbeat', 'worker-offline']);

/** Folds a `worker-…` event. */
export function foldStrictWorker(state: State, event: Event, local_received: Seconds): Worker | null {
  const { type, hostname, pid, clock, timestamp, processed } = event;
  if (!FROM_WORKERS.has(type) || typeof hostname !== 'string') {
    state.event_count++;
    return null;
  }
  const at = typeof timestamp === 'number' ? timestamp : local_received;
  const worker = state.workers.get(hostname) ?? addWorker(state, hostname);
  const incarnation = incarnationOf(worker, typeof pid === 'number' ? pid : null, at);
  // Without a clock an event can only be taken for the next one.
  const time = typeof clock === 'number' ? clock : (incarnation?.clock ?? 0) + 1;
  if (incarnation === null || time <= incarnation.clock) return null;
  state.event_count++;
  incarnation.clock = time;
  incarnation.goodbye = type === 'worker-offline' ? { clock: time, at } : null;
  noteSeen(worker, incarnation, at, local_received);
  tell(worker, incarnation, event);
  if (typeof processed === 'number') {
    const loss = noteProcessed(incarnation.audit, { clock: time, processed, at: local_received });
    if (loss) state.losses.push({ hostname, ...loss });
  }
  return worker;
}

/** A task's event as a sign of life of the worker that sent it, and as one that its heartbeats have to account for. */
export function noteSignOfLife(state: State, fact: Fact): void {
  const { hostname, pid } = fact.process;
  const worker = state.workers.get(hostname);
  const incarnation = worker?.incarnation;
  if (!worker || !incarnation || incarnation.pid !== pid || fact.subject === 'sent') return;
  if (incarnation.goodbye && fact.clock > incarnation.goodbye.clock) incarnation.goodbye = null;
  noteSeen(worker, incarnation, fact.timestamp, fact.arrived);
  if (fact.subject === 'started') countStarted(incarnation.audit, fact.clock);
}

/** The incarnation that an event is of; null when it is of one that was replaced. */
function incarnationOf(worker: Worker, pid: number | null, at: Seconds): Incarnation | null {
  const { incarnation } = worker;
  if (incarnation?.pid === pid) return incarnation;
  if (incarnation && at <= incarnation.reached) return null;
  worker.incarnation = { pid, since: at, reached: at, clock: 0, goodbye: null, audit: createAudit() };
  worker.heartbeats = [];
  worker.active = null;
  worker.processed = null;
  worker.loadavg = null;
  return worker.incarnation;
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
