/** An interval in which events may have been missed. A monitor that has gaps and does not say so is wrong. */
import type { Seconds } from './event.ts';

export const GAP_CAUSES = [
  /** The connection to the broker was down and nothing kept the events meanwhile (guest mode). */
  'disconnect',
  /** celerycam itself was not running and nothing kept the events meanwhile. */
  'recorder-down',
  /** The durable queue was deleted, so what it held and would have held is gone. */
  'queue-lost',
  /** This process stood still for longer than the queue keeps a message. */
  'ttl',
  /** The database was too slow or down for longer than the receive buffer lasts (guest mode). */
  'buffer-full',
  /** Workers count more tasks than their events told of. */
  'heartbeat-audit',
] as const;

export type GapCause = (typeof GAP_CAUSES)[number];

export interface Gap {
  readonly cluster: string;
  readonly cause: GapCause;
  /** The last moment at which nothing was missing, epoch seconds. */
  readonly started_at: Seconds;
  /** The first moment from which nothing is missing again. */
  readonly ended_at: Seconds;
  /** How many events are believed missing; null where nobody can know. */
  readonly estimate: number | null;
  /** One sentence for a person. */
  readonly detail: string;
}
