/** Sees to it that every gap that is known of gets into the database. */
import type { ReceiverStatus } from './broker/receiver.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { Gap } from './domain/gap.ts';
import type { Clusters } from './domain/state.ts';
import { reasonOf } from './errors.ts';
import type { Journal } from './journal/journal.ts';
import type { Logger } from './log.ts';
import { now } from './runtime.ts';

export class GapRecorder implements AsyncDisposable {
  readonly #journal: Pick<Journal, 'recordGap'>;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #pending = new Set<Promise<void>>();

  /** @param signal once it aborts, a database that does not answer is not waited for any longer */
  constructor(journal: Pick<Journal, 'recordGap'>, log: Logger, signal: AbortSignal) {
    this.#journal = journal;
    this.#log = log;
    this.#signal = signal;
  }

  /** Records a gap, in the background. */
  readonly record = (gap: Gap): void => {
    const pending = this.#journal
      .recordGap(gap, this.#signal)
      // The next start records the whole time since the last event, this gap included.
      .catch((error) => this.#log.error({ gap, reason: reasonOf(error) }, 'a gap could not be recorded'))
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  };

  /**
   * When a cluster is joined for the first time: what was sent since its last recorded event is missing, unless a queue
   * kept it.
   * @param statuses of the receivers
   */
  watchStart(diagnostics: Diagnostics, clusters: Clusters, statuses: () => readonly ReceiverStatus[]): void {
    const waiting = new Map(Array.from(clusters.byName.values(), (state) => [state.cluster, state.last_received]));
    diagnostics.on('receiver:ready', ({ cluster }) => {
      const since = waiting.get(cluster) ?? null;
      waiting.delete(cluster);
      const status = statuses().find((each) => each.cluster === cluster);
      if (since === null || status?.existed || status?.simulated) return;
      this.record({
        cluster,
        cause: 'recorder-down',
        started_at: since,
        ended_at: Math.max(since, now()),
        estimate: null,
        detail: 'celerycam was not running, and nothing kept the events meanwhile',
      });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pending);
  }
}
