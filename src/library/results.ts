/** Results for programs: what a TypeScript worker or caller needs to take part where Celery's database backend is used. */
import { type GroupAnswer, type ResultRecord, toGroupAnswer } from '../contract/results.ts';
import { EXCEPTION_STATES, READY_STATES, SUCCESS } from '../domain/states.ts';
import { MonitorError } from '../errors.ts';
import { databaseUrl } from '../option-values.ts';
import { type Database, openDatabase } from '../store/database.ts';
import { ResultWatch } from '../store/result-watch.ts';
import { createResultWriter, type Serializer, type StoreOptions } from '../store/result-write.ts';
import { createResults } from '../store/results.ts';

export interface ResultsOptions {
  /** The schema of the tables, as in `database_table_schemas`. @default 'public', where workers make them by themselves */
  readonly schema?: string;
  /** The workers' `result_serializer`, with which `args` and `kwargs` are stored. @default 'json' */
  readonly serializer?: Serializer;
}

export interface GetOptions {
  /** Seconds to wait until the task has ended. @default 0 */
  readonly wait?: number;
  readonly signal?: AbortSignal;
}

/** Bytes of a result that are read: unlike celerycam, a program may take its time. */
const MAX_RESULT = 8_000_000;

/** The results of one database. All methods throw MonitorError DATABASE_UNREACHABLE where it fails. */
export interface Results extends AsyncDisposable {
  /**
   * Stores the state and result of a task as a worker does: with the status SUCCESS, where nothing else is said, or FAILURE for an
   * Error. `AsyncResult(task_id).get()` then returns it, or raises it.
   * @param result JSON, and besides it bigint and Uint8Array; an Error, whose name and message are stored
   * @throws MonitorError VALUE_REFUSED for what is none of these
   */
  store(task_id: string, result: unknown, options?: StoreOptions): Promise<void>;
  /** What is stored of a task; PENDING where nothing is, as in Celery. */
  get(task_id: string, options?: GetOptions): Promise<ResultRecord>;
  /** Removes what is stored of a task. */
  forget(task_id: string): Promise<void>;
  /** Saves which tasks are a group, as `GroupResult.save()` does. */
  saveGroup(group_id: string, task_ids: readonly string[]): Promise<void>;
  /**
   * A saved group with what is stored of its tasks; null where none of this id was saved.
   * @throws MonitorError RESULT_UNREADABLE where what was saved is no group's result
   */
  restoreGroup(group_id: string, options?: GetOptions): Promise<GroupAnswer | null>;
  /** Removes a saved group; what is stored of its tasks stays. */
  deleteGroup(group_id: string): Promise<void>;
}

/**
 * Opens the tables of Celery's database backend, and makes them where they are missing, as a worker does.
 *
 *     await using results = await openResults('postgres://user:password@db/app');
 *     const { status, result } = await results.get(taskId, { wait: 10 });
 *
 * @param url also as in `result_backend`: `db+postgresql://…`
 * @throws MonitorError CONFIG_INVALID where the tables are not such as a worker can use; DATABASE_UNREACHABLE
 */
export async function openResults(
  url: string,
  { schema = 'public', serializer = 'json' }: ResultsOptions = {},
): Promise<Results> {
  const database = await openDatabase({ url: urlOf(url), schema });
  try {
    return await resultsOf(database, serializer);
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

async function resultsOf(database: Database, serializer: Serializer): Promise<Results> {
  const { knex, schema } = database;
  const reader = createResults(knex, [schema]);
  const writer = await createResultWriter(knex, schema, serializer);
  const watch = new ResultWatch(reader.ready);
  const stop = new AbortController();
  const watching = watch.run(stop.signal).catch(() => undefined);
  const read = async (task_id: string): Promise<ResultRecord> => {
    const found = await reader.results([task_id], MAX_RESULT);
    const [record] = found.ok ? found.value : [];
    if (record) return record;
    throw new MonitorError('DATABASE_UNREACHABLE', found.ok ? 'the database answered nothing' : found.message);
  };
  const restore = async (group_id: string): Promise<GroupAnswer | null> => {
    const found = await reader.group(group_id);
    if (found.ok) return toGroupAnswer(found.value.group, found.value.children);
    if (found.problem === 'unknown') return null;
    throw new MonitorError(
      found.problem === 'unreadable' ? 'RESULT_UNREADABLE' : 'DATABASE_UNREACHABLE',
      found.message,
    );
  };
  const wait = (ids: readonly string[], { wait = 0, signal }: GetOptions): Promise<void> =>
    watch.until(ids, wait, signal ? AbortSignal.any([signal, stop.signal]) : stop.signal);
  return {
    async store(task_id, result, options = {}) {
      const status = options.status ?? (result instanceof Error ? 'FAILURE' : SUCCESS);
      refuseUnlike(status, result);
      await writer.store(task_id, result, { ...options, status });
    },
    async get(task_id, options = {}) {
      const record = await read(task_id);
      if (!options.wait || READY_STATES.has(record.status)) return record;
      await wait([task_id], options);
      options.signal?.throwIfAborted();
      return read(task_id);
    },
    forget: writer.forget,
    saveGroup: writer.saveGroup,
    async restoreGroup(group_id, options = {}) {
      const group = await restore(group_id);
      if (!group || !options.wait || group.ready) return group;
      const pending = group.children.filter(({ status }) => !READY_STATES.has(status));
      await wait(
        pending.map(({ task_id }) => task_id),
        options,
      );
      options.signal?.throwIfAborted();
      return restore(group_id);
    },
    deleteGroup: writer.deleteGroup,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
      await database[Symbol.asyncDispose]();
    },
  };
}

/** The result of a failure is an exception, which Python raises, and that of anything else is none. */
function refuseUnlike(status: string, result: unknown): void {
  const isError = result instanceof Error;
  const isNone = result === null || result === undefined;
  const isException = isError || (typeof result === 'object' && result !== null && 'exc_type' in result);
  if (EXCEPTION_STATES.has(status) ? isException || isNone : !isError) return;
  const expected = isError ? 'an Error is the result of a failure' : 'expected an Error, or an object with exc_type';
  throw new MonitorError('VALUE_REFUSED', `the result cannot be stored with the status ${status}: ${expected}`);
}

/** Without the prefix that Celery has for SQLAlchemy. */
function urlOf(given: string): string {
  const read = databaseUrl.safeParse(given.replace(/^db\+/, ''));
  if (read.success && read.data !== null) return read.data;
  const expected = 'expected postgres://user:password@host/database';
  throw new MonitorError('CONFIG_INVALID', `the URL of the result backend cannot be read; ${expected}`);
}
