/** Stands in for a receiver where there is no broker: the simulated cluster's messages, at their times. */
import type { SimulationConfig } from '../config.ts';
import type { Diagnostics } from '../diagnostics.ts';
import type { Seconds } from '../domain/event.ts';
import { now, sleep } from '../runtime.ts';
import type { Delivery } from './delivery.ts';
import type { Inbox } from './inbox.ts';
import type { ReceiverStatus } from './receiver.ts';
import type { SimulatedMessage } from './simulated-worker.ts';
import { simulate } from './simulator.ts';

/** How often it looks what is due. */
const TICK: Seconds = 0.02;

/** Behaves as a Receiver in guest mode that never loses its broker. `run` ends when the simulation does, or the signal aborts. */
export class SimulatedReceiver implements AsyncDisposable {
  readonly #cluster: string;
  readonly #options: SimulationConfig;
  readonly #inbox: Pick<Inbox, 'push'>;
  readonly #diagnostics: Diagnostics;
  #received = 0;
  #lastDelivery: Seconds | null = null;
  #since: Seconds = now();
  #connected = false;

  constructor(
    cluster: string,
    options: SimulationConfig,
    parts: { readonly inbox: Pick<Inbox, 'push'>; readonly diagnostics: Diagnostics },
  ) {
    this.#cluster = cluster;
    this.#options = options;
    this.#inbox = parts.inbox;
    this.#diagnostics = parts.diagnostics;
  }

  get status(): ReceiverStatus {
    return {
      cluster: this.#cluster,
      simulated: true,
      connected: this.#connected,
      url: 'simulated',
      version: null,
      queue: null,
      mode: 'guest',
      since: this.#since,
      blocked: null,
      lastDelivery: this.#lastDelivery,
      received: this.#received,
      error: null,
      kept: null,
    };
  }

  async run(signal: AbortSignal): Promise<void> {
    const start = now();
    this.#since = start;
    this.#connected = true;
    this.#diagnostics.emit('receiver:ready', { cluster: this.#cluster, url: 'simulated', queue: 'simulated' });
    for (const message of simulate(this.#options, start)) {
      // A full inbox makes the simulation wait: nothing is lost of what nobody sent.
      while (!signal.aborted && (start + message.at > now() || !this.#inbox.push(toDelivery(message, this.#cluster)))) {
        await sleep(TICK, signal).catch(() => {});
      }
      if (signal.aborted) break;
      this.#received++;
      this.#lastDelivery = now();
    }
    this.#connected = false;
    this.#since = now();
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** As a broker would deliver it. */
export function toDelivery(message: SimulatedMessage, cluster: string): Delivery {
  return {
    cluster,
    routing_key: message.routing_key,
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: { hostname: message.hostname },
    body: Buffer.from(message.body),
    redelivered: false,
    local_received: now(),
    receipt: null,
  };
}
