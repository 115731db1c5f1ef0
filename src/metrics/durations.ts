/** A histogram of seconds, since this process started. */
import type { Seconds } from '../domain/event.ts';
import { bucketLabels, type Exposition } from './exposition.ts';

const BOUNDS: readonly Seconds[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LES = bucketLabels(BOUNDS);

export class Durations {
  /** Of each bucket by itself, the one beyond, and the sum. */
  readonly #counts = new Array<number>(BOUNDS.length + 2).fill(0);

  observe(seconds: Seconds): void {
    const n = BOUNDS.findIndex((bound) => seconds <= bound);
    this.#add(n < 0 ? BOUNDS.length : n, 1);
    this.#add(BOUNDS.length + 1, seconds);
  }

  write(out: Exposition, name: string, help: string): void {
    out.family(name, 'histogram', help);
    out.histogram('', LES, this.#counts);
  }

  #add(n: number, value: number): void {
    this.#counts[n] = (this.#counts[n] as number) + value;
  }
}
