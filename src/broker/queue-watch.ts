/** Looks how many messages wait in the queues of tasks, for as long as somebody wants to know. */
import type { Channel } from 'amqplib';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { backoff, type Loop, sleep } from '../runtime.ts';
import { type Connection, type ConnectionOptions, openConnection, textOf } from './connection.ts';

export interface QueueWatchOptions extends ConnectionOptions {
  readonly cluster: string;
  /** At least one; the next is tried when one does not answer. */
  readonly urls: readonly string[];
  /** Names of the queues to look at; those that do not exist are left out. */
  readonly queues: () => Iterable<string>;
  /** Whether anybody has asked of late: else the broker is left alone. */
  readonly wanted: () => boolean;
}

export interface QueueLength {
  readonly cluster: string;
  readonly queue: string;
  /** Ready to be delivered: not those that workers have prefetched. */
  readonly messages: number;
  readonly consumers: number;
}

/** Between two looks. */
const INTERVAL: Seconds = 10;
/** Between two looks whether it is wanted. */
const IDLE: Seconds = 1;

/**
 * The watch over one cluster's queues, by passive declarations, which change nothing. It has a connection of its own: the one
 * that consumes must not wait for answers.
 */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  #lengths: readonly QueueLength[] = [];

  constructor(options: QueueWatchOptions) {
    this.#options = options;
  }

  /** As last seen; empty while they cannot be seen, or nobody wanted to know. */
  get lengths(): readonly QueueLength[] {
    return this.#lengths;
  }

  /** Looks again and again until the signal aborts; a broker that does not answer is tried again after a while. */
  readonly run: Loop = async (signal) => {
    const { urls, wanted } = this.#options;
    let failures = 0;
    for (let turn = 0; ; turn++) {
      while (!wanted()) await sleep(IDLE, signal);
      try {
        await using connection = await openConnection(urls[turn % urls.length] ?? '', this.#options, signal);
        const lost = new AbortController();
        void connection.lost.then(() => lost.abort());
        const either = AbortSignal.any([signal, lost.signal]);
        while (connection.open && wanted()) {
          this.#lengths = await this.#look(connection);
          failures = 0;
          await sleep(INTERVAL, either).catch(() => signal.throwIfAborted());
        }
      } catch (error) {
        if (signal.aborted) throw error;
        failures += 1;
      }
      this.#lengths = [];
      await sleep(backoff(failures), signal);
    }
  };

  async #look(connection: Connection): Promise<readonly QueueLength[]> {
    const { cluster, queues } = this.#options;
    const lengths: QueueLength[] = [];
    let channel: Channel | null = null;
    for (const queue of queues()) {
      channel ??= await connection.channel();
      try {
        const { messageCount, consumerCount } = await channel.checkQueue(queue);
        lengths.push({ cluster, queue, messages: messageCount, consumers: consumerCount });
      } catch (error) {
        // The broker closes the channel for a queue that is not there or not ours to see.
        channel = null;
        if (!connection.open) throw new MonitorError('BROKER_UNREACHABLE', textOf(error), { cause: error });
      }
    }
    await channel?.close();
    return lengths;
  }
}
