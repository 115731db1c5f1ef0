/** Which receivers a run has: one for each configured broker, or a simulated cluster where there is no broker at all. */
import { openConnection } from './broker/connection.ts';
import { QueueWatch } from './broker/queue-watch.ts';
import { Receiver, type ReceiverParts, type ReceiverStatus } from './broker/receiver.ts';
import { SimulatedReceiver } from './broker/simulated-receiver.ts';
import { DEFAULT_SIMULATION } from './broker/simulator.ts';
import type { BrokerConfig, Config } from './config.ts';
import { queuesOf } from './domain/series.ts';
import type { Clusters } from './domain/state.ts';
import { MonitorError } from './errors.ts';
import type { Loop } from './runtime.ts';
import type { Turn } from './store/turn.ts';

export interface AnyReceiver extends AsyncDisposable {
  readonly status: ReceiverStatus;
  readonly run: Loop;
}

export interface AllParts extends ReceiverParts {
  /** Called each time when a receiver is about to join its cluster. */
  readonly onJoin: (cluster: string) => void;
  /** Whose turn it is to join a cluster as a guest: each guest hears every event, so only one of a database may. */
  readonly turnOf: (cluster: string) => Turn;
}

/** The name of the cluster that is simulated: its records never mix with those of a real one. */
const SIMULATED = 'simulated';

/** Connects to nothing yet, but where no broker was configured it looks whether Celery's default one answers. */
export async function createReceivers(
  config: Pick<Config, 'brokers' | 'brokersConfigured' | 'simulation'>,
  parts: AllParts,
  signal: AbortSignal,
): Promise<readonly AnyReceiver[]> {
  const { brokers, brokersConfigured, simulation } = config;
  const simulate = simulation !== null || (!brokersConfigured && !(await anyAnswers(brokers, signal)));
  if (!simulate) {
    return brokers.map((broker) => {
      const receiver = new Receiver(broker, parts);
      const { cluster } = broker;
      return broker.queue === null ? guest(receiver, cluster, parts) : announced(receiver, cluster, parts);
    });
  }
  const why = simulation ? 'as asked' : 'no broker was configured, and none answers at Celery’s default URL';
  parts.log.warn({ why }, 'SIMULATED: what is shown is no real cluster');
  const simulated = new SimulatedReceiver(SIMULATED, simulation ?? DEFAULT_SIMULATION, parts);
  return [guest(simulated, SIMULATED, parts)];
}

/** A watch for each broker over the queues that its tasks were sent to, or that its workers take tasks from; none where no broker is behind it. */
export function watchQueues(
  { brokers }: Pick<Config, 'brokers'>,
  simulated: boolean,
  { tally }: Clusters,
  wanted: () => boolean,
): readonly QueueWatch[] {
  if (simulated || !tally) return [];
  const { limit } = tally;
  return brokers.map((broker) => {
    return new QueueWatch({ ...broker, wanted, limit, queues: () => queuesOf(tally, broker.cluster) });
  });
}

function announced(receiver: AnyReceiver, cluster: string, { onJoin }: AllParts): AnyReceiver {
  return {
    get status() {
      return receiver.status;
    },
    run(signal) {
      onJoin(cluster);
      return receiver.run(signal);
    },
    [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose](),
  };
}

/** A receiver that joins when no other process on the same database has joined the cluster as a guest, and stands by until then. */
function guest(receiver: AnyReceiver, cluster: string, parts: AllParts): AnyReceiver {
  const turn = parts.turnOf(cluster);
  const joining = announced(receiver, cluster, parts);
  return {
    ...joining,
    get status() {
      const { status } = receiver;
      const error = 'standing by: another celerycam on the same database records this cluster';
      return turn.waiting ? { ...status, connected: false, queue: null, error } : status;
    },
    run: (signal) =>
      turn.take(async (mine) => {
        await joining.run(mine);
        // Lost the turn: let go of the broker. At the end of the program whoever made the receiver does.
        if (!signal.aborted) await receiver[Symbol.asyncDispose]();
      }, signal),
  };
}

/** A broker that refuses us is one, too. */
async function anyAnswers(brokers: readonly BrokerConfig[], signal: AbortSignal): Promise<boolean> {
  for (const broker of brokers) {
    for (const url of broker.urls) {
      try {
        await using _ = await openConnection(url, broker, signal);
        return true;
      } catch (error) {
        if (!MonitorError.is(error, 'BROKER_UNREACHABLE')) return true;
      }
    }
  }
  return false;
}
