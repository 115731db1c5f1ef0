/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The live feed as a client has it: connected for as long as it is wanted, going on after every loss of the connection, and
 * every restart of celerycam, from where it was. For browsers and Node.
 */
import { EventEmitter } from 'eventemitter3';
import type { FeedMessage, Subscribe } from '../contract/feed.ts';
import { MonitorError, reasonOf } from '../errors.ts';
import { refusalIn } from './api-client.ts';
import { checkedUrl, defaultWebSocket, feedAddress } from './feed-address.ts';
import type { FeedSubscription, LiveFeedEvents, LiveFeedOptions, WebSocketLike } from './feed-options.ts';
import { PROTOCOL, readMessage } from './messages.ts';

const OPEN = 1;

/**
 *     await using feed = new LiveFeed('http://localhost:5555', { q: 'state:FAILURE', snapshot: true });
 *     for await (const message of feed) state.apply(message);
 *
 * Connects at once. Whoever iterates gets every message from then on, one iteration at a time; listeners get each when it
 * arrives. Where `snapshot` was asked for, the server follows a `reset` with a new one; else listen to `reset` and fetch.
 */
export class LiveFeed extends EventEmitter<LiveFeedEvents> implements AsyncDisposable {
  readonly #url: () => string | Promise<string>;
  readonly #options: LiveFeedOptions;
  #subscription: FeedSubscription;
  /** Of what has arrived: where the next connection goes on. */
  #cursor: string | null;
  /** Of what was taken by whoever iterates; undefined before anybody does. */
  #taken: string | null | undefined;
  #socket: WebSocketLike | null = null;
  /** Counts attempts since the last message. */
  #attempts = 0;
  #ids = 0;
  /** The answer to this subscription is awaited: what still arrives for the one before has no cursor for it. */
  #awaited: string | null = null;
  /** What holds again where that is refused. */
  #former: FeedSubscription = {};
  #retry: ReturnType<typeof setTimeout> | null = null;
  #silence: ReturnType<typeof setTimeout> | null = null;
  #isClosed = false;
  #isPaused = false;
  #failure: MonitorError | null = null;
  /** What is to be taken, with the place to go on from when it was. */
  readonly #waiting: { readonly message: FeedMessage; cursor: string | null }[] = [];
  #isIterated = false;
  #wake: (() => void) | null = null;
  readonly #closed: Promise<void>;
  #tellClosed: () => void = () => undefined;

  /**
   * @param url of celerycam, `http://host:port` or with a path before `/live`; or a function that gives it anew for each
   *   connection, where a query string with a short-lived ticket belongs to it
   * @throws MonitorError CONFIG_INVALID for what is no such URL
   */
  constructor(url: string | URL | (() => string | Promise<string>), options: LiveFeedOptions = {}) {
    super();
    const address = typeof url === 'function' ? url : checkedUrl(url);
    this.#url = typeof address === 'function' ? address : () => address;
    this.#options = options;
    const { q, cluster, topics, events, snapshot, after } = options;
    this.#subscription = { q, cluster, topics, events, snapshot };
    this.#cursor = after ?? null;
    this.#closed = new Promise((resolve) => {
      this.#tellClosed = resolve;
    });
    options.signal?.addEventListener('abort', this.#abort);
    if (options.signal?.aborted) void this.close();
    else void this.#connect();
  }

  /**
   * Where another feed could go on from, with nothing left out of what was not taken yet by whoever iterates; null before
   * there is such a place.
   */
  get cursor(): string | null {
    return this.#taken === undefined ? this.#cursor : this.#taken;
  }

  get isConnected(): boolean {
    return this.#socket?.readyState === OPEN;
  }

  /**
   * Hears of something else from now on, over the same connection; where the server refuses it, of what it did before. What
   * was held under the old one is to be forgotten.
   */
  subscribe(subscription: FeedSubscription): void {
    if (this.#awaited === null) this.#former = this.#subscription;
    this.#subscription = subscription;
    // A place in the old subscription is none in the new: what matches now may have changed long before.
    this.#cursor = null;
    if (this.#taken !== undefined) this.#taken = null;
    for (const each of this.#waiting) each.cursor = null;
    if (this.#socket?.readyState !== OPEN) return;
    this.#ids += 1;
    this.#awaited = `${this.#ids}`;
    const message: Subscribe = { type: 'subscribe', id: this.#awaited, ...subscription };
    this.#socket.send(JSON.stringify(message));
  }

  /**
   * Every message from now on, until the feed is closed. One iteration at a time.
   * @throws MonitorError QUESTION_REFUSED, PROTOCOL_UNKNOWN where the feed has `failed`
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<FeedMessage, void, undefined> {
    if (this.#isIterated) throw new Error('this feed is iterated over already; open another one');
    this.#isIterated = true;
    if (this.#taken === undefined) this.#taken = this.#cursor;
    try {
      while (true) {
        const next = this.#waiting.shift();
        if (next) {
          this.#taken = next.cursor;
          yield next.message;
          continue;
        }
        if (this.#failure) throw this.#failure;
        if (this.#isClosed) return;
        this.#goOn();
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      this.#isIterated = false;
      this.#waiting.length = 0;
      this.#goOn();
    }
  }

  /** Ends it: nothing is heard of any more, and iteration ends after what has arrived. Resolves when the connection is closed. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#clearTimers();
      this.#options.signal?.removeEventListener('abort', this.#abort);
      this.#wake?.();
      if (this.#socket) this.#socket.close(1000);
      else this.#tellClosed();
    }
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  readonly #abort = (): void => void this.close();

  async #connect(): Promise<void> {
    this.#retry = null;
    try {
      const WebSocket = this.#options.WebSocket ?? (await defaultWebSocket());
      const url = await feedAddress(await this.#url(), this.#subscription, this.#cursor, this.#options.token);
      if (this.#isClosed) {
        this.#tellClosed();
        return;
      }
      this.#listen(new WebSocket(url));
    } catch (error) {
      // The same token will not do next time either. What else is refused may be a proxy's fault, or for now.
      if ([401, 403].includes(refusalIn(error)?.status ?? 0)) this.#fail(error as MonitorError);
      else this.#lose(reasonOf(error));
    }
  }

  #listen(socket: WebSocketLike): void {
    this.#socket = socket;
    this.#awaited = null;
    this.#expect(socket);
    let failure = '';
    socket.addEventListener('open', () => this.emit('open'));
    socket.addEventListener('message', ({ data }: { readonly data: unknown }) => {
      if (socket === this.#socket && !this.#isClosed) this.#take(socket, String(data));
    });
    socket.addEventListener('error', (event: { readonly message?: string }) => {
      failure = event.message ?? '';
    });
    socket.addEventListener('close', ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      if (this.#isClosed) this.#tellClosed();
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (!this.#isPaused) this.#lose(reason || failure || `the connection was closed (${code})`);
    });
  }

  #take(socket: WebSocketLike, text: string): void {
    let message: FeedMessage;
    try {
      message = readMessage(text);
    } catch (error) {
      this.#drop(socket, `what answers is no live feed: ${reasonOf(error)}`);
      return;
    }
    if (message.type === 'hello' && message.protocol !== PROTOCOL) {
      const spoken = `celerycam ${message.version} speaks protocol ${message.protocol} of the live feed`;
      this.#fail(new MonitorError('PROTOCOL_UNKNOWN', `${spoken}, this client ${PROTOCOL}: install the same version`));
      return;
    }
    this.#attempts = 0;
    this.#expect(socket);
    if (this.#awaited !== null && 'id' in message && message.id === this.#awaited) {
      this.#awaited = null;
      if (message.type === 'error') this.#subscription = this.#former;
    }
    if (this.#awaited === null) this.#note(message);
    this.emit('message', message);
    if (message.type === 'error') this.emit('refused', message);
    else (this.emit as (type: string, message: FeedMessage) => boolean)(message.type, message);
    if (!this.#isIterated) return;
    this.#waiting.push({ message, cursor: this.#cursor });
    this.#wake?.();
    if (this.#waiting.length > (this.#options.maxWaiting ?? 1000)) this.#pause();
  }

  /** Keeps the cursor at what can be gone on from: never a place in the middle of a snapshot, nor before a reset. */
  #note(message: FeedMessage): void {
    switch (message.type) {
      case 'changes':
      case 'live':
        this.#cursor = message.cursor;
        return;
      case 'snapshot':
        this.#cursor = message.cursor;
        return;
      case 'reset':
        this.#cursor = this.#subscription.snapshot ? null : message.cursor;
        return;
      case 'hello':
      case 'subscribed':
      case 'behind':
      case 'shutter':
      case 'missed':
      case 'error':
        return;
    }
  }

  /** Gives up the connection for as long as messages wait; the server keeps nothing but a place meanwhile. */
  #pause(): void {
    const socket = this.#socket;
    this.#isPaused = true;
    this.#socket = null;
    this.#clearTimers();
    socket?.close(1000);
    this.emit('paused', { waiting: this.#waiting.length });
  }

  /** Where it was paused: it is not to be any more. */
  #goOn(): void {
    if (!this.#isPaused || this.#isClosed) return;
    this.#isPaused = false;
    void this.#connect();
  }

  /** Gives up a connection that is of no use. */
  #drop(socket: WebSocketLike, reason: string): void {
    // The closing handshake of a dead connection may take for ever.
    this.#socket = null;
    socket.close();
    this.#lose(reason);
  }

  #fail(error: MonitorError): void {
    if (this.#isClosed) return;
    this.#failure = error;
    void this.close();
    this.emit('failed', error);
  }

  #lose(reason: string): void {
    if (this.#isClosed) {
      this.#tellClosed();
      return;
    }
    this.#clearTimers();
    const { backoff = 250, maxBackoff = 15_000 } = this.#options;
    // Many clients of one server must not come back in the same instant.
    const retryIn = Math.min(maxBackoff, backoff * 2 ** Math.min(this.#attempts, 20)) * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#retry = setTimeout(() => void this.#connect(), retryIn);
    this.emit('lost', { reason, retryIn });
  }

  #expect(socket: WebSocketLike): void {
    if (this.#silence) clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (socket === this.#socket) this.#drop(socket, 'nothing was heard of the server');
    }, this.#options.patience ?? 45_000);
  }

  #clearTimers(): void {
    if (this.#retry) clearTimeout(this.#retry);
    if (this.#silence) clearTimeout(this.#silence);
    this.#retry = null;
    this.#silence = null;
  }
}
