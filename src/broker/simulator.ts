/** A simulated Celery cluster: the messages that its workers and clients would publish, with their times. Pure and seeded. */
import type { SimulationConfig } from '../config.ts';
import type { Seconds } from '../domain/event.ts';
import { Agenda, Chance } from './agenda.ts';
import { eventText, failureOf, type SimulatedMessage, SimulatedWorker } from './simulated-worker.ts';

export const DEFAULT_SIMULATION: SimulationConfig = {
  rate: 20,
  workers: 3,
  tasks: [
    'orders.confirm',
    'mail.send',
    'images.resize',
    'search.index',
    'reports.render',
    'billing.charge',
    'sync.inventory',
    'cache.warm',
  ],
  failures: 0.05,
  retries: 0.05,
  lists: true,
  seed: 1,
  count: null,
};

/** Shares that have no option of their own. */
const REVOKED = 0.01;
const REJECTED = 0.005;
const CHAINED = 0.1;
const MAX_RETRIES = 3;
/** A retry is with the broker so long before the worker says that it retries (PROTOCOL B.4). */
const RETRY_LAG: Seconds = 0.008;
const CLIENT: Sender = { hostname: 'gen4242@web1', pid: 4242 };

/** Who publishes a task. */
interface Sender {
  readonly hostname: string;
  readonly pid: number;
}

type Outcome = 'succeeded' | 'failed' | 'retried' | 'rejected';

/** One attempt at a task. */
interface Call {
  readonly uuid: string;
  readonly name: string;
  readonly args: string;
  readonly kwargs: string;
  readonly root_id: string;
  readonly parent_id: string | null;
  readonly retries: number;
  /** How many tasks of its chain come after it. */
  readonly chain: number;
}

/**
 * The cluster's messages, in the order of their times.
 * @param start Epoch seconds of the start: what the events' timestamps are counted from.
 */
export function* simulate(options: SimulationConfig, start: Seconds): Generator<SimulatedMessage, void, undefined> {
  const messages: SimulatedMessage[] = [];
  const cluster = new SimulatedCluster(options, start, (message) => messages.push(message));
  while (cluster.step()) yield* messages.splice(0);
}

class SimulatedCluster {
  readonly #options: SimulationConfig;
  readonly #chance: Chance;
  readonly #agenda = new Agenda();
  readonly #workers: readonly SimulatedWorker[];
  readonly #publish: (message: SimulatedMessage) => void;
  readonly #start: Seconds;
  #clientClock = 0;
  #sent = 0;
  /** Calls that were sent and have not ended. */
  #alive = 0;

  constructor(options: SimulationConfig, start: Seconds, publish: (message: SimulatedMessage) => void) {
    this.#options = options;
    this.#start = start;
    this.#publish = publish;
    this.#chance = new Chance(options.seed);
    const workers: SimulatedWorker[] = [];
    const around = { agenda: this.#agenda, chance: this.#chance, start, publish, lists: options.lists, workers };
    for (let index = 0; index < options.workers; index++) workers.push(new SimulatedWorker(index, around));
    for (const worker of workers) worker.comeUp(this.#chance.between(0, 0.5));
    this.#workers = workers;
    this.#agenda.add(1, this.#sendNext);
  }

  /** Does the next thing; false when there is none. */
  step(): boolean {
    if (this.#agenda.isEmpty) return false;
    this.#agenda.step();
    return true;
  }

  readonly #sendNext = (at: Seconds): void => {
    const { count, rate, tasks } = this.#options;
    const chance = this.#chance;
    const uuid = chance.uuid();
    // The square makes the first names far more frequent than the last, as in real clusters.
    const name = tasks[Math.floor(chance.fraction() ** 2 * tasks.length)] ?? 'simulated.task';
    const chain = chance.in(CHAINED) ? 2 : 0;
    const [args, kwargs] = this.#argumentsOf();
    this.#sent++;
    this.#send({ uuid, name, args, kwargs, root_id: uuid, parent_id: null, retries: 0, chain }, CLIENT, at);
    if (count === null || this.#sent < count) this.#agenda.add(at + chance.wait(1 / rate), this.#sendNext);
  };

  #argumentsOf(): readonly [args: string, kwargs: string] {
    const id = Math.floor(this.#chance.between(1, 100_000));
    return this.#chance.in(0.5)
      ? [`(${id},)`, '{}']
      : ['()', `{'id': ${id}, 'lang': '${this.#chance.pick(['en', 'de', 'fr'])}'}`];
  }

  #send(call: Call, from: Sender, at: Seconds, countdown: Seconds = 0): void {
    const { uuid, root_id, parent_id, name, args, kwargs, retries } = call;
    const { hostname, pid } = from;
    this.#alive++;
    const clock = ++this.#clientClock;
    const fields = { uuid, root_id, parent_id, name, args, kwargs, retries, eta: null, expires: null };
    const route = { queue: 'celery', exchange: '', routing_key: 'celery' };
    const body = eventText({
      hostname,
      utcoffset: 0,
      pid,
      clock,
      ...fields,
      ...route,
      timestamp: this.#start + at,
      type: 'task-sent',
    });
    this.#publish({ at, routing_key: 'task.sent', hostname, body, events: 1 });
    this.#agenda.add(at + this.#chance.between(0.001, 0.005), (then) => this.#receive(call, then, countdown));
  }

  /** Some worker takes it; while none is there the broker keeps it. */
  #receive(call: Call, at: Seconds, countdown: Seconds = 0): void {
    const chance = this.#chance;
    const [first, ...rest] = this.#workers.filter((worker) => worker.takesTasks);
    if (first === undefined) {
      this.#agenda.add(at + 0.5, (then) => this.#receive(call, then, countdown));
      return;
    }
    const worker = chance.pick([first, ...rest]);
    const { uuid, name, args, kwargs, root_id, parent_id, retries } = call;
    worker.tell(
      'task-received',
      { uuid, name, args, kwargs, root_id, parent_id, retries, eta: null, expires: null },
      at,
    );
    if (chance.in(REVOKED)) {
      worker.tell('task-revoked', { uuid, terminated: false, signum: null, expired: false }, at);
      this.#end(at);
      return;
    }
    this.#agenda.add(at + countdown + chance.between(0.001, 0.01), (then) => {
      // A task that waits in a worker that shuts down goes back to the broker and to another worker.
      if (worker.takesTasks) this.#execute(call, worker, then);
      else this.#receive(call, then);
    });
  }

  #execute(call: Call, worker: SimulatedWorker, at: Seconds): void {
    const chance = this.#chance;
    const mean = 0.02 * 2 ** (this.#options.tasks.indexOf(call.name) % 7);
    const runtime = 0.001 + chance.wait(mean);
    const outcome = this.#outcomeOf(call);
    worker.start(call.uuid, at);
    let end = at + runtime;
    if (outcome === 'retried') {
      // A task that is retried is its own parent.
      const again = { ...call, parent_id: call.uuid, retries: call.retries + 1 };
      this.#agenda.add(end, (then) => this.#send(again, worker.pool, then, chance.between(0.5, 2)));
      end += RETRY_LAG;
    }
    this.#agenda.add(end, (then) => {
      this.#conclude(call, outcome, worker, runtime, then);
      worker.finish(then);
      this.#end(then);
    });
  }

  #outcomeOf(call: Call): Outcome {
    const { failures, retries } = this.#options;
    const chance = this.#chance;
    if (chance.in(REJECTED)) return 'rejected';
    if (chance.in(failures)) return 'failed';
    return call.retries < MAX_RETRIES && chance.in(retries) ? 'retried' : 'succeeded';
  }

  #conclude(call: Call, outcome: Outcome, worker: SimulatedWorker, runtime: Seconds, at: Seconds): void {
    const { uuid, name, chain } = call;
    const chance = this.#chance;
    switch (outcome) {
      case 'rejected':
        worker.tell('task-rejected', { uuid, requeue: false }, at);
        return;
      case 'failed':
      case 'retried':
        worker.tell(`task-${outcome}`, { uuid, ...failureOf(name, chance) }, at);
        return;
      case 'succeeded':
        worker.tell('task-succeeded', { uuid, result: chance.pick(['None', 'True', "'ok'", '42']), runtime }, at);
        if (chain > 0) this.#sendChild(call, worker, at);
    }
  }

  /** The next of a chain, sent by the pool process that ran the one before it. */
  #sendChild(call: Call, worker: SimulatedWorker, at: Seconds): void {
    const [args, kwargs] = this.#argumentsOf();
    const { uuid, name, root_id, chain } = call;
    const child = {
      uuid: this.#chance.uuid(),
      name,
      args,
      kwargs,
      root_id,
      parent_id: uuid,
      retries: 0,
      chain: chain - 1,
    };
    this.#send(child, worker.pool, at);
  }

  #end(at: Seconds): void {
    this.#alive--;
    if (this.#alive === 0 && this.#sent === this.#options.count) for (const worker of this.#workers) worker.leave(at);
  }
}
