/** The second connection beside a receiver's: wakes the workers and hears whether the broker takes messages. */
import type { Seconds } from '../domain/event.ts';
import { sleep } from '../runtime.ts';
import { type Connection, type ConnectionOptions, openConnection } from './connection.ts';
import { broadcast } from './control.ts';

export interface Wake {
  /** Celery's `control_exchange`. */
  readonly controlExchange: string;
  /** Called once: null when the command is with the broker, else why it is not. */
  readonly onWoken: (failure: unknown) => void;
  /** The broker stopped (`reason`) or resumed (null) taking messages. */
  readonly onBlocked: (reason: string | null) => void;
}

/** Between probes. */
const PROBE: Seconds = 10;

/**
 * Broadcasts `heartbeat`, as every Celery receiver does when it starts, so that all workers show up at once. Then stays
 * until the signal aborts or the connection is lost, to hear of `connection.blocked`. Never rejects.
 *
 * It has a connection of its own because a broker that is short of memory or disk stops reading from connections that
 * publish: acknowledgements must not wait behind this. And since RabbitMQ tells only who publishes, it publishes
 * an empty message to nowhere (the default exchange, a key that is no queue) now and then.
 */
export async function wakeWorkers(
  url: string,
  options: ConnectionOptions,
  wake: Wake,
  signal: AbortSignal,
): Promise<void> {
  let woken = false;
  const tell = (failure: unknown): void => {
    if (!woken) wake.onWoken(failure);
    woken = true;
  };
  try {
    await using connection = await openConnection(url, options, signal);
    signal.addEventListener('abort', () => void connection[Symbol.asyncDispose]());
    connection.onBlocked((reason) => {
      wake.onBlocked(reason);
      tell(new Error(`the broker takes no messages: ${reason}`));
    });
    await Promise.race([connection.lost, talk(connection, wake.controlExchange, tell, signal)]);
  } catch (error) {
    tell(error);
  }
  wake.onBlocked(null);
}

async function talk(
  connection: Connection,
  exchange: string,
  tell: (failure: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  await broadcast(connection, exchange, { method: 'heartbeat' }).then(() => tell(null), tell);
  const channel = await connection.channel();
  while (true) {
    await sleep(PROBE, signal);
    channel.publish('', 'celerycam.probe', Buffer.alloc(0));
  }
}
