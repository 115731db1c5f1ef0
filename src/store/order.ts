/** The orders in which tasks are listed, and where in them a list goes on. */
import type { TaskRow, TaskSort } from '../contract/history.ts';
import type { Condition, Parameters } from './parameters.ts';
import type { TimeColumn } from './reach.ts';

/** A place in an order: the values of its columns, of which `task_id` and `cluster` are always the last. */
export type Key = readonly (number | string | null)[];

/** A stretch of an order that one index holds in that order. */
export interface Segment {
  readonly where: Condition;
  /** Its rows have a value of what is sorted by. */
  readonly valued: boolean;
  /** The time by which it is ordered, known of all its rows, and where it begins; null where it is by something else. */
  readonly time: { readonly column: TimeColumn; readonly after: number | null } | null;
  /** All its rows are of this name; null where that is not known. */
  readonly name: string | null;
  readonly by: string;
}

/**
 * An order of tasks. Among tasks of one value `task_id` and `cluster` decide. By name: then by `received`, unknown ones being
 * the latest. Tasks without a value come last in both directions.
 */
export interface Order {
  readonly sort: TaskSort;
  readonly descending: boolean;
  /** Of the key. */
  readonly columns: readonly string[];
  /** Complete, for rows of whatever source. */
  readonly by: string;
}

export function orderOf(sort: TaskSort, descending: boolean): Order {
  const first = sort === 'timestamp' ? '"timestamp"' : sort;
  const columns = sort === 'name' ? ['name', 'received', 'task_id', 'cluster'] : [first, 'task_id', 'cluster'];
  const [value = '', ...rest] = columns;
  return {
    sort,
    descending,
    columns,
    by: [`${value} ${way(descending)} nulls last`, ...directed(rest, descending)].join(', '),
  };
}

/** Postgres' own order for that direction, in which an index is read forwards or backwards. */
function directed(columns: readonly string[], descending: boolean): string[] {
  return columns.map((column) => `${column} ${way(descending)}`);
}

function way(descending: boolean): string {
  return descending ? 'desc' : 'asc';
}

export function keyOf({ sort }: Order, row: TaskRow): Key {
  const { name, received, task_id, cluster } = row;
  return sort === 'name' ? [name, received, task_id, cluster] : [row[sort], task_id, cluster];
}

/** What comes in an order after a place; null: all of it. */
export function segments(order: Order, after: Key | null): readonly Segment[] {
  const { sort, descending, columns } = order;
  const [value = '', ...rest] = columns;
  const by = directed(columns, descending).join(', ');
  const beyond = descending ? '<' : '>';
  const time = (place: number | null): Segment['time'] => (isTime(value) ? { column: value, after: place } : null);
  // By the name, too: Postgres might look for those without one along the times.
  const unvalued = {
    valued: false,
    time: null,
    name: null,
    by: sort === 'name' ? by : directed(rest, descending).join(', '),
  };
  if (after === null) {
    return [
      { where: () => `${value} is not null`, valued: true, time: time(null), name: null, by },
      { where: () => `${value} is null`, ...unvalued },
    ];
  }
  const [at = null] = after;
  if (sort === 'name') {
    if (at === null)
      return group(order, after).map(({ where }) => ({ ...unvalued, where: (p) => `name is null and ${where(p)}` }));
    return [
      ...ofName(order, at as string, after),
      { where: (p) => `name ${beyond} ${p.add(at, 'text')}`, valued: true, time: null, name: null, by },
      { where: () => 'name is null', ...unvalued },
    ];
  }
  if (at === null) return [{ where: (p) => `${value} is null and ${identity(after, beyond, p)}`, ...unvalued }];
  return [
    {
      where: (p) => {
        const place = p.add(at, 'float8');
        return `${value} ${beyond}= ${place} and (${value} <> ${place} or ${identity(after, beyond, p)})`;
      },
      valued: true,
      time: time(at as number),
      name: null,
      by,
    },
    { where: () => `${value} is null`, ...unvalued },
  ];
}

function isTime(column: string): column is TimeColumn {
  return column === 'received' || column === 'started' || column === '"timestamp"';
}

/** Tasks of one name, sorted by name; those after a place, or all. */
export function ofName(order: Order, name: string, after: Key | null): readonly Segment[] {
  return group(order, after).map((segment) => ({
    ...segment,
    where: (p) => `name = ${p.add(name, 'text')} and ${segment.where(p)}`,
    valued: true,
    name,
  }));
}

/** Tasks of the same name: what comes after a place; null: all. */
function group({ descending }: Order, after: Key | null): readonly Omit<Segment, 'valued' | 'name'>[] {
  const beyond = descending ? '<' : '>';
  const known = directed(['received', 'task_id', 'cluster'], descending).join(', ');
  const unknown = directed(['task_id', 'cluster'], descending).join(', ');
  const allKnown = {
    where: () => 'received is not null',
    time: { column: 'received', after: null },
    by: known,
  } as const;
  const allUnknown = { where: () => 'received is null', time: null, by: unknown };
  if (after === null) return descending ? [allUnknown, allKnown] : [allKnown, allUnknown];
  const [, received = null] = after;
  if (received === null) {
    const rest = { ...allUnknown, where: (p: Parameters) => `received is null and ${identity(after, beyond, p)}` };
    return descending ? [rest, allKnown] : [rest];
  }
  const rest = {
    where: (p: Parameters) => {
      const place = p.add(received, 'float8');
      return `received ${beyond}= ${place} and (received <> ${place} or ${identity(after, beyond, p)})`;
    },
    time: { column: 'received', after: received as number } as const,
    by: known,
  };
  return descending ? [rest] : [rest, allUnknown];
}

function identity(after: Key, beyond: '<' | '>', parameters: Parameters): string {
  const [task, cluster] = after.slice(-2);
  return `(task_id, cluster) ${beyond} (${parameters.add(task, 'text')}, ${parameters.add(cluster, 'text')})`;
}

/** Beyond a place. */
export function beyond(order: Order, place: Key): Condition {
  const parts = segments(order, place);
  return (parameters) => parts.map(({ where }) => `(${where(parameters)})`).join(' or ');
}

/** The key of a cursor, if its values can be one. */
export function asKey({ sort }: Order, values: readonly unknown[]): Key | null {
  const task = values.at(-1);
  const text = (value: unknown): boolean => typeof value === 'string';
  const number = (value: unknown): boolean => value === null || (typeof value === 'number' && Number.isFinite(value));
  const [value, received] = values;
  const good =
    sort === 'name'
      ? values.length === 4 && (value === null || text(value)) && number(received)
      : values.length === 3 && number(value);
  return good && text(task) && text(values.at(-2)) ? (values as Key) : null;
}
