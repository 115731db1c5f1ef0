/** Work on the database of which only some is done at a time, again and again while the database does not answer. */
import { setImmediate } from 'node:timers/promises';
import { MonitorError } from '../errors.ts';
import { backoff, sleep } from '../runtime.ts';

export class Turns {
  readonly #stop: AbortSignal;
  #free: number;
  readonly #queue: (() => void)[] = [];

  /** @param atOnce how much is done at a time @param stop ends the waiting for the database */
  constructor(atOnce: number, stop: AbortSignal) {
    this.#free = atOnce;
    this.#stop = stop;
  }

  /**
   * Does some work when its turn has come. Undefined where it is not wanted any more. Throws what is no failure of the
   * database, and when all is stopped.
   */
  async take<T>(isOver: () => boolean, work: () => Promise<T> | T): Promise<T | undefined> {
    for (let n = 0; !isOver(); n += 1) {
      if (this.#free > 0) this.#free -= 1;
      else await new Promise<void>((resolve) => this.#queue.push(resolve));
      // Some work waits for nothing: all that is waiting would be done in one go, and all else would stand still meanwhile.
      await setImmediate();
      try {
        return isOver() ? undefined : await work();
      } catch (error) {
        if (!(error instanceof MonitorError && error.retry)) throw error;
      } finally {
        const next = this.#queue.shift();
        if (next) next();
        else this.#free += 1;
      }
      await sleep(backoff(n, 0.1, 5), this.#stop);
    }
    return undefined;
  }
}
