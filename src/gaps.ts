/** Sees to it that every gap that is known of gets into the database. */
import type { ReceiverStatus } from './broker/receiver.ts';
import type { Seconds } from './domain/event.ts';
import type { Gap } from './domain/gap.ts';
import { reasonOf } from './errors.ts';
import type { Journal } from './journal/journal.ts';
import type { Logger } from './log.ts';
import { now } from './runtime.ts';

export class GapRecorder implements AsyncDisposable {
  readonly #journal: Pick<Journal, 'recordGap'>;
  readonly #log: Logger;
  readonly #signal: AbortSignal;
  readonly #pending = new Set<Promise<void>>();
  /** Clusters that are being joined, and when their latest recorded event was received. */
  readonly #joining = new Map<string, Seconds | null>();

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
      // The next start records the whole time since the last event, this gap included, unless a queue is there that keeps events.
      .catch((error) => this.#log.error({ gap, reason: reasonOf(error) }, 'a gap could not be recorded'))
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  };

  /** A cluster is about to be joined. @param lastReceived when its latest recorded event was received; null: it has none */
  joining(cluster: string, lastReceived: Seconds | null): void {
    this.#joining.set(cluster, lastReceived);
  }

  /** It was joined: what was sent since its last recorded event is missing, unless a queue kept it for certain. */
  joined({ cluster, kept, simulated }: ReceiverStatus): void {
    const since = this.#joining.get(cluster) ?? null;
    this.#joining.delete(cluster);
    if (since === null || kept || simulated) return;
    this.record({
      cluster,
      cause: 'recorder-down',
      started_at: since,
      ended_at: Math.max(since, now()),
      estimate: null,
      detail: 'celerycam was not running, and no queue was there that is sure to have kept the events meanwhile',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#pending);
  }
}
