/** What the routes ask of the record, whoever answers it. All methods throw MonitorError where the database fails. */
import type { Answer } from '../answer.ts';
import type { Difference } from '../contract/difference.ts';
import type { DeadLettersPage, GapRow, GapsPage } from '../contract/history.ts';
import type { JournalEntry, Seconds } from '../domain/event.ts';
import type { SeenDatabase } from '../domain/findings.ts';
import type { Listed } from '../journal/lists.ts';
import type { DifferenceQuestion } from '../store/difference.ts';
import type { History } from '../store/history.ts';
import type { Results } from '../store/results.ts';

export interface Questions extends History, Pick<Results, 'results' | 'group' | 'namesOf'> {
  gaps(question: Listed): Promise<Answer<GapsPage>>;
  /** Those that are at least in part between two moments, oldest first; at most 1,000, the latest. */
  gapsBetween(from: Seconds, to: Seconds): Promise<GapRow[]>;
  /** What differs between the last snapshots at or before two moments. */
  difference(question: DifferenceQuestion): Promise<Answer<Difference>>;
  /** The database itself. Never throws: where it does not answer, that is what is seen. */
  database(): Promise<SeenDatabase>;
  deadLetters(question: Listed): Promise<Answer<DeadLettersPage>>;
  /** The first recorded events of a task, in order. @param cluster null: of whichever clusters know it */
  eventsOf(cluster: string | null, uuid: string, limit: number): Promise<readonly JournalEntry[]>;
}

/** The present was asked for, and no snapshot shows it yet. */
export function isTooEarly<T>(answered: Answer<T>, at: Seconds | null): boolean {
  return at === null && !answered.ok && answered.problem === 'unrecorded';
}

/** A list of the present before the first snapshot: what comes after position 0 is still to be told. */
export function nothingYet(now: Seconds) {
  const as_of = { snapshot: null, taken_at: now, position: 0 };
  return { items: [], next: null, total: { count: 0, kind: 'exact' as const }, as_of, gaps: [] };
}
