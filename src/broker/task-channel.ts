/**
 * A channel over which tasks are sent so that it can be told later which were. With each batch of them goes a receipt, in one
 * transaction of AMQP, to a durable queue that this channel alone consumes: the broker itself sees to it that there is one
 * sender at a time, and whoever is next finds the receipts of all that was sent and not settled.
 */
import { randomUUID } from 'node:crypto';
import type { Channel, ConsumeMessage, Message } from 'amqplib';
import { MonitorError, reasonOf } from '../errors.ts';
import { type Connection, closed, textOf } from './connection.ts';
import type { TaskMessage } from './task-message.ts';

/** Methods of AMQP's class `tx`, which amqplib can write and read but has no functions for. The next number is the answer. */
const SELECT = 0x5a_000a;
const COMMIT = 0x5a_0014;

/** For what was published the broker closes a channel with these: not allowed, no such exchange, too large or refused. */
const REFUSALS: readonly unknown[] = [403, 404, 406];

/** What became of a batch: the tasks that no queue took, with the reason, or why the broker refused it and closed the channel. */
export type Sent = { readonly returned: ReadonlyMap<string, string> } | { readonly refused: string };

interface Receipt {
  readonly id: string;
  readonly tag: number;
  readonly text: string;
}

export class TaskChannel {
  /** Settles when nothing can be sent any more, with the reason; never rejects. */
  readonly lost: Promise<MonitorError>;
  readonly #channel: Channel;
  readonly #queue: string;
  #open = true;
  /** Those that came and are not settled. */
  #receipts: Receipt[] = [];
  /** The id of the one that was sent last. */
  #latest = '';
  #onReceipt: () => void = () => {};

  private constructor(connection: Connection, channel: Channel, queue: string) {
    this.#channel = channel;
    this.#queue = queue;
    channel.on('close', () => {
      this.#open = false;
    });
    const gone = closed(channel).then((reason) => (connection.open ? reason : connection.lost));
    const deleted = new Promise<MonitorError>((resolve) => {
      channel.on('cancel', () => resolve(new MonitorError('BROKER_REFUSED', `the queue "${queue}" was deleted`)));
    });
    this.lost = Promise.race([gone, deleted]);
  }

  /**
   * Takes the queue for its own, and reads what is in it.
   * @returns also the receipts of what was sent over earlier channels and not settled, oldest first
   * @throws MonitorError BROKER_REFUSED, also while another channel has the queue
   */
  static async open(connection: Connection, queue: string): Promise<[channel: TaskChannel, receipts: string[]]> {
    const channel = new TaskChannel(connection, await connection.channel(), queue);
    await channel.#must(() => channel.#start());
    // A queue keeps its order: what is in it comes before what is sent now.
    await channel.#must(() => channel.#commit([], ''));
    await channel.#arrival();
    return [channel, channel.#receipts.slice(0, -1).map(({ text }) => text)];
  }

  /**
   * Sends all of them, or none. It is certain once this resolves; when it does not, the receipt tells the next sender.
   * @param receipt tells what is sent
   * @throws MonitorError when the broker is lost
   */
  async send(messages: readonly TaskMessage[], receipt: string): Promise<Sent> {
    const returned = new Map<string, string>();
    const onReturn = ({ fields, properties }: Message): unknown =>
      returned.set(String(properties.correlationId), whyReturned(fields));
    this.#channel.on('return', onReturn);
    const refused = await this.#attempt(() => this.#commit(messages, receipt));
    this.#channel.off('return', onReturn);
    return refused === null ? { returned } : { refused };
  }

  /** What was sent up to now is recorded: its receipts, and those found at the start, are needed no more. */
  async settle(): Promise<void> {
    await this.#arrival();
    const { tag } = this.#receipts.at(-1) as Receipt;
    this.#receipts = [];
    await this.#must(async () => {
      // amqplib takes the message to acknowledge, and looks at its tag alone.
      this.#channel.ack({ fields: { deliveryTag: tag } } as Message, true);
      await this.#call(COMMIT);
    });
  }

  async #start(): Promise<void> {
    await this.#call(SELECT);
    // Of the oldest type, whatever the broker prefers: others do not know consumers that are alone.
    const options = { durable: true, arguments: { 'x-queue-type': 'classic' } };
    await this.#channel.assertQueue(this.#queue, options);
    await this.#channel.consume(this.#queue, (message) => this.#take(message), { exclusive: true });
  }

  async #commit(messages: readonly TaskMessage[], receipt: string): Promise<void> {
    const id = randomUUID();
    for (const { exchange, routingKey, body, properties } of messages)
      this.#channel.publish(exchange, routingKey, body, { ...properties, mandatory: true });
    this.#channel.sendToQueue(this.#queue, Buffer.from(receipt), { messageId: id, persistent: true });
    await this.#call(COMMIT);
    this.#latest = id;
  }

  #take(message: ConsumeMessage | null): void {
    if (message === null) return;
    const { fields, properties, content } = message;
    this.#receipts.push({ id: String(properties.messageId), tag: fields.deliveryTag, text: content.toString() });
    this.#onReceipt();
  }

  /** Resolves when the latest receipt has come, and so all before it. @throws MonitorError */
  async #arrival(): Promise<void> {
    while (this.#receipts.at(-1)?.id !== this.#latest) {
      const next = new Promise<null>((resolve) => {
        this.#onReceipt = () => resolve(null);
      });
      const reason = await Promise.race([next, this.lost]);
      if (reason) throw reason;
    }
  }

  async #call(method: number): Promise<void> {
    const channel = this.#channel as Channel & {
      rpc(method: number, fields: object, answer: number): Promise<unknown>;
    };
    await channel.rpc(method, {}, method + 1);
  }

  /** Null when it was done, else why it was refused, and the channel is closed. @throws MonitorError when the broker is lost */
  async #attempt(work: () => Promise<void>): Promise<string | null> {
    try {
      await work();
      return null;
    } catch (error) {
      if (this.#open) {
        // It could not even be written. What was begun with it ends with the channel.
        await this.#channel.close();
        return reasonOf(error);
      }
      const reason = await this.lost;
      const { cause } = reason;
      if (cause instanceof Error && 'code' in cause && REFUSALS.includes(cause.code)) return textOf(cause);
      throw reason;
    }
  }

  async #must(work: () => Promise<void>): Promise<void> {
    const refused = await this.#attempt(work);
    if (refused !== null) throw new MonitorError('BROKER_REFUSED', `queue "${this.#queue}": ${refused}`);
  }
}

/** Why a message came back that a queue had to take. */
export function whyReturned({ exchange, routingKey }: Message['fields']): string {
  return exchange
    ? `no queue is bound to the exchange "${exchange}" for the routing key "${routingKey}"`
    : `there is no queue "${routingKey}"`;
}
