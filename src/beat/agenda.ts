/** What is due next, of all tasks that are enabled and fit. */
import { type DueRun, dueRuns, IN_TIME } from '../domain/due-runs.ts';
import type { Seconds } from '../domain/event.ts';
import { dueAfter, type Timing, timingOf, unfitReason } from '../domain/periodic.ts';
import type { TimetableRow } from '../store/timetable.ts';

/** One due time of a task that has come, and what is to become of it. */
export interface DueTask extends DueRun {
  readonly row: TimetableRow;
  /** Why it is skipped; null where it is not. */
  readonly reason: string | null;
}

interface Entry {
  readonly row: TimetableRow;
  readonly timing: Timing;
  /** What became of the due times up to here is known, or being seen to. */
  settled: Seconds;
  /** Null: never again. */
  next: Seconds | null;
}

export class Agenda {
  /** Tasks that are enabled and never sent: their ids, and why. */
  readonly unfit: ReadonlyMap<number, string>;
  readonly #entries = new Map<number, Entry>();

  constructor(rows: readonly TimetableRow[]) {
    const unfit = new Map<number, string>();
    for (const row of rows) {
      const reason = unfitReason(row);
      if (reason === null) this.#add(row);
      else unfit.set(row.id, reason);
    }
    this.unfit = unfit;
  }

  /** How many tasks it has. */
  get size(): number {
    return this.#entries.size;
  }

  /** When the next one is due; Infinity: never. */
  get next(): Seconds {
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.#entries.values()) if (entry.next !== null && entry.next < next) next = entry.next;
    return next;
  }

  /** Takes what is due at `time`, what has waited longest first: all of each task, of as many tasks as make about `most`. */
  take(time: Seconds, most: number): DueTask[] {
    const waiting = [...this.#entries.values()].filter(({ next }) => next !== null && next <= time);
    waiting.sort((a, b) => (a.next ?? 0) - (b.next ?? 0));
    const due: DueTask[] = [];
    for (const entry of waiting) {
      if (due.length >= most) break;
      due.push(...takeOf(entry, time));
    }
    return due;
  }

  /** It is done with: it was to be sent once. */
  drop(id: number): void {
    this.#entries.delete(id);
  }

  #add(row: TimetableRow): void {
    const timing = timingOf(row);
    const settled = row.settled ?? 0;
    this.#entries.set(row.id, { row, timing, settled, next: dueAfter(timing, settled) });
  }
}

function takeOf(entry: Entry, time: Seconds): DueTask[] {
  const { row, timing, settled } = entry;
  const runs = dueRuns(timing, settled, time, row.catch_up);
  entry.settled = runs.at(-1)?.due ?? time;
  entry.next = dueAfter(timing, entry.settled);
  const once = row.one_off ? runs.slice(0, 1) : runs;
  return once.map((run) => ({ ...run, row, reason: run.outcome === 'skip' ? whySkipped(timing, time) : null }));
}

function whySkipped({ end }: Timing, time: Seconds): string {
  return end !== null && end <= time ? 'it had expired' : `it was more than ${IN_TIME} seconds late`;
}
