/** `celerycam explain`: the recorded events of one task, what each did, and why the task is in its state. Changes nothing. */
import { type Explained, type Explanation, explain } from '../domain/explain.ts';
import type { Run } from '../domain/runs.ts';
import { MonitorError } from '../errors.ts';
import { eventsOf, gapsOf } from '../journal/questions.ts';
import type { Database } from '../store/database.ts';
import { migrationStatus } from '../store/migrate.ts';
import { table, timeOf } from './table.ts';

export interface ExplainOptions {
  /** Null: whichever clusters know the task. */
  readonly cluster: string | null;
  readonly json: boolean;
}

/** Prints one explanation for each cluster that knows the task. @throws MonitorError TASK_UNKNOWN, DATABASE_OUTDATED */
export async function explainTask(database: Database, uuid: string, options: ExplainOptions): Promise<void> {
  const { knex } = database;
  const { pending } = await migrationStatus(database);
  if (pending.length > 0) {
    const message = `schema ${database.schema} is not set up for this program: type \`celerycam migrate up\``;
    throw new MonitorError('DATABASE_OUTDATED', message);
  }
  const entries = await eventsOf(knex, options.cluster, uuid);
  if (entries.length === 0) {
    const where = options.cluster === null ? '' : ` of cluster ${options.cluster}`;
    throw new MonitorError(
      'TASK_UNKNOWN',
      `no event of a task ${uuid}${where} is recorded in schema ${database.schema}`,
    );
  }
  for (const cluster of new Set(entries.map((entry) => entry.cluster))) {
    const own = entries.filter((entry) => entry.cluster === cluster);
    const gaps = await gapsOf(knex, cluster, own[0]?.local_received ?? 0);
    const explanation = explain(uuid, own, { gaps, workers: await workersOf(database, cluster, own) });
    process.stdout.write(
      options.json ? `${JSON.stringify({ cluster, ...explanation })}\n` : textOf(cluster, explanation),
    );
  }
}

async function workersOf({ knex }: Database, cluster: string, entries: readonly { event: object }[]) {
  const hostnames = new Set(entries.map(({ event }) => ('hostname' in event ? event.hostname : null)));
  const rows: readonly { hostname: string; status: string; reason: string | null }[] = await knex('worker_states')
    .select('hostname', 'status', 'reason')
    .where({ cluster })
    .whereIn('hostname', [...hostnames].filter((name) => typeof name === 'string') as string[]);
  return new Map(rows.map(({ hostname, status, reason }) => [hostname, reason ? `${status} (${reason})` : status]));
}

function textOf(cluster: string, { uuid, state, events, runs, why }: Explanation): string {
  const lines = [
    `task ${uuid} of cluster ${cluster}: ${state}`,
    ...['', ...table([HEAD, ...events.map(rowOf)])],
    ...(runs.length > 0 ? ['', ...table(runs.map(runOf))] : []),
    ...['', why, ''],
  ];
  return `${lines.join('\n')}\n`;
}

const HEAD = ['position', 'event', 'from', 'clock', 'timestamp (UTC)', 'arrived', 'effect'];

function rowOf({ position, type, hostname, pid, clock, timestamp, delay, effect }: Explained): string[] {
  const from = pid === null ? String(hostname) : `${hostname} (${pid})`;
  const arrived = delay === null ? '' : `${delay < 0 ? '' : '+'}${delay.toFixed(3)} s`;
  return [String(position), type, from, String(clock ?? ''), timeOf(timestamp), arrived, effect];
}

function runOf({ number, state, worker, retries, received, started, ended, exception }: Run): string[] {
  const times = [
    ['received', received],
    ['started', started],
    ['ended', ended],
  ] as const;
  const told = times.flatMap(([name, at]) => (at === null ? [] : [`${name} ${timeOf(at)}`]));
  const whose = `${worker ?? '?'}${retries === null ? '' : `, retries ${retries}`}`;
  return [`run ${number}`, state, whose, [...told, ...(exception === null ? [] : [exception])].join(', ')];
}
