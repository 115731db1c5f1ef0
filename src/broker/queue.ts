/** The exchange that workers send to and the queue that collects from it, declared as DESIGN's two ways to join want them. */
import { randomUUID } from 'node:crypto';
import type { Channel } from 'amqplib';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { type Connection, textOf } from './connection.ts';

export interface QueueOptions {
  /** Celery's `event_exchange`, `celeryev` by default. */
  readonly exchange: string;
  /** Celery's `event_queue_prefix`: a guest's queue is `<prefix>.<uuid4>`. */
  readonly queuePrefix: string;
  /** Name of the durable queue; null: join as a guest. */
  readonly queue: string | null;
  /**
   * Of the durable queue. Events are published transient (delivery mode 1): through a restart of the broker a classic
   * queue lives on without them, a quorum queue with them.
   */
  readonly queueType: 'quorum' | 'classic';
  /** Binding keys. Normal workers send task events in lists under `task.multi`, so `task.#`, not `task.failed`. */
  readonly routingKeys: readonly string[];
  /** How long a guest's queue keeps a message, and how long it lives without a consumer. */
  readonly queueTtl: Seconds;
  readonly queueExpires: Seconds;
}

/** False when there is no such queue. Throws when the broker refuses to tell. */
export async function queueExists(connection: Connection, queue: string): Promise<boolean> {
  const channel = await connection.channel();
  try {
    await channel.checkQueue(queue);
  } catch (error) {
    // A queue whose node is down is NOT_FOUND too, with another text.
    if (/NOT_FOUND - no queue/.test(textOf(error))) return false;
    throw refused(`the queue "${queue}"`, error);
  }
  await channel.close();
  return true;
}

/**
 * Declares the exchange (as Celery does: topic, durable) and the queue, binds them, and returns the queue's name.
 * @throws MonitorError QUEUE_MISMATCH when one exists with other arguments, BROKER_REFUSED otherwise.
 */
export async function declareQueue(channel: Channel, options: QueueOptions): Promise<string> {
  const { exchange, queuePrefix, queueType, routingKeys, queueTtl, queueExpires } = options;
  const queue = options.queue ?? `${queuePrefix}.${randomUUID()}`;
  try {
    await channel.assertExchange(exchange, 'topic', { durable: true, autoDelete: false });
  } catch (error) {
    throw refused(`the exchange "${exchange}"`, error);
  }
  try {
    await channel.assertQueue(
      queue,
      options.queue === null
        ? {
            exclusive: true,
            autoDelete: true,
            durable: false,
            messageTtl: queueTtl * 1000,
            expires: queueExpires * 1000,
          }
        : { durable: true, arguments: { 'x-queue-type': queueType } },
    );
    for (const key of routingKeys) await channel.bindQueue(queue, exchange, key);
  } catch (error) {
    throw refused(`the queue "${queue}"`, error);
  }
  return queue;
}

/** RabbitMQ: `inequivalent arg 'durable' for queue 'q' in vhost '/': received 'true' but current is 'false'`. */
function refused(subject: string, cause: unknown): MonitorError {
  const text = textOf(cause);
  const mismatch = /inequivalent arg '([^']*)'.*: received (.*) but current is (.*)/s.exec(text);
  if (!mismatch) return new MonitorError('BROKER_REFUSED', `the broker refused ${subject}: ${text}`, { cause });
  const [, argument, wanted, present] = mismatch;
  const remedy = 'delete it, or use another name or option';
  return new MonitorError(
    'QUEUE_MISMATCH',
    `${subject} exists already with another "${argument}": it has ${present}, but ${wanted} was asked for; ${remedy}`,
    { cause },
  );
}
