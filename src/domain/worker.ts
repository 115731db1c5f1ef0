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

/** One process under a node name. Times are the sender's, but never later than the arrival of what told them. */
export interface Incarnation {
  readonly pid: number | null;
  /** Its first event that is known. */
  readonly since: Seconds;
  /** The latest time that any event of it told. */
  reached: Seconds;
  /** Clock of its latest worker event; 0 before the first. */
  clock: number;
  /** It has sent a heartbeat by itself, not only been asked for one. */
  beats: boolean;
  /** Its `worker-offline`, with the number of tasks that it was still executing. */
  goodbye: { readonly clock: number; readonly at: Seconds; readonly active: number } | null;
  /** The process that had the name before. */
  readonly before: { readonly pid: number | null; readonly reached: Seconds } | null;
  /** Two processes use the name at once, so that neither takes the place of the other. */
  readonly contested: boolean;
  /** Sender's time less time of arrival of its latest worker events, newest last; at most `MAX_SKEWS`. */
  skews: Seconds[];
  readonly audit: Audit;
}

/** How many worker events the clock skew of a host is judged by. */
export const MAX_SKEWS = 8;

/**
 * Seconds by which the clock of the worker's host is ahead of ours (behind: negative), as the latest worker events tell;
 * too low by the time that the quickest of them was on its way. Null where none tells. For people: it orders nothing.
 */
export function skewOf({ incarnation }: Worker): Seconds | null {
  return incarnation && incarnation.skews.length > 0 ? Math.max(...incarnation.skews) : null;
}

/** `freq` of a worker that has not told it: Celery's default, in seconds. */
export const DEFAULT_FREQ: Seconds = 60;

/** A heartbeat is missing when it is later than this many times `freq` (Celery's `HEARTBEAT_EXPIRE_WINDOW`, 200 %). */
export const EXPIRE_WINDOW = 2;

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

/** `SUSPECT`: late, but not lost yet. See `liveness.ts`. */
export type WorkerStatus = 'ONLINE' | 'SUSPECT' | 'OFFLINE';

/** Celery's `status_string`. @param now epoch seconds */
export function statusOf(worker: Worker, now: Seconds): 'ONLINE' | 'OFFLINE' {
  return isAlive(worker, now) ? 'ONLINE' : 'OFFLINE';
}
