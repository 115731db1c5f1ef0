/** Load for whole runs, published with confirms, and every event in it remembered. */
import { setTimeout as delay } from 'node:timers/promises';
import { type ChannelModel, connect } from 'amqplib';
import { openPublisher, type Publisher } from '../../src/broker/publisher.ts';
import type { SimulatedMessage } from '../../src/broker/simulated-worker.ts';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import type { SimulationConfig } from '../../src/config.ts';
import { now } from '../../src/runtime.ts';

/** Messages that may be on their way unconfirmed. */
const WINDOW = 1000;
const PROPERTIES = { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 1 };

/** All messages of a simulated cluster of some workers that ends with all of them offline. */
export function messagesOf(options: Partial<SimulationConfig> & { readonly count: number }): SimulatedMessage[] {
  return [...simulate({ ...DEFAULT_SIMULATION, rate: 500, workers: 5, ...options }, now() - 600)];
}

/** The events in a body, each as JSON without spaces: what is compared with the journal. */
export function eventTexts(body: string): string[] {
  const value: unknown = JSON.parse(body);
  return (Array.isArray(value) ? value : [value]).map((event) => JSON.stringify(event));
}

export async function openLoad(url: string): Promise<Publisher> {
  return openPublisher(url, 'celeryev', { tls: {}, heartbeat: 30 }, new AbortController().signal);
}

/** Publishes as fast as the broker confirms; returns when it has confirmed everything. */
export async function publishAll(publisher: Publisher, messages: Iterable<SimulatedMessage>): Promise<void> {
  let n = 0;
  for (const message of messages) {
    publisher.publish(message);
    n += 1;
    if (n % (WINDOW / 2) === 0) await publisher.confirmed(WINDOW / 2);
  }
  await publisher.confirmed();
}

/** An event of task `u<n>`, padded to about so many bytes. */
export function numbered(n: number, bytes = 0): string {
  const event = { type: 'task-succeeded', uuid: `u${n}`, hostname: 'w1@vm', pid: 1, clock: n, timestamp: now() };
  return JSON.stringify({ ...event, utcoffset: 0, runtime: 0.1, result: 'x'.repeat(bytes) });
}

/** Numbered events published one after the other for as long as it lives, through every loss of the broker. */
export class Flood implements AsyncDisposable {
  /** All that were sent, whether or not the broker has them. */
  readonly sent: string[] = [];
  /** Those that the broker has confirmed, and when. */
  readonly confirmed = new Map<string, number>();
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;

  constructor(url: string) {
    this.#done = this.#run(url);
  }

  async #run(url: string): Promise<void> {
    while (!this.#stop.signal.aborted) {
      try {
        const connection = await connect(url);
        const closed = new Promise((resolve) => connection.on('error', () => {}).on('close', resolve));
        await Promise.race([closed, this.#send(connection).catch(() => {})]);
        connection.close().catch(() => {});
        await closed;
      } catch {
        // Nobody answers. Asked again soon: the less is sent after a restart, the less is shown.
        await delay(20);
      }
    }
  }

  async #send(connection: ChannelModel): Promise<void> {
    const channel = await connection.createConfirmChannel();
    channel.on('error', () => {});
    await channel.assertExchange('celeryev', 'topic', { durable: true });
    while (!this.#stop.signal.aborted) {
      for (let n = 0; n < 20; n++) {
        const text = numbered(this.sent.length);
        this.sent.push(text);
        channel.publish('celeryev', 'task.succeeded', Buffer.from(text), PROPERTIES, (error: unknown) => {
          if (!error) this.confirmed.set(text, now());
        });
      }
      await channel.waitForConfirms();
    }
  }

  /** Sends no more; returns when the broker has confirmed what it will. */
  async end(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end();
  }
}
