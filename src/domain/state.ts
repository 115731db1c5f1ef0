/** The whole in-memory state of the clusters that are watched, and the one function that changes it. */
import type { JournalEntry, Position } from './event.ts';
import type { Task } from './task.ts';
import type { Worker } from './worker.ts';

/** The record that an event changed (its present content, not a copy), or null when it changed none. */
export type Change = Task | Worker | null;

/** One cluster. */
export interface State {
  readonly cluster: string;
  readonly tasks: Map<string, Task>;
  readonly workers: Map<string, Worker>;
  /** Every task name ever seen. */
  readonly task_types: Set<string>;
  /** Events folded, of whatever type. */
  event_count: number;
  /** `task-received` events folded. */
  task_count: number;
  /** The monitor's own Lamport clock, as Celery's receiver keeps it. */
  clock: number;
  /** Tasks that were dropped from memory while they had not ended. */
  evicted_active: number;
  /** True once some task that the database may know is not in memory. */
  forgetful: boolean;
}

export interface Limits {
  /** At most so many tasks of a cluster in memory: finished ones go first, oldest first. */
  readonly maxTasks: number;
  readonly maxWorkers: number;
}

/** Everything folded so far, and up to which position of the journal. */
export interface Clusters {
  position: Position;
  readonly limits: Limits;
  readonly byName: Map<string, State>;
}

export declare function createClusters(limits: Limits): Clusters;
/** The state of a cluster; an empty one the first time. */
export declare function stateOf(clusters: Clusters, cluster: string): State;
/** Folds one entry. Pure and deterministic but for the records it changes: no clock, no randomness, no IO. */
export declare function fold(clusters: Clusters, entry: JournalEntry): Change;
