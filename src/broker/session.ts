/** One consumer on one connection, from declaring its queue to losing it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Channel, ConsumeMessage, Message } from 'amqplib';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { type Connection, closed } from './connection.ts';
import type { Receipt } from './delivery.ts';
import { declareQueue, type QueueOptions } from './queue.ts';

export interface SessionOptions extends QueueOptions {
  /** Durable mode: messages that may be with us unacknowledged. */
  readonly prefetch: number;
}

/**
 * Called for each message, in order; `receipt` is null where the broker wants no acknowledgement (guests). False when there
 * is no room for one with a receipt: it and all that come after it go back to the broker, and the session ends.
 */
export type OnMessage = (message: ConsumeMessage, receipt: Receipt | null) => boolean;

/** Time for acknowledgements on their way at the end. */
const FLUSH_TIMEOUT: Seconds = 2;

/** A running consumer. Owns its connection. */
export class Session implements AsyncDisposable {
  readonly queue: string;
  /** Settles when it consumes no more, with the reason; never rejects. */
  readonly lost: Promise<MonitorError>;
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #consumerTag: string;

  constructor(
    connection: Connection,
    channel: Channel,
    queue: string,
    consumerTag: string,
    lost: Promise<MonitorError>,
  ) {
    this.#connection = connection;
    this.#channel = channel;
    this.queue = queue;
    this.#consumerTag = consumerTag;
    // When a connection is lost its channels are told first; the connection knows why.
    this.lost = lost.then((reason) => (connection.open ? reason : connection.lost));
  }

  /** Of the broker. */
  get version(): string {
    return this.#connection.version;
  }

  /** Takes no more messages; those that came can still be acknowledged. */
  async stop(): Promise<void> {
    await Promise.race([this.#channel.cancel(this.#consumerTag).catch(() => {}), this.lost]);
  }

  /** Sends the acknowledgements that are on their way, then closes: what was not acknowledged goes back to the queue. */
  async [Symbol.asyncDispose](): Promise<void> {
    // The close of a connection overtakes what its channels have yet to write; the close of a channel comes after it.
    if (this.#connection.open) {
      const flushed = Promise.resolve(this.#channel.close()).catch(() => {});
      await Promise.race([flushed, this.lost, delay(FLUSH_TIMEOUT * 1000, undefined, { ref: false })]);
    }
    await this.#connection[Symbol.asyncDispose]();
  }
}

/**
 * Declares, binds and consumes. The session owns the connection; when this fails the caller still does.
 * @throws MonitorError QUEUE_MISMATCH, BROKER_REFUSED.
 */
export async function openSession(
  connection: Connection,
  options: SessionOptions,
  onMessage: OnMessage,
): Promise<Session> {
  const { prefetch } = options;
  const guest = options.queue === null;
  const channel = await connection.channel();
  let open = true;
  channel.on('close', () => {
    open = false;
  });
  const settle = (tag: number): void => {
    // amqplib takes the message to acknowledge, and looks at its tag alone.
    if (open) channel.ack({ fields: { deliveryTag: tag } } as Message, true);
  };
  const channelClosed = closed(channel);
  const queue = await declareQueue(channel, options);
  if (!guest) await channel.prefetch(prefetch);
  let end: (reason: MonitorError) => void = () => {};
  const ended = new Promise<MonitorError>((resolve) => {
    end = resolve;
  });
  let full = false;
  const onDelivery = (message: ConsumeMessage | null): void => {
    if (message === null) {
      end(new MonitorError('BROKER_REFUSED', `the queue "${queue}" was deleted or became unavailable`));
      return;
    }
    // Acknowledging one acknowledges all before it, so nothing may be taken after one that was not.
    if (full) return;
    const receipt = guest ? null : { tag: message.fields.deliveryTag, settle };
    if (onMessage(message, receipt) || guest) return;
    full = true;
    end(
      new MonitorError(
        'BUFFER_FULL',
        `more waits to be recorded than fits into the receive buffer: a prefetch of ${prefetch} is too much for such large messages`,
      ),
    );
  };
  const { consumerTag } = await channel.consume(queue, onDelivery, { noAck: guest });
  return new Session(connection, channel, queue, consumerTag, Promise.race([channelClosed, ended]));
}
