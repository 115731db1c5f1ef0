/** Sends one task, confirmed, over a connection that is opened for it: for people who want it now. */
import { type ConnectionOptions, openAny, textOf } from './connection.ts';
import { whyReturned } from './task-channel.ts';
import type { TaskMessage } from './task-message.ts';

/**
 * Null once a queue has it; else why none has: there is no such queue or exchange, or the broker refused it.
 * @throws MonitorError BROKER_UNREACHABLE, BROKER_REFUSED; AbortError. Where it aborts while the broker has yet to confirm it,
 *   nobody knows whether it was sent.
 */
export async function sendTask(
  urls: readonly string[],
  options: ConnectionOptions,
  { exchange, routingKey, body, properties }: TaskMessage,
  signal: AbortSignal,
): Promise<string | null> {
  await using connection = await openAny(urls, options, signal);
  // A broker that takes nothing for want of memory or disk confirms nothing, either, and stays connected.
  signal.addEventListener('abort', () => void connection[Symbol.asyncDispose](), { once: true });
  const channel = await connection.confirmChannel();
  let returned: string | null = null;
  channel.on('return', ({ fields }) => {
    returned = whyReturned(fields);
  });
  let refused: string | null = null;
  channel.on('error', (error) => {
    refused = textOf(error);
  });
  try {
    channel.publish(exchange, routingKey, body, { ...properties, mandatory: true });
    await channel.waitForConfirms();
  } catch (error) {
    if (!connection.open) throw await connection.lost;
    return refused ?? textOf(error);
  }
  return returned;
}
