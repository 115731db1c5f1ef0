/** What a receiver may have missed, from when to when and why: it tells each as one gap, when it is over. */
import type { Seconds } from '../domain/event.ts';
import type { Gap, GapCause } from '../domain/gap.ts';
import { now } from '../runtime.ts';
import type { QueueOptions } from './queue.ts';

export interface MissesOptions extends Pick<QueueOptions, 'queue' | 'queueType' | 'queueTtl'> {
  readonly cluster: string;
}

/** How often a guest looks whether this process stood still, and whether there is room again. */
const CHECK: Seconds = 1;

/**
 * Gaps, in times of this process's clock:
 * - guest: `disconnect` for each outage but the time before the first connection, `ttl` when this process stood still for
 *   longer than the queue keeps a message, `buffer-full` when the inbox refused messages;
 * - durable: `queue-lost` when it comes back and the queue is gone; with a classic queue `disconnect` for each outage,
 *   since a restart of the broker empties such a queue and nothing tells whether there was one.
 */
export class Misses {
  readonly #options: MissesOptions;
  readonly #onGap: (gap: Gap) => void;
  /** Since when something may be missing; null before the first connection and while consuming. */
  #away: Seconds | null = null;
  #queueGone = false;
  #refused: { readonly from: Seconds; count: number } | null = null;

  constructor(options: MissesOptions, onGap: (gap: Gap) => void) {
    this.#options = options;
    this.#onGap = onGap;
  }

  /** It consumes no more. @param last the last moment at which nothing was missing */
  lost(last: Seconds): void {
    this.#away ??= last;
    this.accepted(now());
  }

  /** Durable mode: whether the queue is there, seen before it is declared. */
  sawQueue(exists: boolean): void {
    if (!exists && this.#away !== null) this.#queueGone = true;
  }

  /** It consumes, again or for the first time. */
  consuming(at: Seconds): void {
    const { queue, queueType } = this.#options;
    const from = this.#away;
    const gone = this.#queueGone;
    this.#away = null;
    this.#queueGone = false;
    if (from === null) return;
    if (gone) {
      const detail = `the queue "${queue}" was gone: what it held, and what was sent until it was made anew, is lost`;
      this.#tell('queue-lost', from, at, detail);
    } else if (queue === null) {
      this.#tell('disconnect', from, at, "the broker was away, and a guest's queue ends with its connection");
    } else if (queueType === 'classic') {
      const detail = `the broker was away: if it was restarted, the classic queue "${queue}" lost what it held`;
      this.#tell('disconnect', from, at, detail);
    }
  }

  /** The inbox had no room for a message that nobody keeps. */
  refused(at: Seconds): void {
    this.#refused ??= { from: at, count: 0 };
    this.#refused.count++;
  }

  /** The inbox takes messages, or there are none to take any more. */
  accepted(at: Seconds): void {
    if (this.#refused === null) return;
    const { from, count } = this.#refused;
    this.#refused = null;
    this.#tell('buffer-full', from, at, `${count} messages came while the receive buffer was full`, count);
  }

  /**
   * As a guest: a timer. That it comes late by more than a message lives in the queue tells that nobody read meanwhile.
   * And where messages were refused, it may be long until the next one comes that is not.
   */
  watch(hasRoom: () => boolean): NodeJS.Timeout {
    const { queueTtl } = this.#options;
    let last = performance.now();
    return setInterval(() => {
      const stood = (performance.now() - last) / 1000;
      last = performance.now();
      if (hasRoom()) this.accepted(now());
      if (stood <= queueTtl) return;
      const detail = `this process stood still for ${stood.toFixed(1)} s, and the queue keeps a message for ${queueTtl} s`;
      this.#tell('ttl', now() - stood, now(), detail);
    }, CHECK * 1000);
  }

  #tell(cause: GapCause, from: Seconds, to: Seconds, detail: string, estimate: number | null = null): void {
    const { cluster } = this.#options;
    this.#onGap({ cluster, cause, started_at: from, ended_at: Math.max(from, to), estimate, detail });
  }
}
