/** A monitor for programs: joins a broker and gives its events, one after the other. Records nothing. */
import { openConnection } from '../broker/connection.ts';
import { decodeParts } from '../broker/decoder.ts';
import { acknowledge } from '../broker/delivery.ts';
import { Inbox } from '../broker/inbox.ts';
import { Receiver, type ReceiverStatus } from '../broker/receiver.ts';
import { type BrokerConfig, loadConfig } from '../config.ts';
import { createDiagnostics } from '../diagnostics.ts';
import type { DeadLetter } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { MonitorError } from '../errors.ts';
import { isAbort } from '../runtime.ts';
import type { CeleryEvent } from './events.ts';

/** How to join. Options of the command line keep their names and meaning; times are seconds, or text such as `250ms`. */
export interface MonitorOptions {
  /**
   * Durable mode: the queue that keeps events while nobody is joined. They are acknowledged in batches, each when one asks
   * for what comes after it; what was not comes again. Without a queue: a guest, to whom they are lost meanwhile.
   */
  readonly queue?: string;
  /** @default 'quorum' */
  readonly queueType?: 'quorum' | 'classic';
  /** @default 'celeryev' */
  readonly queuePrefix?: string;
  /** How long the guest queue keeps a message. @default 5 */
  readonly queueTtl?: number | string;
  /** How long an unused guest queue lives. @default 60 */
  readonly queueExpires?: number | string;
  /** @default 'celeryev' */
  readonly exchange?: string;
  /** Binding keys. @default ['task.#', 'worker.#'] */
  readonly routingKey?: readonly string[];
  /** @default 'celery' */
  readonly controlExchange?: string;
  /** Messages that the broker sends ahead of acknowledgement in durable mode. @default 8000 */
  readonly prefetch?: number;
  /** AMQP heartbeat. @default 10 */
  readonly heartbeat?: number | string;
  /** PEM files: of the broker's CA, of the client's certificate and of its key. */
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  /** Bytes that may wait for a slow reader, or text such as `64MB`: then a guest refuses events, which is a gap. @default '64MB' */
  readonly bufferSize?: number | string;
  /** Ends the monitor as disposing it does. */
  readonly signal?: AbortSignal;
  /** Told of each interval in which events may have been missed, when it is over. */
  readonly onGap?: (gap: Gap) => void;
  /** Told of each message that could not be decoded, and left out. */
  readonly onDeadLetter?: (letter: DeadLetter) => void;
  /** Told when it has joined again, with null, and when it has lost the broker, with the reason. */
  readonly onConnection?: (lost: string | null) => void;
}

/** A monitor that has joined, and comes back by itself whenever it loses the broker. */
export interface Monitor extends AsyncDisposable {
  /** How it stands. */
  readonly status: ReceiverStatus;
  /**
   * Events in the order of their arrival, each once, over all loops together: a loop that was left may be gone on with. Ends
   * when the monitor is disposed or its signal aborts.
   *
   * While nobody asks for the next one, what arrives waits: in memory up to `bufferSize`, or with a durable queue in the broker.
   * @typeParam Own events of your own that you send, as types: taken on trust
   * @throws MonitorError QUEUE_MISMATCH, where the queue was replaced by one that it cannot use
   */
  events<Own extends { readonly type: string } = never>(): AsyncIterableIterator<CeleryEvent | Own>;
}

/**
 * Joins a broker, as `celery events` does.
 *
 *     await using monitor = await connect('amqp://guest:guest@localhost:5672//');
 *     for await (const event of monitor.events()) console.log(event.type);
 *
 * @param url as for Celery; several of one broker with `;` between
 * @throws MonitorError CONFIG_INVALID, FILE_UNREADABLE, BROKER_UNREACHABLE, BROKER_REFUSED, QUEUE_MISMATCH: nothing is
 *   tried again before it has joined for the first time; AbortError
 */
export async function connect(url: string, options: MonitorOptions = {}): Promise<Monitor> {
  const { signal, onGap, onDeadLetter, onConnection, ...flags } = options;
  const config = loadConfig({ ...flags, broker: [url] }, {}, ['Broker', 'Memory']);
  const broker = config.brokers[0] as BrokerConfig;
  const stop = new AbortController();
  const until = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  await reach(broker, until);

  const inbox = new Inbox(config.inbox);
  const diagnostics = createDiagnostics();
  // A worker that could not be woken shows up with its next event.
  const log = { warn: (): void => undefined };
  const receiver = new Receiver(broker, { inbox, diagnostics, log, onGap: (gap) => onGap?.(gap) });
  const joined = new Promise<void>((resolve, reject) => {
    diagnostics.once('receiver:ready', () => resolve());
    diagnostics.once('receiver:lost', ({ reason }) => reject(new MonitorError('BROKER_REFUSED', reason)));
  });
  const ended = new AbortController();
  let failure: unknown = null;
  const running = receiver
    .run(until)
    .catch((error: unknown) => {
      if (!isAbort(error)) failure = error;
    })
    .finally(() => ended.abort());
  const close = async (): Promise<void> => {
    stop.abort();
    await running;
    await receiver[Symbol.asyncDispose]();
  };
  try {
    await Promise.race([joined, running]);
    until.throwIfAborted();
    if (failure) throw failure;
  } catch (error) {
    joined.catch(() => undefined);
    await close();
    throw failure ?? error;
  }
  diagnostics.on('receiver:ready', () => onConnection?.(null));
  diagnostics.on('receiver:lost', ({ reason }) => onConnection?.(reason));
  until.addEventListener('abort', () => void close());

  async function* read(): AsyncGenerator<CeleryEvent, void, undefined> {
    for await (const batch of inbox.batches(ended.signal)) {
      for (const { events, deadLetters, deliveries } of decodeParts(batch)) {
        for (const letter of deadLetters) onDeadLetter?.(letter);
        for (const { event, local_received } of events) {
          yield { ...event, local_received } as unknown as CeleryEvent;
        }
        acknowledge(deliveries);
      }
    }
    if (failure) throw failure;
  }
  const stream = read();
  return {
    get status() {
      return receiver.status;
    },
    events: <Own>() => {
      const iterator: AsyncIterableIterator<CeleryEvent | Own> = {
        next: () => stream.next(),
        // Leaving one loop leaves the rest for the next.
        return: async () => ({ done: true, value: undefined }),
        [Symbol.asyncIterator]: () => iterator,
      };
      return iterator;
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Finds out whether any of the URLs lets us in. @throws MonitorError with the reason of the last */
async function reach(broker: BrokerConfig, signal: AbortSignal): Promise<void> {
  let failure: unknown;
  for (const url of broker.urls) {
    try {
      await using _ = await openConnection(url, broker, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      failure = error;
    }
  }
  throw failure;
}
