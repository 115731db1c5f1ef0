/**
 * Waits for results. Workers write them without telling anybody, and into tables that are not ours to put triggers on: so it
 * looks again and again, once for all who wait, and not at all while nobody does.
 */
import type { Answer } from '../answer.ts';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { type Loop, sleep } from '../runtime.ts';

/** How long a result may be there before it is seen. */
const INTERVAL: Seconds = 0.1;

/** Who may wait at a time, and for how many tasks in all. */
const MAX_WAITING = 1000;
const MAX_TASKS = 20_000;

interface Waiter {
  /** Tasks that have not ended yet. */
  readonly ids: Set<string>;
  readonly done: () => void;
}

export class ResultWatch {
  readonly #ready: (ids: readonly string[]) => Promise<Answer<ReadonlySet<string>>>;
  readonly #waiting = new Set<Waiter>();
  #tasks = 0;
  #wake: () => void = () => undefined;

  /** @param ready which of some tasks have ended */
  constructor(ready: (ids: readonly string[]) => Promise<Answer<ReadonlySet<string>>>) {
    this.#ready = ready;
  }

  /**
   * Resolves when all of these tasks have ended, after so many seconds, or when the signal aborts.
   * @throws MonitorError API_BUSY where too many wait already
   */
  async until(ids: readonly string[], seconds: Seconds, signal: AbortSignal): Promise<void> {
    if (ids.length === 0) return;
    if (this.#waiting.size >= MAX_WAITING || this.#tasks + ids.length > MAX_TASKS) {
      throw new MonitorError('API_BUSY', `${this.#waiting.size} others wait for results already; ask again later`);
    }
    const over = AbortSignal.any([signal, AbortSignal.timeout(seconds * 1000)]);
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        ids: new Set(ids),
        done: () => {
          if (this.#waiting.delete(waiter)) this.#tasks -= ids.length;
          resolve();
        },
      };
      this.#waiting.add(waiter);
      this.#tasks += ids.length;
      if (over.aborted) waiter.done();
      else over.addEventListener('abort', waiter.done, { once: true });
      this.#wake();
    });
  }

  /** Looks while anybody waits. A failure is as if nothing had ended: who waits asks once more by itself, and is told. */
  readonly run: Loop = async (signal) => {
    while (!signal.aborted) {
      if (this.#waiting.size === 0) await this.#called(signal);
      else {
        await this.#look().catch(() => undefined);
        await sleep(INTERVAL, signal);
      }
    }
  };

  async #called(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      signal.addEventListener('abort', this.#wake, { once: true });
    });
    signal.removeEventListener('abort', this.#wake);
  }

  async #look(): Promise<void> {
    const waiting = [...this.#waiting];
    const found = await this.#ready([...new Set(waiting.flatMap(({ ids }) => [...ids]))]);
    if (!found.ok) return;
    for (const { ids, done } of waiting) {
      for (const id of found.value) ids.delete(id);
      if (ids.size === 0) done();
    }
  }
}
