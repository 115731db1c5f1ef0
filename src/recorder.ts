/**
 * The one place where the state moves: deliveries become recorded events, recorded events become state, and only then
 * does anybody see them.
 */

import { decode } from './broker/decoder.ts';
import type { Delivery } from './broker/delivery.ts';
import { acknowledge } from './broker/delivery.ts';
import type { Camera } from './camera/camera.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { JournalEntry, Position, ReceivedEvent } from './domain/event.ts';
import { type Clusters, fold, mayBeForgotten, restoreTask, type State, stateOf } from './domain/state.ts';
import { reasonOf } from './errors.ts';
import type { Journal } from './journal/journal.ts';
import type { Hub } from './live/hub.ts';
import { type Loop, persist, sleep } from './runtime.ts';
import type { Snapshots } from './store/snapshots.ts';

export interface RecorderParts {
  readonly clusters: Clusters;
  readonly journal: Journal;
  readonly snapshots: Pick<Snapshots, 'loadTasks'>;
  readonly camera: Camera;
  readonly hub: Hub;
  readonly diagnostics: Diagnostics;
  /** Runs work while no picture is taken: the camera holds the same lock. */
  readonly lock: <T>(work: () => Promise<T> | T) => Promise<T>;
}

/** Events folded before the event loop has its turn: some milliseconds. */
const SLICE = 5000;

/** Seconds between two looks at what other recorders on the same database have recorded. */
const FOLLOW = 0.5;

export class Recorder {
  readonly #parts: RecorderParts;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /**
   * Records a batch, acknowledges it, folds it and lets it be seen, in this order. Waits while the database does not
   * answer; throws only when the signal aborts meanwhile.
   */
  async record(batch: readonly Delivery[], signal: AbortSignal): Promise<readonly ReceivedEvent[]> {
    const { journal, lock, diagnostics } = this.#parts;
    const { events, deadLetters } = decode(batch);
    if (events.length === 0 && deadLetters.length === 0) {
      acknowledge(batch);
      return events;
    }
    const appended = await journal.append(events, deadLetters, signal);
    acknowledge(batch);
    const advance = (): Promise<void> =>
      lock(async () => {
        // What others recorded before it comes first: every recorder folds the same journal in the same order.
        await this.#foldUpTo(appended.first - 1);
        await this.#fold(entriesOf(appended.events, appended.first));
      });
    // Where the database goes away in between, it goes on from where it stood.
    await persist(signal, advance, (error, retryIn) => {
      diagnostics.emit('journal:failed', { reason: reasonOf(error), retryIn });
    });
    return appended.events;
  }

  /** Folds what the journal holds beyond the state: after a start, and whatever other recorders record. */
  async catchUp(): Promise<void> {
    const head = await this.#parts.journal.head();
    await this.#parts.lock(() => this.#foldUpTo(head));
  }

  /** Catches up again and again. While the database does not answer there is nothing to catch up with. */
  readonly follow: Loop = async (signal) => {
    while (true) {
      await sleep(FOLLOW, signal);
      await this.catchUp().catch(() => undefined);
    }
  };

  async #foldUpTo(upTo: Position): Promise<void> {
    const { clusters, journal } = this.#parts;
    if (clusters.position >= upTo) return;
    for await (const page of journal.read({ after: clusters.position, upTo })) await this.#fold(page);
  }

  async #fold(entries: readonly JournalEntry[]): Promise<void> {
    const { clusters, camera, hub } = this.#parts;
    for (let from = 0; from < entries.length; from += SLICE) {
      const slice = entries.slice(from, from + SLICE);
      await this.#bringBack(slice);
      for (const entry of slice) {
        // An uncertain append may have been read from the journal already.
        if (entry.position <= clusters.position) continue;
        const change = fold(clusters, entry);
        if (change === null) continue;
        camera.expose(stateOf(clusters, entry.cluster), change);
        hub.expose(entry.cluster, change);
      }
      hub.publish(clusters.position);
    }
  }

  /** Puts tasks back into memory that were dropped from it and of which there is news. */
  async #bringBack(entries: readonly JournalEntry[]): Promise<void> {
    const { clusters, camera, snapshots } = this.#parts;
    const missing = new Map<State, Set<string>>();
    for (const { cluster, event } of entries) {
      const state = stateOf(clusters, cluster);
      if (!mayBeForgotten(state, event)) continue;
      const uuids = missing.get(state);
      if (uuids) uuids.add(String(event.uuid));
      else missing.set(state, new Set([String(event.uuid)]));
    }
    for (const [state, uuids] of missing) {
      const pending = [...uuids].map((uuid) => camera.pending(state, uuid)).filter((task) => task !== undefined);
      for (const task of pending) uuids.delete(task.uuid);
      const loaded = uuids.size > 0 ? await snapshots.loadTasks(state.cluster, [...uuids]) : [];
      for (const task of [...pending, ...loaded]) restoreTask(state, task);
    }
  }
}

function entriesOf(events: readonly ReceivedEvent[], first: Position): JournalEntry[] {
  return events.map(({ cluster, local_received, event }, n) => ({
    position: first + n,
    cluster,
    local_received,
    event,
  }));
}
