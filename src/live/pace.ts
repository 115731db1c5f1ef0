/** When the feed sends next: at once after a pause, else not too soon after the last time. */
import type { Seconds } from '../domain/event.ts';

/** Where much is sent to many, sending takes this share of the time at most, … */
const SENDING = 0.25;
/** … and what changes is gathered for so long at most. */
const LONGEST_PAUSE: Seconds = 0.5;

export class Pace {
  readonly #send: () => void;
  readonly #shortest: Seconds;
  #timer: NodeJS.Timeout | null = null;
  /** When something may next be sent, of `performance.now()`. */
  #next = Number.NEGATIVE_INFINITY;

  /** @param shortest pause between two times of sending */
  constructor(send: () => void, shortest: Seconds) {
    this.#send = send;
    this.#shortest = shortest;
  }

  /** There is something to send: calls `send` as soon as may be, once. */
  request(): void {
    this.#timer ??= setTimeout(this.#send, Math.max(0, this.#next - performance.now()));
  }

  /** Nothing is to be sent any more. */
  cancel(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
  }

  /** Something was sent just now. @param begun when that began, of `performance.now()` */
  sent(begun: number): void {
    const end = performance.now();
    const took = (end - begun) / 1000;
    const pause = Math.min(Math.max(this.#shortest, took / SENDING - took), LONGEST_PAUSE);
    this.#next = end + pause * 1000;
  }
}
