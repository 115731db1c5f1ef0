/** One picture of the state: captured record by record, then written in one transaction with its journal position. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Position, Seconds } from '../domain/event.ts';
import type { Hearing } from '../domain/hearing.ts';
import { type Liveness, type Orphaned, orphanOf } from '../domain/liveness.ts';
import type { Series } from '../domain/series.ts';
import type { FoldName, State } from '../domain/state.ts';
import { copyTask, type Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';
import { BY_KEY, copyIn, transaction } from '../postgres.ts';
import { copyNumber, copyText, isoTime, storableJson, storableKey } from '../postgres-text.ts';
import { countedOf, Figures } from './figures-write.ts';
import {
  AHEAD,
  agesFrom,
  TASK_COLUMNS,
  TASK_VERSION,
  taskLine,
  WORKER_COLUMNS,
  WORKER_VERSION,
  workerLine,
} from './rows.ts';

/** What a snapshot says of a cluster besides its rows. */
export type ClusterSummary = {
  /** The reducer that folded it. */
  readonly fold: FoldName;
  readonly event_count: number;
  readonly task_count: number;
  readonly clock: number;
  readonly evicted_active: number;
  readonly last_received: Seconds | null;
  readonly hearing: Hearing;
  /** Tasks in memory by state. */
  readonly tasks: Readonly<Record<string, number>>;
  /** Workers in memory by status. */
  readonly workers: Readonly<Record<string, number>>;
};

/** A transaction that takes longer is cut; the picture is taken again. */
const PATIENCE: Seconds = 120;

/**
 * One picture, from the moment the shutter is released. Adding does no IO and copies what it needs, so the records may
 * go on changing afterwards. Tasks, of which there are many, become lines only when Postgres takes them.
 */
export class Picture {
  readonly takenAt: Seconds;
  readonly position: Position;
  readonly #clusters: Record<string, ClusterSummary> = {};
  readonly #names: string[] = [];
  /** By their keys in the database, which those of two records can share. */
  readonly #workers = new Map<string, string>();
  readonly #tasks = new Map<string, Taken>();
  readonly #series: string[] = [];

  constructor(takenAt: Seconds, position: Position) {
    this.takenAt = takenAt;
    this.position = position;
  }

  get tasks(): number {
    return this.#tasks.size;
  }

  get workers(): number {
    return this.#workers.size;
  }

  addTask(state: State, task: Task): void {
    const orphaned = orphanOf(task, state, this.takenAt);
    const { cluster } = state;
    this.#tasks.set(`${cluster}\n${storableKey(task.uuid)}`, { cluster, task: copyTask(task), orphaned });
  }

  addWorker(state: State, worker: Worker, liveness: Liveness): void {
    const key = `${state.cluster}\n${storableKey(worker.hostname)}`;
    this.#workers.set(key, workerLine(state.cluster, worker, liveness));
  }

  addName(state: State, name: string): void {
    this.#names.push(`${copyText(state.cluster)}\t${copyText(storableKey(name))}\n`);
  }

  addSeries({ kind, labels, counts }: Series): void {
    this.#series.push(`${kind}\t${copyText(JSON.stringify(labels))}\t{${counts.map(copyNumber).join(',')}}\n`);
  }

  addSummary(state: State, summary: ClusterSummary): void {
    this.#clusters[state.cluster] = summary;
  }

  /**
   * Writes it. Returns the snapshot's id, or null where a later picture is there already: another recorder on the same
   * database has folded all of this and more.
   */
  async save(db: Knex): Promise<number | null> {
    const work = async (client: pg.Client): Promise<number | null> => {
      await client.query(`select pg_advisory_xact_lock(hashtext('celerycam camera'), hashtext(current_schema()))`);
      const id = await this.#insertSnapshot(client);
      if (id === null) return null;
      const snapshot = { id, takenAt: this.takenAt };
      if (this.workers > 0) await merge(client, WORKERS, this.#workers.values(), snapshot);
      const figures = new Figures(this.takenAt);
      const updateFigures = async (before: string): Promise<void> => {
        await figures.countRows(client, before, -1);
        await figures.save(client);
      };
      if (this.tasks > 0) await merge(client, TASKS, this.#taskLines(figures), snapshot, updateFigures);
      if (this.#names.length > 0) await addNames(client, this.#names);
      if (this.#series.length > 0) await putSeries(client, this.#series);
      return id;
    };
    return transaction(db, { seconds: PATIENCE }, work, BY_KEY);
  }

  /** Counts each as it goes. */
  *#taskLines(figures: Figures): Generator<string, void, undefined> {
    for (const { cluster, task, orphaned } of this.#tasks.values()) {
      figures.count(countedOf(cluster, task, agesFrom(task, this.takenAt)), 1);
      yield taskLine(cluster, task, this.takenAt, orphaned);
    }
  }

  async #insertSnapshot(client: pg.Client): Promise<number | null> {
    const { rows } = await client.query<{ id: number }>(
      `insert into snapshots (taken_at, position, tasks, workers, clusters)
        select $1::timestamptz, $2::bigint, $3, $4, $5
        where not exists (
          select from (select * from snapshots order by id desc limit 1) as latest
          where position > $2 or (position = $2 and taken_at > $1)
        ) returning id`,
      [isoTime(this.takenAt), this.position, this.tasks, this.workers, storableJson(this.#clusters)],
    );
    return rows[0]?.id ?? null;
  }
}

/** A task as it was when the shutter was released. */
interface Taken {
  readonly cluster: string;
  readonly task: Task;
  readonly orphaned: Orphaned | null;
}

/** How a table of present records and its history are written. */
interface Versioned {
  readonly states: string;
  readonly history: string;
  readonly key: string;
  /** `cluster` and the key first. */
  readonly columns: readonly string[];
  readonly version: readonly string[];
  /** Those of the version that are times: one that is ahead of the snapshot marks the version. */
  readonly times: readonly string[];
}

const TASKS: Versioned = {
  states: 'task_states',
  history: 'task_history',
  key: 'task_id',
  columns: TASK_COLUMNS,
  version: TASK_VERSION,
  times: ['received', 'started', '"timestamp"'],
};

const WORKERS: Versioned = {
  states: 'worker_states',
  history: 'worker_history',
  key: 'hostname',
  columns: WORKER_COLUMNS,
  version: WORKER_VERSION,
  times: [],
};

/**
 * Puts rows over those of the same key; a version that they replace goes to history. A handful of statements for any number.
 * @param onReplace is called with the rows that are about to be replaced: what follows `from` in a query, where they are `t`
 */
async function merge(
  client: pg.Client,
  { states, history, key, columns, version, times }: Versioned,
  lines: Iterable<string>,
  { id, takenAt }: { readonly id: number; readonly takenAt: Seconds },
  onReplace?: (from: string) => Promise<void>,
): Promise<void> {
  const staging = `new_${states}`;
  const list = columns.join(', ');
  const updates = columns.slice(2).map((column) => `${column} = excluded.${column}`);
  // Of the version: set with `since`, and kept with it.
  const kept = times.length > 0 ? ['since', 'ahead'] : ['since'];
  const since =
    times.length > 0 ? [`${id}`, `coalesce(greatest(${times.join(', ')}) > ${takenAt + AHEAD}, false)`] : [`${id}`];
  const versionOf = (table: string): string => version.map((column) => `${table}.${column}`).join(', ');
  await client.query(
    `create temp table if not exists ${staging} on commit delete rows as select ${list} from ${states} with no data`,
  );
  await copyIn(client, `${staging} (${list})`, lines);
  const changed = (before: string, after: string): string =>
    `(${versionOf(before)}) is distinct from (${versionOf(after)})`;
  await client.query(`
    insert into ${history} (cluster, ${key}, until, ${[...kept, ...version].join(', ')})
    select o.cluster, o.${key}, ${id}, ${kept.map((column) => `o.${column}`).join(', ')}, ${versionOf('o')}
      from ${states} o join ${staging} n on n.cluster = o.cluster and n.${key} = o.${key}
      where ${changed('o', 'n')}`);
  await onReplace?.(`${staging} n join ${states} t on t.cluster = n.cluster and t.${key} = n.${key}`);
  const keep = kept.map(
    (column) =>
      `${column} = case when ${changed(states, 'excluded')} then excluded.${column} else ${states}.${column} end`,
  );
  await client.query(`
    insert into ${states} (${list}, ${kept.join(', ')}) select ${list}, ${since.join(', ')} from ${staging}
    on conflict (cluster, ${key}) do update set ${[...updates, ...keep].join(', ')}`);
}

async function addNames(client: pg.Client, lines: Iterable<string>): Promise<void> {
  await client.query(
    'create temp table if not exists new_task_names on commit delete rows as select * from task_names with no data',
  );
  await copyIn(client, 'new_task_names', lines);
  await client.query('insert into task_names select * from new_task_names on conflict do nothing');
}

async function putSeries(client: pg.Client, lines: Iterable<string>): Promise<void> {
  await client.query(
    'create temp table if not exists new_metrics on commit delete rows as select * from metrics with no data',
  );
  await copyIn(client, 'new_metrics', lines);
  await client.query(
    'insert into metrics select * from new_metrics on conflict (kind, labels) do update set counts = excluded.counts',
  );
}
