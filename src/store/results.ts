/** Reads what is stored of tasks and groups, wherever that is. */
import type { Knex } from 'knex';
import type pg from 'pg';
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import type { ResultRecord, SavedGroup } from '../contract/results.ts';
import { membersOf, tasksIn } from '../domain/group-members.ts';
import { PENDING, READY_STATES } from '../domain/states.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { ask } from './ask.ts';
import { quoted, type ResultTable, resultTables, unreadable } from './result-tables.ts';
import { limited, readValue, type StoredTask, taskColumns, toResultRecord } from './stored-result.ts';

export interface Results {
  /** What is stored of these tasks, in their order. @param most bytes of a result that are read */
  results(ids: readonly string[], most?: number): Promise<Answer<readonly ResultRecord[]>>;
  /** A saved group, and what is stored of its tasks, in their order. */
  group(id: string): Promise<Answer<{ readonly group: SavedGroup; readonly children: readonly ResultRecord[] }>>;
  /** Those of these tasks that have ended, as far as is stored. */
  ready(ids: readonly string[]): Promise<Answer<ReadonlySet<string>>>;
  /** The names by which tasks are recorded. */
  namesOf(ids: readonly string[]): Promise<Answer<ReadonlyMap<string, readonly string[]>>>;
  tables(): Promise<Answer<readonly ResultTable[]>>;
}

/** Bytes of one result that are read, where nobody says: to tell what is in it holds up all else for some tenths of a second. */
const MAX_RESULT = 1_000_000;

/** Bytes of all results of a group that are read. */
const MAX_GROUP = 4_000_000;

/** All methods throw MonitorError where the database fails. @param schemas of Postgres, in which tables are looked for */
export function createResults(db: Knex, schemas: readonly string[]): Results {
  return {
    results: (ids, most = MAX_RESULT) =>
      ask(db, async (client) => answer(await stored(client, await tablesOf(client, schemas, 'tasks'), ids, most))),
    group: (id) =>
      ask(db, async (client) => {
        const tables = await resultTables(client, schemas);
        const group = await savedGroup(client, tables, id);
        if ('problem' in group) return group;
        const ids = tasksIn(group.members);
        const tasks = tables.filter(({ holds }) => holds === 'tasks');
        const children = await stored(client, tasks, ids, Math.min(MAX_RESULT, Math.floor(MAX_GROUP / ids.length)));
        return answer({ group, children });
      }),
    ready: (ids) =>
      ask(db, async (client) => {
        const found = new Set<string>();
        for (const table of await tablesOf(client, schemas, 'tasks')) {
          if (!table.isReadable) continue;
          const { rows } = await client.query<{ task_id: string }>(
            `select task_id from ${quoted(table)} where task_id = any($1) and status = any($2)`,
            [ids.map(storableText), [...READY_STATES]],
          );
          for (const { task_id } of rows) found.add(task_id);
        }
        return answer(found);
      }),
    namesOf: (ids) =>
      ask(db, async (client) => {
        const { rows } = await client.query<{ task_id: string; names: string[] }>(
          `select task_id, array_agg(distinct name) as names from task_states
            where task_id = any($1) and name is not null group by task_id`,
          [ids.map(storableKey)],
        );
        const names = new Map(rows.map((row) => [row.task_id, row.names]));
        return answer(new Map(ids.map((id) => [id, names.get(storableKey(id)) ?? []])));
      }),
    tables: () => ask(db, async (client) => answer(await resultTables(client, schemas))),
  };
}

async function tablesOf(
  client: pg.Client,
  schemas: readonly string[],
  holds: ResultTable['holds'],
): Promise<readonly ResultTable[]> {
  return (await resultTables(client, schemas)).filter((table) => table.holds === holds);
}

/** One record for each task, the best that is stored in any table. */
async function stored(
  client: pg.Client,
  tables: readonly ResultTable[],
  ids: readonly string[],
  most: number,
): Promise<readonly ResultRecord[]> {
  const found = new Map<string, ResultRecord>();
  for (const table of tables.filter(({ isReadable }) => isReadable)) {
    const { rows } = await client.query<StoredTask>(
      `select ${taskColumns(table, most)} from ${quoted(table)} where task_id = any($1)`,
      [ids.map(storableText)],
    );
    for (const row of rows) {
      const record = toResultRecord(row, table, most);
      const other = found.get(record.task_id);
      if (!other || isBetter(record, other)) found.set(record.task_id, record);
    }
  }
  const closed = tables.find(({ isReadable }) => !isReadable);
  return ids.map((task_id) => found.get(task_id) ?? nothing(task_id, closed ? unreadable(closed) : null));
}

/** Of two that are stored in two places: the one that has ended, and the later of these. */
function isBetter(one: ResultRecord, other: ResultRecord): boolean {
  const [ready, otherReady] = [one, other].map(({ status }) => READY_STATES.has(status));
  return ready === otherReady ? (one.date_done ?? 0) > (other.date_done ?? 0) : ready === true;
}

/** As Celery tells of a task that it does not know. */
export function nothing(task_id: string, problem: string | null = null): ResultRecord {
  return {
    ...{ task_id, status: PENDING, result: null, text: null, opaque: [], problem, traceback: null },
    ...{ date_done: null, name: null, args: null, kwargs: null, worker: null, retries: null, queue: null },
    ...{ children: null, table: null },
  };
}

async function savedGroup(
  client: pg.Client,
  tables: readonly ResultTable[],
  id: string,
): Promise<SavedGroup | Refusal> {
  for (const table of tables) {
    if (table.holds !== 'groups' || !table.isReadable) continue;
    const isDjango = table.kind === 'django-celery-results';
    const { rows } = await client.query<
      Pick<StoredTask, 'result' | 'size' | 'content_type' | 'content_encoding' | 'date_done'>
    >(
      `select ${limited('result', MAX_RESULT)} as result, octet_length(result) as size,
          extract(epoch from date_done)::float8 as date_done,
          ${isDjango ? 'content_type, content_encoding' : 'null as content_type, null as content_encoding'}
        from ${quoted(table)} where ${isDjango ? 'group_id' : 'taskset_id'} = $1`,
      [storableText(id)],
    );
    const [row] = rows;
    if (!row) continue;
    const value = readValue(row, table, MAX_RESULT);
    if (!value.ok) return refuse('unreadable', `the group ${JSON.stringify(id)} cannot be read: ${value.problem}`);
    const members = membersOf(value.value);
    if (!members)
      return refuse('unreadable', `what is saved as the group ${JSON.stringify(id)} is no result of a group`);
    return { group_id: id, date_done: row.date_done, table: `${table.schema}.${table.name}`, members };
  }
  const closed = tables.find(({ holds, isReadable }) => holds === 'groups' && !isReadable);
  if (closed) return refuse('unreadable', unreadable(closed));
  return refuse('unknown', `no group ${JSON.stringify(id)} was saved`);
}
