/** What a database holds after a run, held against what was published and against the fold of the whole journal. */

import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Knex } from 'knex';
import { expect } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { ClusterAnswer } from '../../src/contract/api.ts';
import type { JournalEntry } from '../../src/domain/event.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { type Database, openDatabase } from '../../src/store/database.ts';
import { createSnapshots } from '../../src/store/snapshots.ts';
import { told } from './camera.ts';

/** Columns of `task_states` that bear the names of the record's fields. */
const TASK_COLUMNS = [
  ...[
    'state',
    'name',
    'args',
    'kwargs',
    'result',
    'exception',
    'traceback',
    'runtime',
    'retries',
    'worker',
    'timestamp',
  ],
  ...['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected', 'clock', 'exchange'],
  ...['routing_key', 'root_id', 'parent_id', 'client', 'extra'],
] as const;

const WORKER_COLUMNS = [
  ...['pid', 'freq', 'heartbeats', 'clock', 'active', 'processed', 'loadavg', 'sw_ident', 'sw_ver', 'sw_sys', 'extra'],
] as const;

/** A database of the program, opened beside it. */
export async function openRecord(url: string, schema = 'celerycam'): Promise<Database> {
  return openDatabase({ url, schema, poolSize: 2 });
}

/** The whole journal in order. Fails where its positions are not 1, 2, 3, … */
export async function readJournal({ knex }: Database): Promise<JournalEntry[]> {
  const rows: { position: number; cluster: string; local_received: number; body: string }[] = await knex('events')
    .select('position', 'cluster', 'local_received', 'body')
    .orderBy('position');
  const hole = rows.findIndex(({ position }, n) => position !== n + 1);
  expect(hole === -1 ? 'no hole' : `position ${rows[hole]?.position} at ${hole + 1}`).toBe('no hole');
  expect(await knex('journal_head').first('position')).toEqual({ position: rows.length });
  return rows.map(({ body, ...row }) => ({ ...row, event: JSON.parse(body) }));
}

/** Fails unless the journal holds each of these events once, and nothing else. See `eventTexts`. */
export function expectEachOnce(journal: readonly JournalEntry[], published: readonly string[]): void {
  const { missing, surplus } = compare(journal, published);
  expect({
    missing: missing.length,
    surplus: surplus.length,
    of: published.length,
    some: [...missing, ...surplus].slice(0, 3),
  }).toEqual({
    missing: 0,
    surplus: 0,
    of: published.length,
    some: [],
  });
}

/** Events that were published and are not in the journal, and those that are there once too often. */
export function compare(
  journal: readonly JournalEntry[],
  published: readonly string[],
): { readonly missing: readonly string[]; readonly surplus: readonly string[] } {
  const counts = new Map<string, number>();
  for (const text of published) counts.set(text, (counts.get(text) ?? 0) + 1);
  const surplus: string[] = [];
  for (const { event } of journal) {
    const text = JSON.stringify(event);
    const left = counts.get(text) ?? 0;
    if (left === 0) surplus.push(text);
    else counts.set(text, left - 1);
  }
  return { missing: [...counts].filter(([, left]) => left > 0).map(([text]) => text), surplus };
}

/** The state that a journal leads to, folded from the first event to the last without interruption. */
export function foldAll(journal: readonly JournalEntry[]): Clusters {
  const clusters = createClusters({ maxTasks: 1_000_000, maxWorkers: 1_000_000 }, loadConfig({}, {}).state);
  for (const entry of journal) fold(clusters, entry);
  return clusters;
}

/** Fails unless the rows of the last picture, and the state that a start would restore from them, are this state. */
export async function expectPictured(database: Database, clusters: Clusters): Promise<void> {
  const { knex } = database;
  await expectRows(database, clusters);
  for (const [cluster, { tasks }] of clusters.byName) {
    const rows = await knex('task_states').where({ cluster }).whereNotNull('children').select('task_id', 'children');
    const parents = [...tasks.values()].filter(({ children }) => children !== null);
    expectSame(
      new Map(rows.map(({ task_id, children }) => [task_id, new Set<string>(children)])),
      new Map(parents.map(({ uuid, children }) => [uuid, new Set(children)])),
    );
  }
  expect(await knex('snapshots').orderBy('id', 'desc').first('position')).toEqual({ position: clusters.position });
  const restored = createClusters({ maxTasks: 1_000_000, maxWorkers: 1_000_000 }, loadConfig({}, {}).state);
  await createSnapshots(knex).restore(restored);
  // The difference of two whole states would take minutes to print.
  expect(isDeepStrictEqual(told(restored), told(clusters))).toBe(true);
}

/** Fails unless the rows are this state, but for `children`, which are what was in memory at the same time. */
export async function expectRows({ knex }: Database, clusters: Clusters): Promise<void> {
  for (const [cluster, { tasks, workers }] of clusters.byName) {
    const tables: readonly (readonly [string, string, readonly string[], Iterable<[string, object]>])[] = [
      ['task_states', 'task_id', TASK_COLUMNS, tasks],
      ['worker_states', 'hostname', WORKER_COLUMNS, workers],
    ];
    for (const [table, key, columns, records] of tables) {
      const rows: Record<string, unknown>[] = await knex(table)
        .where({ cluster })
        .select(key, ...columns);
      expectSame(
        new Map(rows.map(({ [key]: id, ...row }) => [String(id), row])),
        new Map(Array.from(records, ([id, record]) => [id, pick(record, columns)])),
      );
    }
  }
}

function pick(record: object, columns: readonly string[]): Record<string, unknown> {
  const fields: Record<string, unknown> = { ...record };
  return Object.fromEntries(columns.map((column) => [column, fields[column]]));
}

function expectSame(rows: ReadonlyMap<string, object>, records: ReadonlyMap<string, object>): void {
  expect(rows.size).toBe(records.size);
  for (const [key, record] of records) expect([key, rows.get(key)]).toEqual([key, record]);
}

/** Fails unless the API shows this state, which nothing has changed since. */
export function expectShown(answer: ClusterAnswer, clusters: Clusters): void {
  const count = (values: Iterable<string>): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
    return counts;
  };
  expect(answer.position).toBe(clusters.position);
  for (const state of clusters.byName.values()) {
    const shown = answer.clusters.find(({ cluster }) => cluster === state.cluster);
    const { event_count, task_count } = state;
    const tasks = count(Array.from(state.tasks.values(), (task) => task.state));
    expect(shown).toMatchObject({ event_count, task_count, tasks, workers: { OFFLINE: state.workers.size } });
  }
}

interface Hold {
  /** Returns once so many recorders wait, with messages in hand. */
  waiting(recorders: number): Promise<void>;
  release(): Promise<void>;
}

/** Lets nobody append to the journal until it is released. */
export async function holdJournal({ knex }: Pick<Database, 'knex'>): Promise<Hold> {
  return hold(knex, 'select from journal_head for update');
}

/** Lets no run of a periodic task be recorded until it is released. */
export async function holdRuns({ knex }: Pick<Database, 'knex'>): Promise<Hold> {
  return hold(knex, 'lock table periodic_runs in share mode');
}

async function hold(knex: Knex, statement: string): Promise<Hold> {
  const lock = await knex.transaction();
  await lock.raw(statement);
  return {
    async waiting(recorders) {
      const query = `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
      while ((await knex.raw(query)).rows.length < recorders) await delay(5);
    },
    async release() {
      if (!lock.isCompleted()) await lock.commit();
    },
  };
}
