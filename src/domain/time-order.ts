/** Celery's order of tasks by time (`State._taskheap` and `tasks_by_time` in celery/events/state.py): an observer of the fold. */
import { compareCodePoints } from './code-points.ts';
import type { Seconds } from './event.ts';
import { LongList } from './long-list.ts';
import type { Task } from './task.ts';

/** One event of a task. */
interface Entry {
  readonly clock: number;
  /** Null where it is no number, which Celery cannot order. */
  readonly timestamp: Seconds | null;
  /** Node name of the client that sent it, or the worker's `hostname.pid` at that moment. */
  readonly id: string;
  readonly task: Task;
}

/** Celery's `heap_multiplier`: the events of a usual life. */
const EVENTS_PER_TASK = 4;

export class TimeOrder {
  readonly #maxEntries: number;
  /** Oldest first. */
  readonly #entries = new LongList<Entry>();

  /** @param maxTasks Celery's `max_tasks_in_memory`: four times as many events are kept, the latest in this order. */
  constructor(maxTasks: number) {
    this.#maxEntries = maxTasks * EVENTS_PER_TASK;
  }

  add(clock: number, timestamp: Seconds | null, id: string, task: Task): void {
    const entry = { clock, timestamp, id, task };
    const entries = this.#entries;
    // Celery drops the first entry before it looks for the place of the new one.
    if (entries.length >= this.#maxEntries) entries.dropFirst();
    if (entries.length === 0 || isBefore(entries.at(entries.length - 1), entry)) {
      entries.push(entry);
      return;
    }
    let low = 0;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isBefore(entry, entries.at(middle))) high = middle;
      else low = middle + 1;
    }
    entries.insert(low, entry);
  }

  /**
   * The uuids of the tasks in memory, each once: newest first, or oldest first where `reverse` is false.
   * `limit` counts events, not tasks, as Celery's does.
   */
  tasksByTime(
    tasks: { get(uuid: string): Task | undefined },
    options: { readonly limit?: number; readonly reverse?: boolean } = {},
  ): string[] {
    const { limit = Number.POSITIVE_INFINITY, reverse = true } = options;
    const seen = new Set<string>();
    const count = this.#entries.length;
    for (let n = 0; n < count && n < limit; n++) {
      const { task } = this.#entries.at(reverse ? count - 1 - n : n);
      if (tasks.get(task.uuid) === task) seen.add(task.uuid);
    }
    return [...seen];
  }
}

/**
 * `timetuple.__lt__` in kombu/clocks.py: by clock, equal clocks by id; without a clock by time. Not transitive, so the
 * order depends on how entries are inserted. Where Celery cannot compare and raises, neither is before the other.
 */
function isBefore(a: Entry, b: Entry): boolean {
  if (a.clock && b.clock) return a.clock === b.clock ? compareCodePoints(a.id, b.id) < 0 : a.clock < b.clock;
  return a.timestamp !== null && b.timestamp !== null && a.timestamp < b.timestamp;
}
