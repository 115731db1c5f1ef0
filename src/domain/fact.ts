/** One event of a task, as the `strict` fold keeps it. */
import type { Json, Seconds } from './event.ts';

/** The process that sent an event: a worker's main process, a pool child, or a client. */
export interface Process {
  readonly hostname: string;
  readonly pid: number | null;
  /** What tells processes apart; events without a clock are a sequence of their own. */
  readonly key: string;
}

/** What was called, in Celery's names. A field that the event does not have, or null, is absent. */
export interface Call {
  readonly name?: string | undefined;
  readonly args?: string | undefined;
  readonly kwargs?: string | undefined;
  readonly eta?: string | undefined;
  readonly expires?: string | undefined;
  readonly retries?: number | undefined;
  readonly root_id?: string | undefined;
  readonly parent_id?: string | undefined;
}

/** What an event says beside the call, who sent it and when, in Celery's names. A field that it does not have, or null, is absent. */
export interface Said {
  readonly exchange?: string | undefined;
  readonly routing_key?: string | undefined;
  readonly result?: string | undefined;
  readonly runtime?: Seconds | undefined;
  readonly exception?: string | undefined;
  readonly traceback?: string | undefined;
  /** Every other field. */
  readonly extra: Readonly<Record<string, Json>> | null;
}

/** One event of a task, as the fold keeps it. */
export interface Fact {
  /** The type without `task-`. */
  readonly subject: string;
  readonly process: Process;
  /** The sender's Lamport clock; 0 where it gave none. It orders the events of one process and nothing else. */
  readonly clock: number;
  /** The sender's time: UTC already, whatever `utcoffset` says. */
  readonly timestamp: Seconds;
  /** When this monitor received it first. */
  readonly arrived: Seconds;
  /** Of `sent` and `received`; null for all others. Those of one call share it. */
  readonly call: Call | null;
  /** Null where it says nothing else. */
  readonly said: Said | null;
}

/** Celery's own. */
export const KNOWN_SUBJECTS = [
  ...['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected', 'cancelled'],
] as const;

const CUSTOM = 3;

/** Of facts of different processes that tell the same time, the earlier stage of life comes first. */
export function stage(subject: string): number {
  switch (subject) {
    case 'sent':
      return 0;
    case 'received':
      return 1;
    case 'started':
      return 2;
    case 'succeeded':
    case 'failed':
    case 'retried':
    case 'revoked':
    case 'rejected':
    case 'cancelled':
      return 4;
    default:
      return CUSTOM;
  }
}

/** True of a repeat: an event has no id, but a process gives each its clock and time. Both of one process. */
export function isSame(a: Fact, b: Fact): boolean {
  return a.clock === b.clock && a.timestamp === b.timestamp && a.subject === b.subject;
}

/** Of Celery's own; every other subject is custom, and anybody may send it. */
export function isKnown(subject: string): boolean {
  return stage(subject) !== CUSTOM;
}
