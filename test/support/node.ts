/** A worker as far as remote control is concerned. */
import type { ConsumeMessage } from 'amqplib';
import type { Sender } from './receiving.ts';

export interface CommandBody {
  readonly method: string;
  readonly ticket: string;
  readonly reply_to: { readonly exchange: string; readonly routing_key: string };
  readonly destination: readonly string[] | null;
}

/** Starts one. Declares what Celery's declare (PROTOCOL F.1). */
export async function startNode(
  sender: Sender,
  hostname: string,
  answer: (command: CommandBody) => object | null,
): Promise<void> {
  const { channel } = sender;
  await channel.assertExchange('celery.pidbox', 'fanout', { durable: false });
  await channel.assertExchange('reply.celery.pidbox', 'direct', { durable: false });
  const options = { durable: false, autoDelete: true, expires: 10_000, messageTtl: 300_000 };
  const { queue } = await channel.assertQueue(`${hostname}.celery.pidbox`, options);
  await channel.bindQueue(queue, 'celery.pidbox', '');
  const onMessage = (message: ConsumeMessage | null): void => {
    const command = JSON.parse(String(message?.content)) as CommandBody;
    if (command.destination && !command.destination.includes(hostname)) return;
    const reply = answer(command);
    if (reply === null) return;
    const { exchange, routing_key } = command.reply_to;
    const headers = { ticket: command.ticket, clock: 7 };
    channel.publish(exchange, routing_key, Buffer.from(JSON.stringify(reply)), {
      contentType: 'application/json',
      headers,
    });
  };
  await channel.consume(queue, onMessage, { noAck: true });
}
