/**
 * The one place where the state moves: deliveries become recorded events, recorded events become state, and only then
 * does anybody see them.
 */

import { setImmediate } from 'node:timers/promises';
import { type Decoded, decodeParts } from './broker/decoder.ts';
import { acknowledge, type Delivery } from './broker/delivery.ts';
import type { Camera } from './camera/camera.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { JournalEntry, Position, ReceivedEvent, Seconds } from './domain/event.ts';
import type { Gap } from './domain/gap.ts';
import { hear } from './domain/hearing.ts';
import type { Redactor } from './domain/redaction.ts';
import { type Clusters, fold, mayBeForgotten, restoreTask, type State, stateOf } from './domain/state.ts';
import type { Task } from './domain/task.ts';
import { reasonOf } from './errors.ts';
import type { Appended, Journal } from './journal/journal.ts';
import type { Hub } from './live/hub.ts';
import { type Loop, persist, sleep } from './runtime.ts';
import type { Snapshots } from './store/snapshots.ts';

export interface RecorderParts {
  readonly clusters: Clusters;
  readonly journal: Journal;
  /** Takes secrets out of what arrives; null or not given: there are no rules. */
  readonly redactor?: Redactor | null;
  readonly snapshots: Pick<Snapshots, 'loadTasks'>;
  readonly camera: Camera;
  readonly hub: Hub;
  readonly diagnostics: Diagnostics;
  /** Takes a gap that the fold found out about. Found again after a restart it is the same gap. */
  readonly onGap: (gap: Gap) => void;
  /** Runs work while no picture is taken: the camera holds the same lock. */
  readonly lock: <T>(work: () => Promise<T> | T) => Promise<T>;
}

/** Events folded before the event loop has its turn, which keeps what Postgres is fed with flowing: about a millisecond. */
const SLICE = 1000;

/** Entries folded before the camera may take pictures of them. */
const STRETCH = 100_000;

/** Seconds between two looks at what other recorders on the same database have recorded. */
const FOLLOW = 0.5;

export class Recorder {
  readonly #parts: RecorderParts;
  /** Batches that are being recorded or folded. */
  #underway = 0;
  /** It has taken a batch that is not yet under way as a whole. */
  #holds = false;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /**
   * Records batches, acknowledges and folds each and lets it be seen, in this order. While Postgres works on one, the
   * next is decoded and the one before is folded. Waits while the database does not answer; throws only when the signal
   * aborts meanwhile.
   */
  async record(batches: AsyncIterable<readonly Delivery[]>, signal: AbortSignal): Promise<void> {
    const { journal, camera } = this.#parts;
    let appending: Promise<unknown> = Promise.resolve();
    let folding: Promise<unknown> = Promise.resolve();
    for await (const batch of batches) {
      this.#holds = true;
      for (const { deliveries, ...decoded } of decodeParts(batch)) {
        const { events, deadLetters } = redacted(decoded, this.#parts.redactor);
        await appending;
        if (events.length === 0 && deadLetters.length === 0) {
          acknowledge(deliveries);
          continue;
        }
        await camera.settle(signal);
        const append = journal.append(events, deadLetters, signal);
        const before = folding;
        this.#underway += 1;
        folding = append
          .then(async (appended) => {
            acknowledge(deliveries);
            await before;
            await this.#advance(appended, signal);
          })
          .finally(() => {
            this.#underway -= 1;
          });
        // The loop hears of a failure by `append`, or at its end.
        folding.catch(() => undefined);
        appending = append;
      }
      this.#holds = false;
    }
    await folding;
  }

  /** Folds what the journal holds beyond the state: after a start, and whatever other recorders record. */
  async catchUp(signal: AbortSignal): Promise<void> {
    const { clusters, camera, journal, lock } = this.#parts;
    const head = await journal.head();
    for (let from = clusters.position; from < head; from += STRETCH) {
      await lock(() => this.#foldUpTo(Math.min(from + STRETCH, head)));
      await camera.settle(signal);
    }
  }

  /** Catches up again and again. While the database does not answer there is nothing to catch up with. */
  readonly follow: Loop = async (signal) => {
    while (true) {
      await sleep(FOLLOW, signal);
      // What this recorder has under way it folds itself, and what others recorded before it.
      if (this.#underway === 0) await this.catchUp(signal).catch(() => undefined);
    }
  };

  /**
   * Keeps account of when each cluster could be heard, without which nobody may call a worker lost. To be called often.
   * @param connected names of the clusters whose events reach this process at this moment
   */
  async listen(connected: ReadonlySet<string>, at: Seconds): Promise<void> {
    const { clusters, lock } = this.#parts;
    await lock(() => {
      const states = [...clusters.byName.values()];
      // While a batch waits for the database, what arrived after the latest folded event is not known yet.
      const folded = Math.max(...states.map(({ last_received }) => last_received ?? Number.NEGATIVE_INFINITY));
      const until = this.#holds || this.#underway > 0 ? Math.min(at, folded) : at;
      for (const { cluster, hearing, last_received } of states) {
        // A cluster that another recorder has joined is heard through the journal.
        const heard = connected.has(cluster) ? until : last_received;
        if (heard !== null) hear(hearing, heard);
      }
    });
  }

  /** Folds a batch that was recorded. Where the database goes away in between, it goes on from where it stood. */
  async #advance(appended: Appended, signal: AbortSignal): Promise<void> {
    const { lock, diagnostics } = this.#parts;
    const work = (): Promise<void> =>
      lock(async () => {
        // What others recorded before it comes first: every recorder folds the same journal in the same order.
        await this.#foldUpTo(appended.first - 1);
        await this.#fold(entriesOf(appended.events, appended.first));
      });
    await persist(signal, work, (error, retryIn) => {
      diagnostics.emit('journal:failed', { reason: reasonOf(error), retryIn });
    });
  }

  async #foldUpTo(upTo: Position): Promise<void> {
    const { clusters, journal } = this.#parts;
    if (clusters.position >= upTo) return;
    for await (const page of journal.read({ after: clusters.position, upTo })) await this.#fold(page);
  }

  async #fold(entries: readonly JournalEntry[]): Promise<void> {
    const { clusters, camera, hub } = this.#parts;
    for (let from = 0; from < entries.length; from += SLICE) {
      if (from > 0) await setImmediate();
      const slice = entries.slice(from, from + SLICE);
      const unknown: Unknown = new Map();
      for (const [n, entry] of slice.entries()) {
        // An uncertain append may have been read from the journal already.
        if (entry.position <= clusters.position) continue;
        const state = stateOf(clusters, entry.cluster);
        // Asked for each one when its turn comes, since those before it may have dropped its task from memory.
        if (mayBeForgotten(clusters, state, entry.event)) {
          const uuid = String(entry.event.uuid);
          if (!unknown.get(state)?.has(uuid)) await this.#bringBack(state, slice, n, unknown);
          // From now on it is known, and if it is dropped again the camera has it.
          unknown.get(state)?.delete(uuid);
        }
        const change = fold(clusters, entry);
        camera.expose(state, change, entry.event);
        hub.expose(state, entry, change);
      }
      this.#tellLosses();
      hub.publish(clusters.position);
    }
  }

  #tellLosses(): void {
    const { clusters, onGap } = this.#parts;
    for (const { cluster, losses } of clusters.byName.values()) {
      for (const { hostname, estimate, started_at, ended_at } of losses.splice(0)) {
        const detail = `${hostname} has begun ${estimate} more tasks than it was heard to begin: their events were missed`;
        onGap({ cluster, cause: 'heartbeat-audit', started_at, ended_at, estimate, detail });
      }
    }
  }

  /**
   * Puts tasks of one cluster back into memory that were dropped from it and of which there is news: the one of entry `n`,
   * and of those after it as many as fit. What is nowhere to be found is noted as `unknown`.
   */
  async #bringBack(state: State, entries: readonly JournalEntry[], n: number, unknown: Unknown): Promise<void> {
    const { clusters, camera, snapshots } = this.#parts;
    const absent = unknown.get(state) ?? new Set<string>();
    unknown.set(state, absent);
    const found = new Map<string, Task | undefined>();
    const { maxTasks, maxTaskBytes = Number.POSITIVE_INFINITY } = state.limits;
    const most = Math.min(maxTasks / 2, maxTaskBytes / 4 / state.weights.mean);
    for (let at = n; at < entries.length && found.size <= most; at++) {
      const { cluster, event } = entries[at] as JournalEntry;
      const uuid = String(event.uuid);
      if (cluster !== state.cluster || absent.has(uuid) || !mayBeForgotten(clusters, state, event)) continue;
      found.set(uuid, camera.pending(state, uuid));
    }
    const sought = [...found.keys()].filter((uuid) => !found.get(uuid));
    for (const task of await snapshots.loadTasks(state.cluster, sought)) found.set(task.uuid, task);
    // The one that is needed first comes last: in a small memory the later ones drop the earlier.
    for (const [uuid, task] of [...found].reverse()) {
      if (task) restoreTask(state, task);
      else absent.add(uuid);
    }
  }
}

/** From here on nobody sees anything else. */
function redacted(decoded: Decoded, redactor: Redactor | null | undefined): Decoded {
  if (!redactor) return decoded;
  return { events: decoded.events.map(redactor.event), deadLetters: decoded.deadLetters.map(redactor.letter) };
}

/** Tasks that were looked for and are neither in memory nor in the database. */
type Unknown = Map<State, Set<string>>;

function entriesOf(events: readonly ReceivedEvent[], first: Position): JournalEntry[] {
  return events.map(({ cluster, local_received, event, body }, n) => ({
    position: first + n,
    cluster,
    local_received,
    event,
    size: body.length,
  }));
}
