/** Removes what has expired: rows of tasks by their state, as django-celery does, and history that nobody may ask for. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import { transaction } from '../postgres.ts';
import { isoTime } from '../postgres-text.ts';
import { KEEP_FIGURES, KEEP_MINUTES } from './figures.ts';
import { expireResults, type ResultExpiry } from './result-expiry.ts';
import { TASK_VERSION, WORKER_VERSION } from './rows.ts';

/** How long rows live, in seconds; null: for ever. */
export interface Expiry {
  /** SUCCESS. */
  readonly expireSuccess: Seconds | null;
  /** RETRY, FAILURE, REVOKED. */
  readonly expireError: Seconds | null;
  /** Every other state. django-celery keeps those it does not know, such as PROGRESS, for ever. */
  readonly expirePending: Seconds | null;
  /** Snapshots, and versions that ended. */
  readonly historyRetention: Seconds | null;
  /** Workers that have not been ONLINE for so long. One whose tasks are orphaned stays with them. */
  readonly retireWorkers: Seconds | null;
  readonly results: ResultExpiry;
}

export interface Removed {
  readonly tasks: number;
  readonly workers: readonly { readonly cluster: string; readonly hostname: string }[];
  /** Versions of tasks and workers. */
  readonly history: number;
  readonly snapshots: number;
  readonly results: number;
}

/** Rows to a transaction, so that none holds its locks for long. */
const CHUNK = 10_000;

const PATIENCE: Seconds = 120;

/** Removes what has expired at `time`. A task or worker that goes leaves its last version in the history. */
export async function cleanup(db: Knex, expiry: Expiry, time: Seconds, signal?: AbortSignal): Promise<Removed> {
  const removed = await expireRecord(db, expiry, time, signal);
  // Last: whether it may delete from tables of others is not in its hands.
  return { ...removed, results: await expireResults(db, expiry.results, time, signal) };
}

async function expireRecord(
  db: Knex,
  expiry: Expiry,
  time: Seconds,
  signal?: AbortSignal,
): Promise<Omit<Removed, 'results'>> {
  const inChunks = (statement: string): Promise<number> => repeat(db, statement, signal);
  let tasks = 0;
  const sets: readonly (readonly [Seconds | null, string])[] = [
    [expiry.expireSuccess, `ready and state = 'SUCCESS'`],
    [expiry.expireError, `ready and state in ('FAILURE', 'REVOKED')`],
    [expiry.expireError, `not ready and state = 'RETRY'`],
    [expiry.expirePending, `ready and state not in ('SUCCESS', 'FAILURE', 'REVOKED')`],
    [expiry.expirePending, `not ready and state <> 'RETRY'`],
  ];
  for (const [age, states] of sets) if (age !== null) tasks += await inChunks(expireTasks(states, time - age));
  const workers = expiry.retireWorkers === null ? [] : await retireWorkers(db, time - expiry.retireWorkers);
  for (const [resolution, age] of [
    [60, KEEP_MINUTES],
    [3600, KEEP_FIGURES],
    [86_400, KEEP_FIGURES],
  ] as const)
    await inChunks(expireFigures(resolution, time - age));
  if (expiry.historyRetention === null) return { tasks, workers, history: 0, snapshots: 0 };
  const limit = isoTime(time - expiry.historyRetention);
  const snapshots = await inChunks(
    'delete from snapshots where id = any(array(select id from snapshots ' +
      `where taken_at <= '${limit}' and id < (select max(id) from snapshots) order by id limit ${CHUNK}))`,
  );
  const history = (await inChunks(expireVersions('task_history'))) + (await inChunks(expireVersions('worker_history')));
  await inChunks(expireVersions('task_history_spans'));
  return { tasks, workers, history, snapshots };
}

/** Workers are few enough for one statement. */
async function retireWorkers(db: Knex, limit: Seconds): Promise<Removed['workers']> {
  const which = `select w.ctid from worker_states w where status <> 'ONLINE'
    and since <= (select coalesce(max(id), 0) from snapshots where taken_at <= '${isoTime(limit)}')
    and not exists (select from task_states t where not ready and orphaned_at is not null
      and t.cluster = w.cluster and t.worker = w.hostname)`;
  return transaction(db, { seconds: PATIENCE }, async (client) => {
    await alone(client);
    const statement = `${retire('worker_states', 'hostname', WORKER_VERSION, which)} returning cluster, hostname`;
    return (await client.query<{ cluster: string; hostname: string }>(statement)).rows;
  });
}

function expireTasks(states: string, limit: Seconds): string {
  return retire(
    'task_states',
    'task_id',
    [...TASK_VERSION, 'ahead'],
    `select ctid from task_states where ${states} and ages_from <= ${limit} order by ages_from limit ${CHUNK}`,
  );
}

function expireFigures(resolution: number, limit: Seconds): string {
  return `delete from task_figures where ctid = any(array(select ctid from task_figures
    where resolution = ${resolution} and kind in ('all', 'name', 'worker') and start < ${Math.floor(limit)} limit ${CHUNK}))`;
}

/** Versions that held at no snapshot that is kept. */
function expireVersions(table: string): string {
  return `delete from ${table} where ctid = any(array(
    select ctid from ${table} where until <= (select min(id) from snapshots) limit ${CHUNK}))`;
}

/** Deletes the rows that `which` selects and keeps their last version as history: it holds up to and with the latest snapshot. */
function retire(states: string, key: string, version: readonly string[], which: string): string {
  const columns = version.join(', ');
  return `with gone as (delete from ${states} where ctid = any(array(${which})) returning *)
    insert into ${states.replace('states', 'history')} (cluster, ${key}, since, until, ${columns})
    select cluster, ${key}, since, (select max(id) + 1 from snapshots), ${columns} from gone`;
}

/** Repeats a statement, each time in a transaction of its own, until it has nothing more to do or the signal aborts. */
async function repeat(db: Knex, statement: string, signal?: AbortSignal): Promise<number> {
  for (let total = 0; ; ) {
    if (signal?.aborted) return total;
    const count = await transaction(db, { seconds: PATIENCE }, async (client) => {
      await alone(client);
      return (await client.query(statement)).rowCount ?? 0;
    });
    total += count;
    if (count < CHUNK) return total;
  }
}

/** Not between the rows of a shutter. */
async function alone(client: pg.Client): Promise<void> {
  await client.query(`select pg_advisory_xact_lock(hashtext('celerycam camera'), hashtext(current_schema()))`);
}
