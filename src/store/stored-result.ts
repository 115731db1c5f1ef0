/** One row of a result table → what it tells. */
import type { ResultRecord } from '../contract/results.ts';
import type { Json } from '../domain/event.ts';
import { readPickle } from '../domain/pickle.ts';
import type { PythonValue } from '../domain/python-value.ts';
import { EXCEPTION_STATES } from '../domain/states.ts';
import { reasonOf } from '../errors.ts';
import { type Told, tell, tellException, toPython, untellable } from '../python-data.ts';
import { parseJson } from '../python-json.ts';
import type { ResultTable } from './result-tables.ts';

/** What the columns of `taskColumns` are. */
export interface StoredTask {
  readonly task_id: string;
  readonly status: string;
  /** Null also where it is too large to be read. */
  readonly result: Buffer | string | null;
  /** Bytes. */
  readonly size: number | null;
  readonly content_type: string | null;
  readonly content_encoding: string | null;
  readonly date_done: number | null;
  readonly traceback: string | null;
  readonly name: string | null;
  readonly args: Buffer | string | null;
  readonly kwargs: Buffer | string | null;
  readonly worker: string | null;
  readonly retries: number | null;
  readonly queue: string | null;
  readonly meta: string | null;
}

/** SQL: a column, or null where it is larger than that. */
export function limited(column: string, most: number): string {
  return `case when octet_length(${column}) <= ${most} then ${column} end`;
}

/** The columns of a table of tasks, under the names that they have in `StoredTask`. */
export function taskColumns({ kind, columns }: ResultTable, most: number): string {
  const own = (column: string): string => (columns.has(column) ? column : 'null');
  const text = (column: string): string => (columns.has(column) ? limited(column, most) : 'null');
  const isDjango = kind === 'django-celery-results';
  const of: Record<keyof StoredTask, string> = {
    task_id: 'task_id',
    status: `coalesce(status, 'PENDING')`,
    result: limited('result', most),
    size: 'octet_length(result)',
    content_type: own('content_type'),
    content_encoding: own('content_encoding'),
    date_done: 'extract(epoch from date_done)::float8',
    traceback: text('traceback'),
    name: own(isDjango ? 'task_name' : 'name'),
    args: text(isDjango ? 'task_args' : 'args'),
    kwargs: text(isDjango ? 'task_kwargs' : 'kwargs'),
    worker: own('worker'),
    retries: own('retries'),
    queue: own('queue'),
    // Of django-celery it is a pickle of nothing that is of use.
    meta: isDjango ? text('meta') : 'null',
  };
  return Object.entries(of)
    .map(([name, sql]) => `${sql} as ${name}`)
    .join(', ');
}

export function toResultRecord(row: StoredTask, table: ResultTable, most: number): ResultRecord {
  const { task_id, status, date_done, traceback, name, worker, retries, queue } = row;
  return {
    ...{ task_id, status, traceback, date_done, name, worker, retries, queue },
    ...told(row, table, most),
    args: argumentsOf(row.args),
    kwargs: argumentsOf(row.kwargs),
    children: childrenIn(row.meta),
    table: `${table.schema}.${table.name}`,
  };
}

function told(row: StoredTask, table: ResultTable, most: number): Shown {
  const value = readValue(row, table, most);
  if (!value.ok) return { result: null, text: null, opaque: [], problem: value.problem };
  if (row.result === null) return { result: null, text: null, opaque: [], problem: null };
  try {
    if (EXCEPTION_STATES.has(row.status)) return shownOf(tellException(value.value));
    const told = tell(value.value);
    return shownOf({ ...told, text: value.written ?? told.text });
  } catch (error) {
    const problem = untellable(error);
    if (problem === null) throw error;
    return { result: null, text: null, opaque: [], problem };
  }
}

function shownOf({ json, text, opaque }: Told): Shown {
  return { result: json, text, opaque: [...opaque], problem: null };
}

type Shown = Pick<ResultRecord, 'result' | 'text' | 'opaque' | 'problem'>;

/** A stored value. `written`: the text that it is stored as, where that is JSON or text. */
type Stored =
  | { readonly ok: true; readonly value: PythonValue; readonly written: string | null }
  | { readonly ok: false; readonly problem: string };

type Encoded = Pick<StoredTask, 'result' | 'size' | 'content_type' | 'content_encoding'>;

/** Of what is not stored the value is null. */
export function readValue({ result, size, ...content }: Encoded, { kind }: ResultTable, most: number): Stored {
  if (result === null) {
    return size === null
      ? { ok: true, value: null, written: null }
      : { ok: false, problem: `it is of ${size} bytes, and no more than ${most} are read` };
  }
  // SQLAlchemy pickles whatever the serializer is. django-celery does, too, and writes that in base64.
  if (kind === 'celery') return pickled(typeof result === 'string' ? Buffer.from(result) : result);
  if (kind === 'django-celery') return pickled(Buffer.from(String(result), 'base64'));
  const text = String(result);
  switch (content.content_type) {
    case 'application/json':
      return written(text);
    case 'text/plain':
    case 'application/text':
      return { ok: true, value: text, written: text };
    case 'application/x-python-serialize':
      return pickled(Buffer.from(text, 'base64'));
    default:
      return { ok: false, problem: `it is of type ${content.content_type}, which is not read` };
  }
}

function pickled(bytes: Uint8Array): Stored {
  const read = readPickle(bytes);
  return read.ok ? { ...read, written: null } : { ok: false, problem: `the pickle ${read.problem}` };
}

function written(text: string): Stored {
  try {
    return { ok: true, value: toPython(parseJson(text).value), written: text };
  } catch (error) {
    return { ok: false, problem: reasonOf(error) };
  }
}

/** Arguments as the result serializer wrote them; of django-celery-results a text that holds their repr. */
function argumentsOf(given: Buffer | string | null): Json {
  if (given === null) return null;
  try {
    if (typeof given !== 'string' && given[0] === 0x80) {
      const read = readPickle(given);
      return read.ok ? tell(read.value).json : null;
    }
    return parseJson(given.toString()).value;
  } catch {
    return String(given);
  }
}

/** The tasks in `{"children": [[["<id>", null], null]]}`. */
function childrenIn(meta: string | null): string[] | null {
  if (meta === null) return null;
  try {
    const { children } = JSON.parse(meta) as { children?: unknown };
    if (!Array.isArray(children)) return null;
    return children.flatMap((child: unknown) => {
      const id: unknown = Array.isArray(child) && Array.isArray(child[0]) ? child[0][0] : null;
      return typeof id === 'string' ? [id] : [];
    });
  } catch {
    return null;
  }
}
