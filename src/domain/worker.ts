/** The record of one worker: what its events said of it, in Celery's names. */
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
}
