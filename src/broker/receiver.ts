/** Joins a broker as a monitor and stays joined: what the exchange brings goes to the inbox, what may be missing to `onGap`. */
import type { ConsumeMessage } from 'amqplib';
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { MonitorError, reasonOf, redactUrl } from '../errors.ts';
import { backoff, now, sleep } from '../runtime.ts';
import { type Connection, type ConnectionOptions, openConnection } from './connection.ts';
import type { Receipt } from './delivery.ts';
import type { Inbox } from './inbox.ts';
import { Misses } from './misses.ts';
import { queueExists } from './queue.ts';
import { openSession, type Session, type SessionOptions } from './session.ts';
import { wakeWorkers } from './wake.ts';

export interface ReceiverOptions extends ConnectionOptions, SessionOptions {
  readonly cluster: string;
  /** At least one; the next is tried when one does not answer. */
  readonly urls: readonly string[];
  /** Celery's `control_exchange`, `celery` by default. */
  readonly controlExchange: string;
}

/** What a receiver works with. */
export interface ReceiverParts {
  readonly inbox: Pick<Inbox, 'push' | 'hasRoom'>;
  readonly diagnostics: Diagnostics;
  readonly onGap: (gap: Gap) => void;
  readonly log: { warn(fields: object, message: string): void };
}

export interface ReceiverStatus {
  readonly cluster: string;
  /** True where no broker is behind it. */
  readonly simulated: boolean;
  /** Consuming. */
  readonly connected: boolean;
  /** The broker that it consumes from, or tries next; no password in it. */
  readonly url: string;
  /** RabbitMQ's; null while it is not connected. */
  readonly version: string | null;
  /** Null while it has none. */
  readonly queue: string | null;
  readonly mode: 'guest' | 'durable';
  /** Since when it is connected, or not. */
  readonly since: Seconds;
  /** Why the broker does not take messages from publishers (workers too), as it put it; null while it takes them. */
  readonly blocked: string | null;
  readonly lastDelivery: Seconds | null;
  /** Messages so far. */
  readonly received: number;
  /** Why it is not connected; null while it is. */
  readonly error: string | null;
  /**
   * Durable mode: whether a queue was there, when this process first came, that has kept what was sent before: a classic one
   * may have lost it. Null before that, and as a guest.
   */
  readonly kept: boolean | null;
}

/** A session that lasted so long was no accident: the next failure starts the waiting from the shortest again. */
const STABLE: Seconds = 10;
/** Between two looks whether there is room in the inbox. */
const LOOK: Seconds = 0.1;
/** A broker that has accepted the login has so long to declare the queue and start delivering. */
const JOIN_TIMEOUT: Seconds = 30;
const NO_HEADERS = {};

/**
 * One cluster's receiver.
 *
 * `run` is one loop for every way to lose a broker: refused, reset, silent for two heartbeats, channel closed, consumer
 * cancelled, login or virtual host refused, restarted. It waits (doubling, capped, with jitter) and comes back, to the
 * next URL where there are several. It throws only QUEUE_MISMATCH, which waiting does not mend. When its signal aborts
 * it stops consuming and returns, with the connection still open for what is being recorded to be acknowledged; dispose
 * closes it, and the broker gives what was not acknowledged to whoever comes next.
 *
 * What may be missing is told as gaps, see `Misses`. Memory stays bounded: a guest's messages are refused when the inbox is
 * full; with a durable queue it comes back with a smaller prefetch, once there is room, when the messages are too large for the inbox.
 */
export class Receiver implements AsyncDisposable {
  readonly #options: ReceiverOptions;
  readonly #parts: ReceiverParts;
  readonly #misses: Misses;
  readonly #guest: boolean;
  #status: ReceiverStatus;
  #received = 0;
  #lastDelivery: Seconds | null = null;
  /** Less than was asked for while the messages are so large that they do not fit. */
  #prefetch: number;
  /** The last one, once `run` has ended; before that `run` owns it. */
  #session: Session | null = null;

  constructor(options: ReceiverOptions, parts: ReceiverParts) {
    this.#options = options;
    this.#parts = parts;
    this.#misses = new Misses(options, parts.onGap);
    this.#guest = options.queue === null;
    this.#prefetch = options.prefetch;
    this.#status = {
      cluster: options.cluster,
      simulated: false,
      connected: false,
      url: redactUrl(options.urls[0] ?? ''),
      version: null,
      queue: null,
      mode: this.#guest ? 'guest' : 'durable',
      since: now(),
      blocked: null,
      lastDelivery: null,
      received: 0,
      error: null,
      kept: null,
    };
  }

  get status(): ReceiverStatus {
    return { ...this.#status, lastDelivery: this.#lastDelivery, received: this.#received };
  }

  /** @throws MonitorError QUEUE_MISMATCH. */
  async run(signal: AbortSignal): Promise<void> {
    const { urls } = this.#options;
    let failures = 0;
    for (let turn = 0; !signal.aborted; ) {
      try {
        const reason = await this.#join(urls[turn % urls.length] ?? '', signal);
        if (reason === null) return;
        throw reason;
      } catch (error) {
        if (signal.aborted) return;
        const steady = this.#status.connected && now() - this.#status.since >= STABLE;
        failures = steady ? 0 : failures + 1;
        if (!steady) turn++;
        // All URLs are tried before the first wait.
        const retryIn = failures % urls.length === 0 ? backoff(Math.max(0, failures / urls.length - 1)) : 0;
        this.#disconnected(error, retryIn);
        if (MonitorError.is(error, 'QUEUE_MISMATCH')) throw error;
        await sleep(retryIn, signal).catch(() => {});
        if (MonitorError.is(error, 'BUFFER_FULL')) await this.#room(signal);
      }
    }
  }

  /**
   * Waits until the inbox takes messages again. To come back earlier would give it the same ones time after time, and
   * RabbitMQ drops what a quorum queue was given back some twenty times.
   */
  async #room(signal: AbortSignal): Promise<void> {
    while (!this.#parts.inbox.hasRoom && !signal.aborted) await sleep(LOOK, signal).catch(() => {});
  }

  /** Idempotent; see `Session`. */
  async [Symbol.asyncDispose](): Promise<void> {
    const session = this.#session;
    if (session === null) return;
    this.#session = null;
    this.#status = { ...this.#status, connected: false, version: null, queue: null, since: now() };
    await session[Symbol.asyncDispose]();
  }

  /** From connecting to the loss of it, whose reason it returns; null when it ended because the signal aborted. */
  async #join(url: string, signal: AbortSignal): Promise<MonitorError | null> {
    const { session, existed } = await this.#open(url, signal);
    const end = new AbortController();
    const aborted = new Promise<null>((resolve) => {
      signal.addEventListener('abort', () => resolve(null), { signal: end.signal });
      if (signal.aborted) resolve(null);
    });
    this.#connected(url, session, existed);
    const company = this.#keepCompany(url, session.queue, AbortSignal.any([signal, end.signal]));
    const clock = this.#guest ? this.#misses.watch(() => this.#parts.inbox.hasRoom) : undefined;
    const reason = await Promise.race([session.lost, aborted]);
    const tooMuch = MonitorError.is(reason, 'BUFFER_FULL');
    this.#prefetch = tooMuch ? Math.ceil(this.#prefetch / 4) : this.#options.prefetch;
    clearInterval(clock);
    end.abort();
    if (reason === null) {
      this.#session = session;
      await session.stop();
    } else await session[Symbol.asyncDispose]();
    await company;
    return reason;
  }

  /** Connects and consumes; a broker that stops answering on the way is given up. */
  async #open(url: string, signal: AbortSignal): Promise<{ session: Session; existed: boolean | null }> {
    const connection = await openConnection(url, this.#options, signal);
    const patience = AbortSignal.timeout(JOIN_TIMEOUT * 1000);
    const giveUp = (): void => void connection[Symbol.asyncDispose]();
    for (const each of [signal, patience]) each.addEventListener('abort', giveUp);
    try {
      const existed = await this.#lookForQueue(connection);
      const options = { ...this.#options, prefetch: this.#prefetch };
      return { existed, session: await openSession(connection, options, this.#onMessage) };
    } catch (error) {
      await connection[Symbol.asyncDispose]();
      if (!patience.aborted || signal.aborted) throw error;
      const message = `the broker at ${redactUrl(url)} lets us in, but did not give us the queue within ${JOIN_TIMEOUT} s`;
      throw new MonitorError('BROKER_UNREACHABLE', message, { cause: error });
    } finally {
      for (const each of [signal, patience]) each.removeEventListener('abort', giveUp);
    }
  }

  readonly #onMessage = (message: ConsumeMessage, receipt: Receipt | null): boolean => {
    const { fields, properties, content } = message;
    const at = now();
    this.#received++;
    this.#lastDelivery = at;
    const accepted = this.#parts.inbox.push({
      cluster: this.#options.cluster,
      routing_key: fields.routingKey,
      content_type: properties.contentType as string | undefined,
      content_encoding: properties.contentEncoding as string | undefined,
      headers: properties.headers ?? NO_HEADERS,
      body: content,
      redelivered: fields.redelivered,
      local_received: at,
      receipt,
    });
    if (receipt !== null) return accepted;
    if (accepted) this.#misses.accepted(at);
    else this.#misses.refused(at);
    return accepted;
  };

  /** Durable mode: whether the queue is there already; null as a guest. */
  async #lookForQueue(connection: Connection): Promise<boolean | null> {
    const { queue } = this.#options;
    if (queue === null) return null;
    const exists = await queueExists(connection, queue);
    this.#misses.sawQueue(exists);
    return exists;
  }

  #connected(url: string, { version, queue }: Session, exists: boolean | null): void {
    const since = now();
    const { queueType } = this.#options;
    const kept = this.#status.kept ?? (exists && queueType === 'quorum');
    const joined = { connected: true, url: redactUrl(url), version, queue, since, error: null };
    this.#status = { ...this.#status, ...joined, kept };
    this.#misses.consuming(since);
  }

  #disconnected(error: unknown, retryIn: Seconds): void {
    const reason = reasonOf(error);
    const { connected, since } = this.#status;
    if (connected) {
      this.#misses.lost(Math.max(since, this.#lastDelivery ?? since));
      this.#status = { ...this.#status, connected: false, version: null, queue: null, since: now() };
    }
    this.#status = { ...this.#status, error: reason };
    this.#parts.diagnostics.emit('receiver:lost', { cluster: this.#options.cluster, reason, retryIn });
  }

  async #keepCompany(url: string, queue: string, signal: AbortSignal): Promise<void> {
    const { cluster, controlExchange } = this.#options;
    const { diagnostics, log } = this.#parts;
    const onWoken = (failure: unknown): void => {
      if (signal.aborted) return;
      if (failure !== null)
        log.warn(
          { cluster, reason: reasonOf(failure) },
          'the workers could not be woken: each shows up with its next event',
        );
      diagnostics.emit('receiver:ready', { cluster, url: redactUrl(url), queue });
    };
    const onBlocked = (reason: string | null): void => {
      if (this.#status.blocked === reason) return;
      this.#status = { ...this.#status, blocked: reason };
      diagnostics.emit('receiver:blocked', { cluster, reason });
    };
    await wakeWorkers(url, this.#options, { controlExchange, onWoken, onBlocked }, signal);
  }
}
