/** What the parts tell about themselves: logs, metrics and tests observe these and nothing depends on them. */
import { EventEmitter } from 'eventemitter3';
import type { Position, Seconds } from './domain/event.ts';
import type { Gap } from './domain/gap.ts';

export interface DiagnosticEvents {
  /** Consuming. Emitted after every (re)connect, once the queue is bound and the workers were woken. */
  'receiver:ready': (at: { readonly cluster: string; readonly url: string; readonly queue: string }) => void;
  /** Not consuming any more; it tries again in `retryIn` seconds. */
  'receiver:lost': (at: { readonly cluster: string; readonly reason: string; readonly retryIn: number }) => void;
  /** The broker stopped (`reason`) or resumed (null) taking what we publish. */
  'receiver:blocked': (at: { readonly cluster: string; readonly reason: string | null }) => void;
  /** A batch is in the journal. */
  'journal:appended': (batch: {
    readonly events: number;
    readonly deadLetters: number;
    readonly duplicates: number;
    readonly position: Position;
    /** Its latest event's own time, epoch seconds; null where it has none. */
    readonly timestamp: Seconds | null;
    /** From the first attempt to the commit. */
    readonly seconds: number;
  }) => void;
  /** A batch could not be recorded; it is tried again in `retryIn` seconds. */
  'journal:failed': (at: { readonly reason: string; readonly retryIn: number }) => void;
  /** A gap is in the database. */
  gap: (gap: Gap) => void;
  /** A snapshot is in the database. */
  'camera:shutter': (picture: {
    readonly snapshot: number;
    readonly position: Position;
    readonly tasks: number;
    readonly workers: number;
    readonly seconds: number;
  }) => void;
  /** A shutter failed; what it would have written is kept for the next one. */
  'camera:failed': (at: { readonly reason: string }) => void;
  /** Expired rows were removed. */
  'camera:cleanup': (removed: {
    readonly tasks: number;
    readonly workers: number;
    readonly history: number;
    readonly snapshots: number;
  }) => void;
  /** The beat leads: it sends periodic tasks. */
  'beat:leading': (at: { readonly url: string }) => void;
  /** It does no more. */
  'beat:stepped-down': () => void;
  /** Why it cannot lead; it tries again in `retryIn` seconds. */
  'beat:failed': (at: { readonly reason: string; readonly retryIn: number }) => void;
  /** It knows of so many enabled tasks, beside those that make no sense: their ids, and why. */
  'beat:read': (agenda: { readonly tasks: number; readonly unfit: ReadonlyMap<number, string> }) => void;
  /** What became of due times is in the database. */
  'beat:ran': (batch: { readonly runs: readonly RunTold[] }) => void;
}

/** Of a run of a periodic task, with times in epoch seconds. */
export interface RunTold {
  readonly periodic_task: number;
  readonly outcome: 'sent' | 'skipped' | 'unroutable';
  readonly due_at: Seconds | null;
  readonly sent_at: Seconds | null;
  /** Due times before it that were passed over together with it. */
  readonly missed: number;
}

export type Diagnostics = EventEmitter<DiagnosticEvents>;

export function createDiagnostics(): Diagnostics {
  return new EventEmitter<DiagnosticEvents>();
}
