/** Publishes events to a broker, confirmed: the simulated cluster as load for whatever listens there. */
import type { ConfirmChannel } from 'amqplib';
import type { SimulationConfig } from '../config.ts';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { now, sleep } from '../runtime.ts';
import { type Connection, type ConnectionOptions, closed, openConnection } from './connection.ts';
import { JSON_PROPERTIES } from './control.ts';
import type { SimulatedMessage } from './simulated-worker.ts';
import { simulate } from './simulator.ts';

/** Messages that may be on their way unconfirmed. */
const WINDOW = 4000;
/** How often a simulation that is published looks what is due. */
const TICK: Seconds = 0.01;

/** A confirmed channel to an event exchange. */
export class Publisher implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #channel: ConfirmChannel;
  readonly #exchange: string;
  readonly #closed: Promise<Error>;
  #open = true;
  #unconfirmed = 0;
  #refused: Error | null = null;
  #waiter: { readonly most: number; readonly resolve: () => void } | null = null;

  constructor(connection: Connection, channel: ConfirmChannel, exchange: string) {
    this.#connection = connection;
    this.#channel = channel;
    this.#exchange = exchange;
    channel.on('close', () => {
      this.#open = false;
    });
    this.#closed = closed(channel).then((reason) => (connection.open ? reason : connection.lost));
  }

  /**
   * Publishes as Celery's event dispatcher does: transient, JSON in UTF-8, with the header `hostname`. What goes wrong is told
   * by `confirmed`.
   */
  publish(message: SimulatedMessage): void {
    const { routing_key, hostname, body } = message;
    if (!this.#open) {
      this.#refused ??= new Error('the channel is closed');
      return;
    }
    const properties = { ...JSON_PROPERTIES, deliveryMode: 1, headers: { hostname } };
    this.#unconfirmed++;
    this.#channel.publish(this.#exchange, routing_key, Buffer.from(body), properties, this.#onConfirm);
  }

  /** Waits until at most so many messages are unconfirmed. @throws MonitorError when the broker was lost, or refused one. */
  async confirmed(most = 0): Promise<void> {
    while (this.#unconfirmed > most) {
      await new Promise<void>((resolve) => {
        this.#waiter = { most, resolve };
      });
    }
    if (this.#refused === null) return;
    if (this.#open) throw new MonitorError('BROKER_REFUSED', 'the broker refused a message', { cause: this.#refused });
    throw await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  readonly #onConfirm = (error: Error | null): void => {
    this.#unconfirmed--;
    if (error !== null) this.#refused ??= error;
    if (this.#waiter !== null && this.#unconfirmed <= this.#waiter.most) this.#waiter.resolve();
  };
}

/** Connects and declares the exchange as Celery does. @throws MonitorError; AbortError. */
export async function openPublisher(
  url: string,
  exchange: string,
  options: ConnectionOptions,
  signal: AbortSignal,
): Promise<Publisher> {
  const connection = await openConnection(url, options, signal);
  try {
    const channel = await connection.confirmChannel();
    await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: false });
    return new Publisher(connection, channel, exchange);
  } catch (error) {
    await connection[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Publishes a simulated cluster's messages at their times, or as fast as the broker confirms them where the rate is
 * higher than that. Ends when the simulation does, or the signal aborts.
 * @param onProgress Told now and then how many messages and events the broker has.
 * @throws MonitorError when the broker is lost.
 */
export async function publishSimulation(
  publisher: Publisher,
  options: SimulationConfig,
  onProgress: (sent: { readonly messages: number; readonly events: number }) => void,
  signal: AbortSignal,
): Promise<void> {
  const start = now();
  let messages = 0;
  let events = 0;
  const confirm = async (most: number): Promise<void> => {
    await publisher.confirmed(most);
    onProgress({ messages, events });
  };
  for (const message of simulate(options, start)) {
    while (start + message.at > now() && !signal.aborted) {
      await confirm(0);
      await sleep(TICK, signal).catch(() => {});
    }
    if (signal.aborted) break;
    publisher.publish(message);
    messages++;
    events += message.events;
    if (messages % (WINDOW / 2) === 0) await confirm(WINDOW / 2);
  }
  await confirm(0);
}
