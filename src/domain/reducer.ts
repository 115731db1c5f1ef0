/** What a reducer is: how one event changes the records. `celery.ts` is one. */
import type { Event, Seconds } from './event.ts';
import type { State } from './memory.ts';
import type { Task } from './task.ts';
import type { Worker } from './worker.ts';

/**
 * The record that an event changed (its present content, not a copy), or null when it changed none.
 *
 * An event of a task is also a sign of life of its worker, `state.workers.get(task.worker)`, and may put the task among
 * its parent's `children`, `state.tasks.get(task.parent_id)`. Neither is told separately.
 */
export type Change = Task | Worker | null;

export interface Reducer {
  /** Pure and deterministic but for the records and counters it changes; never throws, whatever the event holds. */
  fold(state: State, event: Event, local_received: Seconds): Change;
}
