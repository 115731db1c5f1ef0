/** Looks how many messages wait in the queues of tasks and who takes them, for as long as somebody wants to know. */
import type { Channel } from 'amqplib';
import type { Seconds } from '../domain/event.ts';
import { MonitorError } from '../errors.ts';
import { backoff, type Loop, sleep } from '../runtime.ts';
import { type Connection, type ConnectionOptions, openConnection, textOf } from './connection.ts';
import { type Consumption, consumptionOf } from './consumption.ts';

export interface QueueWatchOptions extends ConnectionOptions {
  readonly cluster: string;
  /** At least one; the next is tried when one does not answer. */
  readonly urls: readonly string[];
  /** Celery's `control_exchange`: workers are asked which queues they take tasks from. */
  readonly controlExchange: string;
  /** Names of more queues to look at; those that do not exist are left out. */
  readonly queues: () => Iterable<string>;
  /** So many queues of those that workers name are remembered, also when nobody takes from them any more. */
  readonly limit: number;
  /** Whether anybody has asked of late: else the broker is left alone. */
  readonly wanted: () => boolean;
}

export interface QueueLength {
  readonly cluster: string;
  readonly queue: string;
  /** Ready to be delivered: not those that workers have prefetched. */
  readonly messages: number;
  readonly consumers: number;
  /** Who takes from it as the workers say; null where they could not be asked. */
  readonly consumption: Consumption | null;
}

/** Between two looks. */
const INTERVAL: Seconds = 10;
/** For workers to answer, above the second that they are given; while the broker takes no messages they cannot. */
const PATIENCE: Seconds = 3;
/** Between two looks whether it is wanted. */
const IDLE: Seconds = 1;

/**
 * The watch over one cluster's queues, by passive declarations, which change nothing. It has connections of its own: the one
 * that consumes must not wait for answers, and the broker does not read from one that publishes while it is short of memory or
 * disk, which is when queues are looked at.
 */
export class QueueWatch {
  readonly #options: QueueWatchOptions;
  #lengths: readonly QueueLength[] = [];
  readonly #named = new Set<string>();
  #asking: Promise<ReadonlyMap<string, Consumption> | null> | null = null;

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
        const url = urls[turn % urls.length] ?? '';
        await using connection = await openConnection(url, this.#options, signal);
        await using asking = await openConnection(url, this.#options, signal);
        const lost = new AbortController();
        for (const each of [connection, asking]) void each.lost.then(() => lost.abort());
        const either = AbortSignal.any([signal, lost.signal]);
        this.#asking = null;
        while (connection.open && asking.open && wanted()) {
          const consumption = await this.#ask(asking, either);
          this.#lengths = await this.#look(connection, consumption);
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

  /** What the workers say, if only nothing; null where they could not be asked. */
  async #ask(connection: Connection, signal: AbortSignal): Promise<ReadonlyMap<string, Consumption> | null> {
    const { controlExchange, limit } = this.#options;
    // One question at a time: while the broker reads nothing they would pile up.
    this.#asking ??= consumptionOf(connection, controlExchange)
      .catch(() => null)
      .finally(() => {
        this.#asking = null;
      });
    const patience = new AbortController();
    const tooLong = sleep(PATIENCE, AbortSignal.any([signal, patience.signal])).then(
      () => null,
      () => null,
    );
    const found = await Promise.race([this.#asking, tooLong]);
    patience.abort();
    for (const name of found?.keys() ?? []) if (this.#named.size < limit) this.#named.add(name);
    return found;
  }

  async #look(
    connection: Connection,
    consumption: ReadonlyMap<string, Consumption> | null,
  ): Promise<readonly QueueLength[]> {
    const { cluster, queues } = this.#options;
    const none = consumption && { workers: 0, processes: 0 };
    const lengths: QueueLength[] = [];
    let channel: Channel | null = null;
    for (const queue of new Set([...queues(), ...this.#named])) {
      channel ??= await connection.channel();
      try {
        const { messageCount, consumerCount } = await channel.checkQueue(queue);
        const taken = consumption?.get(queue) ?? none;
        lengths.push({ cluster, queue, messages: messageCount, consumers: consumerCount, consumption: taken });
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
