/** The port of the journal: what the pipeline relies on. `postgres.ts` keeps it. */
import type { DeadLetter, JournalEntry, Position, ReceivedEvent } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';

/** What an append did. */
export interface Appended {
  /** Position of the first event of the batch that is new; `last + 1` when none was. */
  readonly first: Position;
  /** The journal's last position when the batch was committed. */
  readonly last: Position;
  /** The events that are new, in order: their positions are `first`, `first + 1`, …, `last`. */
  readonly events: readonly ReceivedEvent[];
  /** How many were in the journal already and were left out. */
  readonly duplicates: number;
}

/** What was recorded since the journal began, by all recorders, as far as this one knows. */
export interface JournalTotals {
  readonly deadLetters: number;
  /** Events that a broker delivered again and that were left out. */
  readonly duplicates: number;
}

/** How many gaps of one cause a cluster has. */
export interface GapTotal {
  readonly cluster: string;
  readonly cause: string;
  readonly gaps: number;
}

/**
 * Promises:
 * - An append is one commit: all of it is recorded, dead letters included, or nothing is.
 * - Positions are 1, 2, 3, … in the order of commits, without holes, whoever appends.
 * - Whoever has read up to the head has read everything that was ever committed up to there.
 */
export interface Journal {
  /**
   * Records a batch. While the database does not answer it waits and tries again; it throws only when the signal aborts.
   * An attempt whose outcome is unknown is not recorded twice. One event that the database refuses becomes a dead letter.
   */
  append(events: readonly ReceivedEvent[], deadLetters: readonly DeadLetter[], signal: AbortSignal): Promise<Appended>;

  /** Entries after `after` up to and with `upTo`, in order, in pages. */
  read(range: {
    readonly after: Position;
    readonly upTo: Position;
    readonly signal?: AbortSignal;
  }): AsyncIterable<readonly JournalEntry[]>;

  /**
   * The latest events, up to and with `upTo`, as many as are together no more than so many events and so many bytes: the
   * position that they come after. @throws MonitorError
   */
  latest(range: { readonly upTo: Position; readonly events: number; readonly bytes: number }): Promise<Position>;

  /** The last position; 0 when nothing was recorded yet. */
  head(): Promise<Position>;

  /** What names this journal: a position means nothing in another one. */
  epoch(): Promise<string>;

  /** Records a gap. Waits for the database like `append`. */
  recordGap(gap: Gap, signal: AbortSignal): Promise<void>;

  /** Up to date with every append and every look at the head. */
  readonly totals: JournalTotals;

  /** @throws MonitorError */
  gapTotals(): Promise<readonly GapTotal[]>;

  /** Creates partitions ahead and drops those past retention. */
  maintain(): Promise<void>;
}
