/** A receiver under test: running, with what it took, the gaps that it told of, and a publisher at its side. */
import { once } from 'node:events';
import { type ConfirmChannel, connect } from 'amqplib';
import type { Delivery } from '../../src/broker/delivery.ts';
import { Inbox } from '../../src/broker/inbox.ts';
import { Receiver, type ReceiverOptions } from '../../src/broker/receiver.ts';
import { createDiagnostics, type DiagnosticEvents, type Diagnostics } from '../../src/diagnostics.ts';
import type { Gap } from '../../src/domain/gap.ts';

/** The options as the command line has them, for one URL. */
export function receiverOptions(url: string, options: Partial<ReceiverOptions> = {}): ReceiverOptions {
  return {
    cluster: 'default',
    urls: [url],
    exchange: 'celeryev',
    queuePrefix: 'celeryev',
    queue: null,
    queueType: 'quorum',
    routingKeys: ['task.#', 'worker.#'],
    prefetch: 1000,
    controlExchange: 'celery',
    tls: {},
    heartbeat: 10,
    queueTtl: 5,
    queueExpires: 60,
    ...options,
  };
}

/** A receiver that runs until it is disposed. */
export class Receiving implements AsyncDisposable {
  readonly diagnostics: Diagnostics = createDiagnostics();
  readonly gaps: Gap[] = [];
  readonly warnings: string[] = [];
  readonly receiver: Receiver;
  readonly inbox: Inbox;
  /** Settles when `run` does; rejects with what it threw. */
  readonly ended: Promise<void>;
  readonly #stop = new AbortController();
  readonly #batches: AsyncGenerator<readonly Delivery[]>;
  #waiting: Delivery[] = [];

  constructor(options: ReceiverOptions, maxBytes = 64_000_000) {
    this.inbox = new Inbox({ batchSize: 1000, maxBytes });
    this.receiver = new Receiver(options, {
      inbox: this.inbox,
      diagnostics: this.diagnostics,
      onGap: (gap) => this.gaps.push(gap),
      log: { warn: (_fields, message) => this.warnings.push(message) },
    });
    this.#batches = this.inbox.batches(this.#stop.signal);
    this.ended = this.receiver.run(this.#stop.signal);
    this.ended.catch(() => {});
  }

  /** The next event of the kind. Ask before what causes it. */
  async next<K extends keyof DiagnosticEvents>(event: K): Promise<Parameters<DiagnosticEvents[K]>[0]> {
    const [payload] = await once(this.diagnostics as unknown as NodeJS.EventEmitter, event);
    return payload as Parameters<DiagnosticEvents[K]>[0];
  }

  /** The next `count` deliveries, in order. Waits for as many. */
  async take(count: number): Promise<readonly Delivery[]> {
    while (this.#waiting.length < count) {
      const { value } = await this.#batches.next();
      if (value === undefined) throw new Error(`stopped with ${this.#waiting.length} of ${count} deliveries`);
      this.#waiting.push(...value);
    }
    const taken = this.#waiting.slice(0, count);
    this.#waiting = this.#waiting.slice(count);
    return taken;
  }

  /** Deliveries that left the inbox and were not taken yet. */
  get held(): number {
    return this.#waiting.length;
  }

  /** Ends `run`, leaving the connection open. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.ended.catch(() => {});
    await this.receiver[Symbol.asyncDispose]();
  }
}

/** Starts a receiver and waits until it is ready. */
export async function startReceiving(options: ReceiverOptions, maxBytes?: number): Promise<Receiving> {
  const receiving = new Receiving(options, maxBytes);
  await receiving.next('receiver:ready');
  return receiving;
}

/** Publishes as workers do. */
export class Sender implements AsyncDisposable {
  readonly channel: ConfirmChannel;
  readonly #close: () => Promise<void>;

  constructor(channel: ConfirmChannel, close: () => Promise<void>) {
    this.channel = channel;
    this.#close = close;
  }

  /** Sends a body to `celeryev`, transient as Celery does. */
  publish(body: object | Buffer, routingKey = 'task.multi', properties: object = {}): void {
    const content = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    this.channel.publish('celeryev', routingKey, content, {
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      deliveryMode: 1,
      priority: 0,
      headers: { hostname: 'w1@vm' },
      ...properties,
    });
  }

  /** Until the broker has everything. */
  async confirmed(): Promise<void> {
    await this.channel.waitForConfirms();
  }

  /** Sends all and waits until the broker has them. */
  async send(bodies: readonly (object | Buffer)[], routingKey?: string): Promise<void> {
    for (const body of bodies) this.publish(body, routingKey);
    await this.confirmed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

export async function openSender(url: string): Promise<Sender> {
  const connection = await connect(url);
  connection.on('error', () => {});
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => {});
  await channel.assertExchange('celeryev', 'topic', { durable: true });
  return new Sender(channel, () => connection.close());
}

/** An event as a worker writes it, the smallest that passes. */
export function event(clock: number, type = 'task-started'): Record<string, string | number> {
  return {
    type,
    hostname: 'w1@vm',
    pid: 1,
    clock,
    timestamp: 1795508776 + clock / 1000,
    utcoffset: 0,
    uuid: `u${clock}`,
  };
}
