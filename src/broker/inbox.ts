/** The buffer between receivers, which push as the network gives, and the pipeline, which takes batches as it can. */
import type { Delivery } from './delivery.ts';

export interface InboxOptions {
  /** At most so many messages to a batch. */
  readonly batchSize: number;
  /** Bytes of message bodies that may wait here. A delivery that cannot wait in the broker is refused beyond it. */
  readonly maxBytes: number;
}

/** The stage's one queue: all receivers of all clusters push here, so that one order holds for everything. */
export class Inbox {
  readonly #options: InboxOptions;
  #waiting: Delivery[] = [];
  #bytes = 0;
  #wake: (() => void) | null = null;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Bytes of message bodies that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes a delivery; false when it was refused because the buffer is full (never for one with a receipt). */
  push(delivery: Delivery): boolean {
    if (this.#bytes >= this.#options.maxBytes && delivery.receipt === null) return false;
    this.#waiting.push(delivery);
    this.#bytes += delivery.body.length;
    this.#wake?.();
    return true;
  }

  /** Batches in the order of arrival, each as soon as the one before it was dealt with; ends when the signal aborts. */
  async *batches(signal: AbortSignal): AsyncGenerator<readonly Delivery[], void, undefined> {
    const wake = (): void => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (true) {
        while (this.#waiting.length === 0) {
          if (signal.aborted) return;
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          this.#wake = null;
        }
        yield this.#take();
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #take(): readonly Delivery[] {
    const { batchSize } = this.#options;
    let batch = this.#waiting;
    if (batch.length <= batchSize) this.#waiting = [];
    else {
      batch = this.#waiting.slice(0, batchSize);
      this.#waiting = this.#waiting.slice(batchSize);
    }
    for (const delivery of batch) this.#bytes -= delivery.body.length;
    return batch;
  }
}
