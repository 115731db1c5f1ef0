/** Which receivers a run has: one for each configured broker, or a simulated cluster where there is no broker at all. */
import { openConnection } from './broker/connection.ts';
import { Receiver, type ReceiverParts, type ReceiverStatus } from './broker/receiver.ts';
import { SimulatedReceiver } from './broker/simulated-receiver.ts';
import { DEFAULT_SIMULATION } from './broker/simulator.ts';
import type { BrokerConfig, Config } from './config.ts';
import { MonitorError } from './errors.ts';
import type { Loop } from './runtime.ts';

export interface AnyReceiver extends AsyncDisposable {
  readonly status: ReceiverStatus;
  readonly run: Loop;
}

/** The name of the cluster that is simulated: its records never mix with those of a real one. */
const SIMULATED = 'simulated';

/** Connects to nothing yet, but where no broker was configured it looks whether Celery's default one answers. */
export async function createReceivers(
  config: Pick<Config, 'brokers' | 'brokersConfigured' | 'simulation'>,
  parts: ReceiverParts,
  signal: AbortSignal,
): Promise<readonly AnyReceiver[]> {
  const { brokers, brokersConfigured, simulation } = config;
  const simulate = simulation !== null || (!brokersConfigured && !(await anyAnswers(brokers, signal)));
  if (!simulate) return brokers.map((broker) => new Receiver(broker, parts));
  parts.log.warn({}, 'no broker was configured and none answers at Celery’s default URL: this cluster is SIMULATED');
  return [new SimulatedReceiver(SIMULATED, simulation ?? DEFAULT_SIMULATION, parts)];
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
