/** Remote control: commands that are broadcast to all workers over Celery's pidbox, and their replies. */
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Json, Seconds } from '../domain/event.ts';
import { type Connection, textOf } from './connection.ts';

/** A command, as Celery's own client writes it. */
export interface Command {
  readonly method: string;
  readonly arguments?: { readonly [name: string]: Json };
  /** Node names that shall obey; null: all. */
  readonly destination?: readonly string[] | null;
}

/** Properties of everything that celerycam publishes, as Celery's. */
export const JSON_PROPERTIES = { contentType: 'application/json', contentEncoding: 'utf-8', priority: 0 } as const;

/**
 * Sends a command to all workers, without waiting for them.
 *
 * Not to be sent on the connection that consumes: while the broker runs short of memory or disk it stops reading from a
 * connection that has published, acknowledgements included.
 *
 * @param exchange Celery's `control_exchange`, `celery` by default.
 * @throws whatever the broker refused it with.
 */
export async function broadcast(connection: Connection, exchange: string, command: Command): Promise<void> {
  await publishCommand(connection, exchange, command, 1, {});
}

/**
 * Asks all workers and collects the answers: node name → what it said. Nodes do not say how many they are, so without a
 * `destination` this takes the whole timeout (Celery's own `inspect` does the same).
 *
 * @param timeout Seconds to wait for replies; Celery's default is 1.
 */
export async function inspect(
  connection: Connection,
  exchange: string,
  command: Command,
  timeout: Seconds = 1,
): Promise<ReadonlyMap<string, Json>> {
  const replies = new Map<string, Json>();
  const oid = randomUUID();
  const ticket = randomUUID();
  const wanted = command.destination?.length ?? Number.POSITIVE_INFINITY;
  const channel = await connection.channel();
  const enough = new AbortController();
  const replyExchange = `reply.${exchange}.pidbox`;
  await channel.assertExchange(replyExchange, 'direct', { durable: false });
  const { queue } = await channel.assertQueue('', { exclusive: true, autoDelete: true, durable: false });
  await channel.bindQueue(queue, replyExchange, oid);
  await channel.consume(
    queue,
    (message) => {
      if (message === null || message.properties.headers?.['ticket'] !== ticket) return;
      for (const [hostname, reply] of parseReply(message.content)) replies.set(hostname, reply);
      if (replies.size >= wanted) enough.abort();
    },
    { noAck: true },
  );
  await publishCommand(connection, exchange, command, timeout, {
    ticket,
    reply_to: { exchange: replyExchange, routing_key: oid },
  });
  await delay(timeout * 1000, undefined, { signal: enough.signal }).catch(() => {});
  await channel.close();
  return replies;
}

/** A reply is an object with one key, the node's name. Anything else is no reply. */
function parseReply(content: Buffer): readonly (readonly [string, Json])[] {
  try {
    const reply = JSON.parse(content.toString('utf8')) as unknown;
    return typeof reply === 'object' && reply !== null && !Array.isArray(reply) ? Object.entries(reply) : [];
  } catch {
    return [];
  }
}

async function publishCommand(
  connection: Connection,
  exchange: string,
  command: Command,
  timeout: Seconds,
  reply: object,
): Promise<void> {
  const pidbox = `${exchange}.pidbox`;
  await declarePidbox(connection, pidbox);
  const channel = await connection.confirmChannel();
  const { method, arguments: args = {}, destination = null } = command;
  const body = { method, arguments: args, destination, pattern: null, matcher: null, ...reply };
  // Nodes ignore both headers; delivery_mode 2 is what Celery sends, to an exchange that stores nothing.
  const headers = { clock: 1, expires: Date.now() / 1000 + timeout };
  channel.publish(pidbox, '', Buffer.from(JSON.stringify(body)), { ...JSON_PROPERTIES, deliveryMode: 2, headers });
  await channel.waitForConfirms();
  await channel.close();
}

/**
 * The exchange exists where a worker ever ran. Declared all the same, as Celery does, since publishing to a missing one is an error.
 * Refused where it was declared otherwise or we may not declare: then publishing tells whether that matters.
 */
async function declarePidbox(connection: Connection, pidbox: string): Promise<void> {
  const channel = await connection.channel();
  try {
    await channel.assertExchange(pidbox, 'fanout', { durable: false });
    await channel.close();
  } catch (error) {
    if (!/PRECONDITION_FAILED|ACCESS_REFUSED/.test(textOf(error))) throw error;
  }
}
