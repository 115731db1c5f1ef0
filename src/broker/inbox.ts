/** The buffer between receivers, which push as the network gives, and the pipeline, which takes batches as it can. */
import type { Delivery } from './delivery.ts';

export interface InboxOptions {
  /** At most so many messages to a batch; fewer where they are large (`BATCH_BYTES`). */
  readonly batchSize: number;
  /** Bytes that may wait here. Beyond it deliveries are refused: twice as many for those that can wait in the broker. */
  readonly maxBytes: number;
}

/** A batch takes no further message once it holds so many bytes: lists hold many events. */
const BATCH_BYTES = 1 << 20;

/** What a delivery takes beside its body: its objects, and its frames in the socket's buffers that hold the body. */
const OVERHEAD = 700;

/** The stage's one queue: all receivers of all clusters push here, so that one order holds for everything. */
export class Inbox {
  readonly #options: InboxOptions;
  /** Cut into batches already, so that taking one costs nothing however many wait. */
  readonly #waiting: Delivery[][] = [];
  #bytes = 0;
  /** Of the last batch. */
  #lastBytes = 0;
  #full = false;
  #wake: (() => void) | null = null;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether it takes deliveries that nobody else keeps. */
  get hasRoom(): boolean {
    return !this.#full;
  }

  /**
   * Takes a delivery; false when it was refused because too much waits. Once full it refuses until half of it is free, so
   * that an overload leaves a few long gaps and not thousands of short ones. A delivery with a receipt is not lost by
   * being refused, and its broker sends no more than its prefetch: it is refused only when that is too much by far.
   */
  push(delivery: Delivery): boolean {
    if (delivery.receipt === null ? this.#full : this.#bytes >= 2 * this.#options.maxBytes) return false;
    const last = this.#waiting.at(-1);
    const bytes = delivery.body.length + OVERHEAD;
    if (last !== undefined && last.length < this.#options.batchSize && this.#lastBytes < BATCH_BYTES)
      last.push(delivery);
    else {
      this.#waiting.push([delivery]);
      this.#lastBytes = 0;
    }
    this.#lastBytes += bytes;
    this.#bytes += bytes;
    if (this.#bytes >= this.#options.maxBytes) this.#full = true;
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
    const batch = this.#waiting.shift() ?? [];
    for (const delivery of batch) this.#bytes -= delivery.body.length + OVERHEAD;
    if (this.#bytes <= this.#options.maxBytes / 2) this.#full = false;
    return batch;
  }
}
