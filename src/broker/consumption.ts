/** Which queues workers take tasks from, as they say themselves: events do not tell. */
import type { Json, Seconds } from '../domain/event.ts';
import { labelOf } from '../domain/series.ts';
import type { Connection } from './connection.ts';
import { inspect } from './control.ts';

/** Of one queue. */
export interface Consumption {
  readonly workers: number;
  /** Processes of these workers; pools of threads or greenlets have none, as celery-exporter counts. */
  readonly processes: number;
}

/**
 * Asks all workers. Those that do not answer in time are left out, and so are names that no label can hold.
 * @throws whatever the broker refused it with
 */
export async function consumptionOf(
  connection: Connection,
  controlExchange: string,
  timeout: Seconds = 1,
): Promise<ReadonlyMap<string, Consumption>> {
  const ask = (method: string): Promise<ReadonlyMap<string, Json>> =>
    inspect(connection, controlExchange, { method }, timeout);
  const [queues, stats] = await Promise.all([ask('active_queues'), ask('stats')]);
  const found = new Map<string, Consumption>();
  for (const [worker, reply] of queues) {
    const processes = processesIn(stats.get(worker));
    for (const name of namesIn(reply)) {
      const { workers = 0, processes: more = 0 } = found.get(name) ?? {};
      found.set(name, { workers: workers + 1, processes: more + processes });
    }
  }
  return found;
}

/** `[{"name": "celery", …}, …]`; workers are anybody who may write to the broker. */
function namesIn(reply: Json): ReadonlySet<string> {
  const names = Array.isArray(reply) ? reply.map((queue) => fieldOf(queue, 'name')) : [];
  return new Set(
    names.filter((name): name is string => typeof name === 'string' && name !== '' && labelOf(name) === name),
  );
}

/** `{"pool": {"processes": [4711, 4712], …}, …}` */
function processesIn(reply: Json | undefined): number {
  const processes = fieldOf(fieldOf(reply, 'pool'), 'processes');
  return Array.isArray(processes) ? processes.length : 0;
}

function fieldOf(value: Json | undefined, name: string): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as { readonly [name: string]: Json })[name]
    : undefined;
}
