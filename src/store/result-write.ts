/** Writes results as Celery's database backend does (celery/backends/database/__init__.py). */
import type { Knex } from 'knex';
import { RESULT_TABLES } from '../../migrations/007_results.ts';
import { type Picklable, writePickle } from '../domain/pickle-write.ts';
import { READY_STATES } from '../domain/states.ts';
import { MonitorError } from '../errors.ts';
import { databaseError, sqlState, transaction } from '../postgres.ts';
import { storableText } from '../postgres-text.ts';
import { fromError, toPython } from '../python-data.ts';
import { resultTables } from './result-tables.ts';

export interface StoreOptions {
  /** @default SUCCESS, or FAILURE for an Error */
  readonly status?: string;
  /** @default of an Error its stack */
  readonly traceback?: string | null;
  /** What workers store with `result_extended`; what is left out stays as it is. `args` and `kwargs` are JSON. */
  readonly name?: string;
  readonly args?: readonly unknown[];
  readonly kwargs?: Readonly<Record<string, unknown>>;
  readonly worker?: string;
  readonly retries?: number;
  readonly queue?: string;
}

/** The workers' `result_serializer`: it is for `args` and `kwargs` alone, for results are pickled anyway. */
export type Serializer = 'json' | 'pickle';

export interface ResultWriter {
  store(task_id: string, result: unknown, options: StoreOptions & { readonly status: string }): Promise<void>;
  forget(task_id: string): Promise<void>;
  saveGroup(group_id: string, task_ids: readonly string[]): Promise<void>;
  deleteGroup(group_id: string): Promise<void>;
}

/**
 * For tables in the schema that the search path begins with; makes them where they are missing.
 * @throws MonitorError CONFIG_INVALID where other tables have these names; DATABASE_UNREACHABLE
 */
export async function createResultWriter(db: Knex, schema: string, serializer: Serializer): Promise<ResultWriter> {
  const run = async (sql: string, values: readonly unknown[]): Promise<void> => {
    await transaction(db, { seconds: 20 }, (client) => client.query(sql, [...values])).catch((error: unknown) => {
      throw databaseError(error);
    });
  };
  const encode = (value: unknown): Buffer =>
    Buffer.from(serializer === 'pickle' ? writePickle(toPython(value)) : JSON.stringify(value));
  await prepare(db, schema);
  return {
    async store(task_id, result, { status, ...options }) {
      const value = result instanceof Error ? fromError(result) : toPython(result ?? null);
      const { traceback = result instanceof Error ? (result.stack ?? null) : null } = options;
      const { name, args, kwargs, worker, retries, queue } = options;
      const given: Readonly<Record<string, unknown>> = {
        ...{ status, result: Buffer.from(writePickle(value)), traceback },
        ...{ name, worker, retries, queue, args: args && encode(args), kwargs: kwargs && encode(kwargs) },
      };
      const columns = Object.keys(given).filter((column) => given[column] !== undefined);
      const values = columns.map((column) => {
        const each = given[column];
        return typeof each === 'string' ? storableText(each) : each;
      });
      const date_done = READY_STATES.has(status) ? `now() at time zone 'utc'` : 'null';
      await run(
        `insert into celery_taskmeta (id, task_id, date_done, ${columns.join(', ')})
          values (nextval('task_id_sequence'), $1, ${date_done}, ${columns.map((_, n) => `$${n + 2}`).join(', ')})
          on conflict (task_id) do update set
            ${['date_done', ...columns].map((column) => `${column} = excluded.${column}`).join(', ')}`,
        [task_id, ...values],
      );
    },
    forget: (task_id) => run('delete from celery_taskmeta where task_id = $1', [task_id]),
    saveGroup: (group_id, task_ids) =>
      run(
        `insert into celery_tasksetmeta (id, taskset_id, result, date_done)
          values (nextval('taskset_id_sequence'), $1, $2, now() at time zone 'utc')
          on conflict (taskset_id) do update set result = excluded.result, date_done = excluded.date_done`,
        [group_id, Buffer.from(writePickle(groupResult(group_id, task_ids)))],
      ),
    deleteGroup: (group_id) => run('delete from celery_tasksetmeta where taskset_id = $1', [group_id]),
  };
}

async function prepare(db: Knex, schema: string): Promise<void> {
  try {
    await transaction(db, { seconds: 20 }, async (client) => {
      const foreign = (await resultTables(client, [schema])).find(({ kind }) => kind === 'django-celery');
      if (foreign) {
        const message = `${foreign.schema}.${foreign.name} is a table of django-celery, into which no Celery since 4 stores`;
        throw new MonitorError('CONFIG_INVALID', `${message}; choose another schema`);
      }
      await client.query(RESULT_TABLES);
    });
  } catch (error) {
    // A worker may have made them in the same moment.
    if (['42P07', '23505'].includes(sqlState(error) ?? '')) return;
    throw databaseError(error);
  }
}

/** What `GroupResult` pickles itself as; who reads it finds the backend by its own app. */
function groupResult(id: string, task_ids: readonly string[]): Picklable {
  const celery = (name: string, ...args: readonly Picklable[]): Picklable => ({
    kind: 'object',
    of: { kind: 'class', module: 'celery.result', name },
    args,
  });
  return celery('GroupResult', id, { kind: 'list', items: task_ids.map((task_id) => celery('AsyncResult', task_id)) });
}
