/** The record of one worker: what its events said of it, in Celery's names. */
import type { Audit } from './audit.ts';
import type { Json, Seconds } from './event.ts';

/** One worker. Fields are those of `celery.events.state.Worker` (Celery 5.2). See `Task` for values that do not fit. */
export interface Worker {
  readonly kind: 'worker';
  /** Node name, `name@host`. */
  readonly hostname: string;
  pid: number | null;
  /** Seconds between heartbeats. */
  freq: Seconds | null;
  /** The latest heartbeats, at most four, oldest first. Empty after `worker-offline`. */
  heartbeats: Seconds[];
  clock: number | null;
  active: number | null;
  processed: number | null;
  loadavg: readonly number[] | null;
  sw_ident: string | null;
  sw_ver: string | null;
  sw_sys: string | null;
  /** Every other field of its events; null when there are none. */
  extra: Record<string, Json> | null;
  /** The process behind the name, as the `strict` reducer knows it; null for the `celery` reducer. */
  incarnation: Incarnation | null;
}

/** One process under a node name. Times are the sender's. */
export interface Incarnation {
  readonly pid: number | null;
  /** Its first event that is known. */
  readonly since: Seconds;
  /** The latest time that any event of it told. */
  reached: Seconds;
  /** Clock of its latest worker event. */
  clock: number;
  /** Its `worker-offline`, unless it was heard of again. */
  goodbye: { readonly clock: number; readonly at: Seconds } | null;
  readonly audit: Audit;
}

/** `freq` of a worker that has not told it: Celery's default, in seconds. */
const DEFAULT_FREQ: Seconds = 60;

/** A heartbeat is missing when it is later than this many times `freq` (Celery's `HEARTBEAT_EXPIRE_WINDOW`, 200 %). */
const EXPIRE_WINDOW = 2;

const MAX_HEARTBEATS = 4;

/** A worker of which nothing is known yet, with Celery's defaults. All fields in one literal: one hidden class for all. */
export function createWorker(hostname: string): Worker {
  return {
    kind: 'worker',
    hostname,
    pid: null,
    freq: DEFAULT_FREQ,
    heartbeats: [],
    clock: 0,
    active: null,
    processed: null,
    loadavg: null,
    sw_ident: null,
    sw_ver: null,
    sw_sys: null,
    extra: null,
    incarnation: null,
  };
}

/** The names under which `extra` may hold a value that does not fit the field of that name. */
export const WORKER_FIELDS: ReadonlySet<string> = new Set(
  Object.keys(createWorker('')).filter((field) => !['kind', 'extra', 'incarnation'].includes(field)),
);

/**
 * Adds a sign of life. When four are held the first is dropped, even if the new one is older than the rest
 * (`Worker.event` in celery/events/state.py).
 */
export function addHeartbeat(worker: Worker, time: Seconds): void {
  const { heartbeats } = worker;
  if (heartbeats.length < MAX_HEARTBEATS) {
    let i = heartbeats.push(time) - 1;
    for (; i > 0 && time < (heartbeats[i - 1] as Seconds); i--) heartbeats[i] = heartbeats[i - 1] as Seconds;
    heartbeats[i] = time;
    return;
  }
  let i = 0;
  for (; i < MAX_HEARTBEATS - 1 && (heartbeats[i + 1] as Seconds) <= time; i++)
    heartbeats[i] = heartbeats[i + 1] as Seconds;
  heartbeats[i] = time;
}

/** Epoch seconds from which the worker counts as lost; null when it has no heartbeats. */
export function heartbeatExpires(worker: Worker): Seconds | null {
  const last = worker.heartbeats.at(-1);
  return last === undefined ? null : last + (worker.freq ?? DEFAULT_FREQ) * EXPIRE_WINDOW;
}

/** @param now epoch seconds */
export function isAlive(worker: Worker, now: Seconds): boolean {
  const expires = heartbeatExpires(worker);
  return expires !== null && now < expires;
}

export type WorkerStatus = 'ONLINE' | 'OFFLINE';

/** Celery's `status_string`. @param now epoch seconds */
export function statusOf(worker: Worker, now: Seconds): WorkerStatus {
  return isAlive(worker, now) ? 'ONLINE' : 'OFFLINE';
}
