/**
 * Whether a worker is there, and what is to be thought of the tasks that it was executing: derived from the records, what
 * could be heard, and the time. Nothing of it is stored.
 *
 * A worker is
 * - `ONLINE` while it was heard of within the last two heartbeats (`2 × freq`: Celery's own measure);
 * - `SUSPECT` when it is later than that: a pool of type `solo` says nothing while it executes a task;
 * - `OFFLINE`, `goodbye` when it said so;
 * - `OFFLINE`, `lost` when it is later than five heartbeats and 30 seconds. Where this monitor was deaf meanwhile, the
 *   worker has 30 seconds more, since it may have lost the same broker and waits longer than we do to come back. One that
 *   never sends heartbeats by itself (`--without-heartbeat`) is not called lost.
 *
 * A task is orphaned when it was being executed (STARTED, or a custom state) by a process that is lost, said goodbye, or
 * was replaced by another one under the same name. What a worker had only received is not: that goes back to the queue.
 * The state stays what it was, since nobody knows the end; the mark goes as soon as the task or its worker is heard of.
 */
import type { Seconds } from './event.ts';
import type { Fact } from './fact.ts';
import { heardSince } from './hearing.ts';
import type { State } from './memory.ts';
import { FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, SUCCESS } from './states.ts';
import { lifeOf, type Task } from './task.ts';
import { DEFAULT_FREQ, EXPIRE_WINDOW, type Incarnation, statusOf, type Worker, type WorkerStatus } from './worker.ts';

export interface Liveness {
  readonly status: WorkerStatus;
  /** Why it is OFFLINE. */
  readonly reason: 'goodbye' | 'lost' | null;
  /** ONLINE: since when its process is known. Else when it said goodbye, or was last heard of. Null for the `celery` reducer. */
  readonly since: Seconds | null;
}

export interface Orphaned {
  /** When its worker was last heard of, said goodbye, or was replaced. */
  readonly at: Seconds;
  readonly reason: 'goodbye' | 'lost' | 'replaced';
}

/** A worker is lost when so many of its heartbeats did not come, … */
const LOST_HEARTBEATS = 5;
/** … but a pause of that length, for a garbage collection or a long solo task, may always be. */
const LOST_AFTER: Seconds = 30;
/** Celery waits up to so long between two attempts to reach its broker again. */
const COMING_BACK: Seconds = 30;

const CELERY: Readonly<Record<'ONLINE' | 'OFFLINE', Liveness>> = {
  ONLINE: { status: 'ONLINE', reason: null, since: null },
  OFFLINE: { status: 'OFFLINE', reason: null, since: null },
};

/** STARTED and custom states are left. `CANCELLED` is what `task-cancelled` leads to, an end of Celery's own. */
const NOT_EXECUTING: ReadonlySet<string> = new Set([
  ...[PENDING, RECEIVED, SUCCESS, FAILURE, RETRY, REVOKED, REJECTED, 'CANCELLED'],
]);

/** With the `celery` reducer exactly Celery's two-valued `status_string`. @param now epoch seconds */
export function livenessOf(worker: Worker, state: State, now: Seconds): Liveness {
  const { incarnation } = worker;
  if (incarnation === null) return CELERY[statusOf(worker, now)];
  if (incarnation.goodbye) return { status: 'OFFLINE', reason: 'goodbye', since: incarnation.goodbye.at };
  const lateness = latenessOf(worker, incarnation, state, now);
  if (lateness === 'none') return { status: 'ONLINE', reason: null, since: incarnation.since };
  const since = worker.heartbeats[0] ?? incarnation.since;
  return lateness === 'late'
    ? { status: 'SUSPECT', reason: null, since }
    : { status: 'OFFLINE', reason: 'lost', since };
}

function latenessOf(worker: Worker, incarnation: Incarnation, state: State, now: Seconds): 'none' | 'late' | 'lost' {
  const { seconds, interrupted } = heardSince(state.hearing, worker.heartbeats[0] ?? incarnation.since, now);
  const freq = worker.freq !== null && worker.freq > 0 ? worker.freq : DEFAULT_FREQ;
  if (seconds < freq * EXPIRE_WINDOW) return 'none';
  const lost = Math.max(LOST_AFTER, freq * LOST_HEARTBEATS) + (interrupted ? COMING_BACK : 0);
  return incarnation.beats && seconds >= lost ? 'lost' : 'late';
}

export function sameLiveness(a: Liveness, b: Liveness): boolean {
  return a.status === b.status && a.reason === b.reason && a.since === b.since;
}

/** Null when it is not orphaned, or nobody knows. @param now epoch seconds */
export function orphanOf(task: Task, state: State, now: Seconds): Orphaned | null {
  const executing = executingFact(task);
  if (!executing) return null;
  const worker = state.workers.get(executing.process.hostname);
  const incarnation = worker?.incarnation;
  if (!worker || !incarnation) return null;
  if (isReplaced(executing, incarnation)) return { at: incarnation.since, reason: 'replaced' };
  if (executing.process.pid !== incarnation.pid) return null;
  const { goodbye } = incarnation;
  if (goodbye) {
    // In a warm shutdown a worker says goodbye first and then finishes what it has: it is given as long as a silent one.
    const isDone = goodbye.active === 0 || latenessOf(worker, incarnation, state, now) === 'lost';
    return isDone ? { at: goodbye.at, reason: 'goodbye' } : null;
  }
  const { reason, since } = livenessOf(worker, state, now);
  return reason === 'lost' && since !== null ? { at: since, reason } : null;
}

/**
 * Why a task that is being executed may never end although its worker lives; null where there is no ground to doubt.
 * Certain, since a worker counts what it executes (`active`): it had nothing to do long after the task had started.
 */
export function doubtOf(task: Task, state: State): string | null {
  const executing = executingFact(task);
  const incarnation = executing && state.workers.get(executing.process.hostname)?.incarnation;
  if (!incarnation || incarnation.pid !== executing.process.pid || isReplaced(executing, incarnation)) return null;
  return executing.subject === 'started' && executing.clock < incarnation.audit.idle
    ? 'its worker has told since that it executes nothing: the task raised Ignore, or was replaced, or its end was missed'
    : null;
}

/** The tasks in memory that are being executed under one of these node names, as far as is known. */
export function* executedBy(state: State, hostnames: ReadonlySet<string>): Generator<Task, void, undefined> {
  for (const task of state.tasks.values()) {
    const executing = executingFact(task);
    if (executing && hostnames.has(executing.process.hostname)) yield task;
  }
}

/** Whether it is being executed, as far as is known: only then may time alone make it orphaned or doubtful. */
export function isExecuting(task: Task): boolean {
  return executingFact(task) !== null;
}

/** What tells which process executes the task, and since when; null when none does. */
function executingFact(task: Task): Fact | null {
  if (NOT_EXECUTING.has(task.state)) return null;
  const attempt = lifeOf(task)?.attempts.at(-1);
  if (!attempt || attempt.end !== null) return null;
  // The start itself may have been missed.
  return attempt.started ?? (attempt.custom && attempt.received);
}

/** The process ended: another one has its name, and it was there before that one. */
function isReplaced({ process, timestamp, arrived }: Fact, incarnation: Incarnation): boolean {
  const { pid, since, before, contested } = incarnation;
  const started = Math.min(timestamp, arrived);
  if (contested || started >= since) return false;
  return process.pid !== pid || (before !== null && before.pid === pid && started <= before.reached);
}
