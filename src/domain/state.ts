/** Everything that was folded so far, of all clusters that are watched, and the one function that changes it. */
import { createCelery } from './celery.ts';
import type { Event, JournalEntry, Position } from './event.ts';
import { createState, endRestore, type Limits, restoreTask, restoreWorker, type State, weigh } from './memory.ts';
import type { Change, Reducer } from './reducer.ts';
import { createStrict } from './strict.ts';
import { count, createTally, type Tally } from './tally.ts';
import { TimeOrder } from './time-order.ts';
import { LONG } from './weight.ts';

export type { Change, Limits, State };
export { restoreTask, restoreWorker };

/** The reducers there are. `strict`: what really happened. `celery`: what Celery's own monitor would show, its faults included. */
export type FoldName = 'celery' | 'strict';

export interface FoldOptions {
  /** @default 'strict' */
  readonly fold?: FoldName;
  /** See `CeleryOptions.localize`. */
  readonly localize?: boolean;
  /**
   * Keep Celery's order of tasks by time, `State.timeOrder`: some 100 bytes for each of the last `maxTasks` × 4 task events.
   * @default false
   */
  readonly timeOrder?: boolean;
  /** Count for metrics, with so many labels of each kind (`Tally.limit`). Without it nothing is counted. */
  readonly maxLabels?: number;
}

export interface Clusters {
  /** Up to which place of the journal. */
  position: Position;
  readonly limits: Limits;
  readonly byName: Map<string, State>;
  readonly fold: FoldName;
  readonly reducer: Reducer;
  readonly keepsTimeOrder: boolean;
  /** What was counted of all clusters; null where nobody asks for it. */
  readonly tally: Tally | null;
}

export function createClusters(limits: Limits, options: FoldOptions = {}): Clusters {
  const { fold = 'strict' } = options;
  return {
    position: 0,
    limits,
    byName: new Map(),
    fold,
    reducer: fold === 'strict' ? createStrict() : createCelery({ localize: options.localize }),
    keepsTimeOrder: options.timeOrder ?? false,
    tally: options.maxLabels === undefined ? null : createTally(options.maxLabels),
  };
}

/** The state of a cluster; an empty one the first time. */
export function stateOf(clusters: Clusters, cluster: string): State {
  let state = clusters.byName.get(cluster);
  if (!state) {
    const { limits, keepsTimeOrder } = clusters;
    state = createState(cluster, limits, keepsTimeOrder ? new TimeOrder(limits.maxTasks) : null);
    clusters.byName.set(cluster, state);
  }
  return state;
}

/**
 * Whether an event may tell of a task that memory has dropped, so that its record has to be loaded before the event is
 * folded. To `celery` one that begins a life is a new task; to `strict` it may be another run of a task that was known, so
 * there each new task is looked up once memory has dropped any.
 */
export function mayBeForgotten(clusters: Clusters, state: State, event: Event): boolean {
  if (!state.forgetful) return false;
  const { type, uuid, retries } = event;
  if (typeof uuid !== 'string' || !type.startsWith('task-') || state.tasks.has(uuid)) return false;
  const begins = type === 'task-sent' || type === 'task-received';
  return clusters.fold === 'strict' || !begins || (typeof retries === 'number' && retries > 0);
}

/** Folds one entry. Pure and deterministic but for the records it changes: no clock, no randomness, no IO. Never throws. */
export function fold(clusters: Clusters, entry: JournalEntry): Change {
  clusters.position = entry.position;
  const state = stateOf(clusters, entry.cluster);
  endRestore(state);
  state.last_received = entry.local_received;
  const change = clusters.reducer.fold(state, entry.event, entry.local_received);
  // A short event may have put something else in the place of a long text.
  if (change?.kind === 'task' && ((entry.size ?? 0) >= LONG || state.weights.of(change) > 0)) weigh(state, change);
  if (clusters.tally) count(clusters.tally, entry, change);
  return change;
}
