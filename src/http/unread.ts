/** Answers that wait in memory until their clients take them: how much that may be, and who is cut when it is more. */
import type { ServerResponse } from 'node:http';
import type { Seconds } from '../domain/event.ts';

/** Bytes, of all answers together. */
const MAX_UNREAD = 128 << 20;

/** How often they are looked at. */
const EVERY: Seconds = 0.25;

/** The answers under way. Of those that nobody takes, what waits longest is cut first. */
export class Unread implements Disposable {
  readonly #onCut: (response: ServerResponse) => void;
  readonly #most: number;
  /** With the bytes that its connection had taken when that last grew; what has waited longest comes first. */
  readonly #taken = new Map<ServerResponse, number>();
  readonly #timer = setInterval(() => this.look(), EVERY * 1000).unref();

  /** @param onCut is told of each answer before it is cut @param most bytes that may wait */
  constructor(onCut: (response: ServerResponse) => void, most = MAX_UNREAD) {
    this.#onCut = onCut;
    this.#most = most;
  }

  get size(): number {
    return this.#taken.size;
  }

  add(response: ServerResponse): void {
    this.#taken.set(response, 0);
    response.once('close', () => this.#taken.delete(response));
  }

  look(): void {
    let waiting = 0;
    for (const [response, before] of [...this.#taken]) {
      const left = response.writableLength;
      const taken = response.req.socket.bytesWritten - left;
      waiting += left;
      if (taken === before) continue;
      this.#taken.delete(response);
      this.#taken.set(response, taken);
    }
    for (const response of this.#taken.keys()) {
      if (waiting <= this.#most) return;
      const { writableLength } = response;
      if (writableLength === 0) continue;
      waiting -= writableLength;
      this.#onCut(response);
      response.req.socket.destroy();
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
