/** Wakes up who waits: for some time, or until it is rung. */
import type { Seconds } from '../domain/event.ts';

export class Bell {
  #rang = false;
  #wake: () => void = () => {};

  ring(): void {
    this.#rang = true;
    this.#wake();
  }

  /** Whether it was rung since this was asked before. */
  rang(): boolean {
    const rang = this.#rang;
    this.#rang = false;
    return rang;
  }

  /** Resolves after so long, or at once where it was or is rung. */
  async wait(seconds: Seconds): Promise<void> {
    if (this.#rang) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, seconds) * 1000);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
