/** A client on a WebSocket: its frames are read, what is wrong with them is said, and its signs of life are counted. */
import type { RawData, WebSocket } from 'ws';
import type { Seconds } from '../domain/event.ts';
import { type Frame, frameOf, type Sink } from './frame.ts';
import type { Hub } from './hub.ts';
import type { Session } from './session.ts';
import { type ReadSubscription, readFrame, readParams } from './subscription.ts';

/** Ticks without a sign of life after which a client is given up. */
const SILENT_TICKS = 30;

/** Frames that were not understood after which a client is sent away. */
const MAX_ERRORS = 10;

/** Frames of a client between two ticks. */
const MAX_FRAMES = 50;

class SocketSink implements Sink {
  readonly #socket: WebSocket;
  #silent = 0;
  #backlog = 0;
  frames = 0;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('pong', () => {
      this.#silent = 0;
    });
  }

  get backlog(): number {
    return this.#socket.bufferedAmount;
  }

  send({ bytes }: Frame): void {
    if (this.#isOpen) this.#socket.send(bytes, { binary: false });
  }

  /** A ping is written after all that was sent before it. */
  drained(): Promise<void> {
    if (!this.#isOpen) return Promise.resolve();
    return new Promise((resolve) => {
      this.#socket.ping('', false, () => resolve());
    });
  }

  tick(): void {
    this.frames = 0;
    const { backlog } = this;
    // One that takes what it is sent lives, although its pong is behind that.
    if (backlog < this.#backlog) this.#silent = 0;
    this.#backlog = backlog;
    if (this.#silent++ >= SILENT_TICKS) this.#socket.terminate();
    else if (this.#silent % 10 === 1 && this.#isOpen) this.#socket.ping();
  }

  async close(code: number, reason: string): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    const impatience = setTimeout(() => this.#socket.terminate(), 1000);
    this.#socket.close(code, reason);
    await closed;
    clearTimeout(impatience);
  }

  get #isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }
}

/** @param params of the query string @param clock epoch seconds */
export function attachSocket(hub: Hub, socket: WebSocket, params: URLSearchParams, clock: () => Seconds): void {
  const sink = new SocketSink(socket);
  let errors = 0;
  socket.on('error', () => socket.terminate());
  const session = hub.enter(sink);
  socket.on('close', () => hub.leave(session));
  const take = (read: ReadSubscription): void => {
    if (!read.ok) errors += 1;
    answer(hub, session, read);
    if (errors >= MAX_ERRORS) socket.close(1008, `${MAX_ERRORS} messages were not understood: see docs/live.md`);
  };
  take(readParams(params, clock()));
  socket.on('message', (data: RawData, isBinary: boolean) => {
    // One that was sent away may go on talking until it is cut.
    if (socket.readyState !== socket.OPEN) return;
    sink.frames += 1;
    if (sink.frames > MAX_FRAMES) socket.close(1008, `more than ${MAX_FRAMES} messages in a second`);
    else if (isBinary) take({ ok: false, id: null, error: 'expected text, not a binary frame', at: null });
    else take(readFrame(String(data), clock()));
  });
}

/** Does what a client asks for, or says why not. */
function answer(hub: Hub, session: Session, read: ReadSubscription): void {
  if (read.ok) hub.subscribe(session, read.subscription);
  else session.sink.send(frameOf({ type: 'error', id: read.id, error: read.error, at: read.at }));
}
