/** What the routes ask of the record, whoever answers it. All methods throw MonitorError where the database fails. */
import type { Answer } from '../answer.ts';
import type { DeadLettersPage, GapRow, GapsPage } from '../contract/history.ts';
import type { JournalEntry, Seconds } from '../domain/event.ts';
import type { Listed } from '../journal/lists.ts';
import type { History } from '../store/history.ts';

export interface Questions extends History {
  gaps(question: Listed): Promise<Answer<GapsPage>>;
  /** Those that are at least in part between two moments, oldest first; at most 1,000, the latest. */
  gapsBetween(from: Seconds, to: Seconds): Promise<GapRow[]>;
  deadLetters(question: Listed): Promise<Answer<DeadLettersPage>>;
  /** The first recorded events of a task, in order. @param cluster null: of whichever clusters know it */
  eventsOf(cluster: string | null, uuid: string, limit: number): Promise<readonly JournalEntry[]>;
}
