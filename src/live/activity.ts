/** What this process has been doing: rates, counts since the start, the last shutter, whether it can record. */
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';

const WINDOW = 60;

export interface LastShutter {
  readonly at: Seconds;
  readonly snapshot: number;
  readonly position: number;
  readonly tasks: number;
  readonly workers: number;
  readonly seconds: number;
}

/** Listens to the diagnostics. `clock` gives epoch seconds. */
export class Activity {
  readonly started: Seconds;
  events = 0;
  duplicates = 0;
  deadLetters = 0;
  gaps = 0;
  lastShutter: LastShutter | null = null;
  /** Why nothing can be recorded; null while it can. */
  recordingError: string | null = null;
  /** Seconds between the newest event's timestamp and its being recorded. */
  lag: Seconds | null = null;
  readonly #clock: () => Seconds;
  /** Events in each of the last seconds, by second modulo the length. */
  readonly #perSecond = new Float64Array(WINDOW + 1);
  #second: number;

  constructor(diagnostics: Diagnostics, clock: () => Seconds) {
    this.#clock = clock;
    this.started = clock();
    this.#second = Math.floor(this.started);
    diagnostics.on('journal:appended', ({ events, deadLetters, duplicates, timestamp }) => {
      this.#advance();
      this.#perSecond[this.#second % this.#perSecond.length]! += events;
      this.events += events;
      this.duplicates += duplicates;
      this.deadLetters += deadLetters;
      this.recordingError = null;
      if (timestamp !== null) this.lag = Math.max(0, clock() - timestamp);
    });
    diagnostics.on('journal:failed', ({ reason }) => {
      this.recordingError = reason;
    });
    diagnostics.on('gap', () => {
      this.gaps += 1;
    });
    diagnostics.on('camera:shutter', (picture) => {
      this.lastShutter = { at: clock(), ...picture };
    });
  }

  /** Events per second: in the last whole second, and on average over the last minute (or since the start). */
  rates(): { readonly now: number; readonly minute: number } {
    this.#advance();
    const length = this.#perSecond.length;
    const current = this.#second % length;
    let sum = 0;
    for (let i = 0; i < length; i++) if (i !== current) sum += this.#perSecond[i] ?? 0;
    const whole = Math.max(1, Math.min(WINDOW, this.#second - Math.floor(this.started)));
    return { now: this.#perSecond[(current + length - 1) % length] ?? 0, minute: sum / whole };
  }

  /** Empties the seconds that have passed since it was last called. */
  #advance(): void {
    const second = Math.floor(this.#clock());
    const length = this.#perSecond.length;
    for (let s = Math.max(this.#second + 1, second - length + 1); s <= second; s++) this.#perSecond[s % length] = 0;
    this.#second = Math.max(this.#second, second);
  }
}
