/** A client over plain HTTP: the same frames, handed out one by one as the client takes them. */
import type { Frame, Sink } from './frame.ts';
import type { Hub } from './hub.ts';
import type { Subscription } from './subscription.ts';

class QueueSink implements Sink {
  readonly #frames: Frame[] = [];
  #bytes = 0;
  #isOpen = true;
  #wake: (() => void) | null = null;
  #empty: (() => void)[] = [];

  get backlog(): number {
    return this.#bytes;
  }

  send(frame: Frame): void {
    if (!this.#isOpen) return;
    this.#frames.push(frame);
    this.#bytes += frame.bytes.length;
    this.#wake?.();
  }

  drained(): Promise<void> {
    return this.#frames.length === 0 || !this.#isOpen
      ? Promise.resolve()
      : new Promise((resolve) => this.#empty.push(resolve));
  }

  tick(): void {
    // The connection itself tells when the client has gone.
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    this.#wake?.();
    for (const resolve of this.#empty.splice(0)) resolve();
  }

  /** The next frame, once there is one; undefined when it was closed. What was sent before is handed out all the same. */
  async next(): Promise<Frame | undefined> {
    while (this.#frames.length === 0 && this.#isOpen) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift();
    this.#bytes -= frame?.bytes.length ?? 0;
    if (this.#frames.length === 0) for (const resolve of this.#empty.splice(0)) resolve();
    return frame;
  }
}

/**
 * The messages of a subscription, from `hello` on, until the signal aborts, the program stops, or nobody asks for more.
 * Whoever takes them slowly is told what changed meanwhile, as on a WebSocket.
 */
export async function* follow(
  hub: Hub,
  subscription: Subscription,
  signal: AbortSignal,
): AsyncGenerator<Frame, void, undefined> {
  if (signal.aborted) return;
  const sink = new QueueSink();
  const close = (): unknown => sink.close();
  signal.addEventListener('abort', close);
  const session = hub.enter(sink);
  try {
    hub.subscribe(session, subscription);
    for (let frame = await sink.next(); frame; frame = await sink.next()) yield frame;
  } finally {
    signal.removeEventListener('abort', close);
    hub.leave(session);
  }
}
