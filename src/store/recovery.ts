/** Brings records back from the database into memory: all that fit at start-up, single tasks later. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Position, Seconds } from '../domain/event.ts';
import { endRestore, restoreTask, restoreWorker, shareName } from '../domain/memory.ts';
import { restoreSeries } from '../domain/series.ts';
import { type Clusters, type State, stateOf } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import { copyLines, copyOut, transaction, withClient } from '../postgres.ts';
import { copyFields, storableKey } from '../postgres-text.ts';
import type { ClusterSummary } from './picture.ts';
import { TASK_RECORD, toTask, toWorker, WORKER_RECORD } from './rows.ts';

/** What was recovered. */
export interface Recovered {
  /** The id of the snapshot. */
  readonly snapshot: number;
  /** The journal's position that it corresponds to: fold from there. */
  readonly position: Position;
  readonly taken_at: Date;
  readonly tasks: number;
  readonly workers: number;
}

const PATIENCE: Seconds = 600;

/**
 * Loads the latest picture into `clusters`, which are empty, and sets their position. Where more tasks are in the
 * database than memory may hold, active ones come first, then those that ended last, and the state is marked forgetful.
 * Null where there is no picture, or another reducer folded it: then the state is the fold of what the journal still holds.
 */
export async function restore(db: Knex, clusters: Clusters): Promise<Recovered | null> {
  // One view of the database for all queries: another recorder may go on taking pictures.
  const start = 'set transaction isolation level repeatable read, read only';
  return transaction(
    db,
    { seconds: PATIENCE },
    async (client) => {
      const { rows } = await client.query<Omit<Recovered, 'tasks' | 'workers'> & { clusters: Summaries }>(
        'select id as snapshot, position, taken_at, clusters from snapshots order by id desc limit 1',
      );
      const [latest] = rows;
      if (latest) await restoreTally(client, clusters, latest.position);
      if (!latest || Object.values(latest.clusters).some(({ fold }) => fold !== clusters.fold)) return null;
      let tasks = 0;
      let workers = 0;
      for (const [cluster, summary] of Object.entries(latest.clusters)) {
        const state = stateOf(clusters, cluster);
        state.event_count = Number(summary.event_count);
        state.task_count = Number(summary.task_count);
        state.clock = Number(summary.clock);
        state.evicted_active = Number(summary.evicted_active);
        state.last_received = summary.last_received;
        state.hearing.until = summary.hearing.until ?? summary.last_received;
        state.hearing.outages.push(...summary.hearing.outages);
        await restoreNames(client, state);
        workers += await restoreWorkers(client, state);
        tasks += await restoreTasks(client, state);
        endRestore(state);
      }
      clusters.position = latest.position;
      const { snapshot, position, taken_at } = latest;
      return { snapshot, position, taken_at, tasks, workers };
    },
    start,
  );
}

type Summaries = Readonly<Record<string, ClusterSummary>>;

/** What was counted up to the snapshot stays counted, whichever reducer goes on. */
async function restoreTally(client: pg.Client, { tally }: Clusters, position: Position): Promise<void> {
  if (!tally) return;
  tally.position = position;
  const { rows } = await client.query<{ kind: string; labels: string; counts: number[] }>('select * from metrics');
  for (const { kind, labels, counts } of rows) restoreSeries(tally, kind, JSON.parse(labels) as string[], counts);
}

async function restoreNames(client: pg.Client, state: State): Promise<void> {
  const { rows } = await client.query<{ name: string }>('select name from task_names where cluster = $1', [
    state.cluster,
  ]);
  for (const { name } of rows) shareName(state, name);
}

/** In the order in which they came to be known, which is the order of their eviction. */
async function restoreWorkers(client: pg.Client, state: State): Promise<number> {
  const query = `select ${WORKER_RECORD} from (
    select * from worker_states where cluster = ${client.escapeLiteral(state.cluster)}
      order by id desc limit ${state.limits.maxWorkers}) as newest order by id`;
  let count = 0;
  for await (const lines of copyLines(copyOut(client, query))) {
    for (const line of lines) restoreWorker(state, toWorker(copyFields(line)));
    count += lines.length;
  }
  return count;
}

async function restoreTasks(client: pg.Client, state: State): Promise<number> {
  const { maxTasks } = state.limits;
  const ofCluster = `cluster = ${client.escapeLiteral(state.cluster)}`;
  const load = async (query: string): Promise<number> => {
    let count = 0;
    for await (const lines of copyLines(copyOut(client, query))) {
      for (const line of lines) restoreTask(state, toTask(copyFields(line)));
      count += lines.length;
    }
    return count;
  };
  const active = await load(`select ${TASK_RECORD} from (
    select * from task_states where ${ofCluster} and not ready order by id desc limit ${maxTasks}) as newest order by id`);
  const ended = await load(`select ${TASK_RECORD} from (
    select * from task_states where ${ofCluster} and ready order by ages_from desc, id desc limit ${maxTasks - active})
    as newest order by ages_from, id`);
  state.forgetful ||= active + ended >= maxTasks;
  return active + ended;
}

/** The tasks of these uuids as the latest picture has them; those that it does not have are left out. */
export async function loadTasks(db: Knex, cluster: string, uuids: readonly string[]): Promise<Task[]> {
  if (uuids.length === 0) return [];
  const byKey = new Map(uuids.map((uuid) => [storableKey(uuid), uuid]));
  // Key by key, whatever Postgres believes of the table's size: nearly always nearly all of them are new.
  const text = `select ${TASK_RECORD} from unnest($2::text[]) as wanted (key)
    cross join lateral (select * from task_states where task_id = wanted.key and cluster = $1 limit 1) as found`;
  const query = { text, values: [cluster, [...byKey.keys()]], rowMode: 'array' as const, types: AS_TEXT };
  const { rows } = await withClient(db, { seconds: PATIENCE }, (client) => client.query<(string | null)[]>(query));
  return rows.map((fields) => {
    const task = toTask(fields);
    const uuid = byKey.get(task.uuid) ?? task.uuid;
    return uuid === task.uuid ? task : { ...task, uuid };
  });
}

/** Values as Postgres writes them, which is how `toTask` reads them. */
export const AS_TEXT = { getTypeParser: () => String };
