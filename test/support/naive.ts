/** Lists made the long way, to compare with: every row in memory, filtered and sorted as the words say. */
import fc from 'fast-check';
import type { TaskRow, TaskSort } from '../../src/contract/history.ts';
import type { Filter, Pattern, TextField } from '../../src/domain/filter.ts';

type TextColumn =
  | 'state'
  | 'name'
  | 'worker'
  | 'task_id'
  | 'root_id'
  | 'parent_id'
  | 'cluster'
  | 'args'
  | 'kwargs'
  | 'result'
  | 'exception';

const COLUMNS: Readonly<Record<TextField, TextColumn>> = {
  ...{ state: 'state', name: 'name', worker: 'worker', uuid: 'task_id', root: 'root_id', parent: 'parent_id' },
  ...{ cluster: 'cluster', args: 'args', kwargs: 'kwargs', result: 'result', exception: 'exception' },
};

export function matchesNaively(filter: Filter | null, row: TaskRow): boolean {
  if (filter === null) return true;
  switch (filter.kind) {
    case 'and':
      return filter.of.every((part) => matchesNaively(part, row));
    case 'or':
      return filter.of.some((part) => matchesNaively(part, row));
    case 'not':
      return !matchesNaively(filter.of, row);
    case 'text': {
      const value = row[COLUMNS[filter.field]];
      const contained = ['args', 'kwargs', 'result', 'exception'].includes(filter.field);
      return value !== null && fits(value, filter.pattern.parts, contained);
    }
    case 'word':
      return [row.name, row.task_id, row.worker, row.args, row.kwargs, row.result, row.exception].some(
        (value) => value !== null && fits(value, filter.pattern.parts, true),
      );
    case 'number': {
      const value = row[filter.field];
      if (value === null) return false;
      const { op, value: other } = filter;
      return {
        '<': value < other,
        '<=': value <= other,
        '>': value > other,
        '>=': value >= other,
        '=': value === other,
      }[op];
    }
  }
}

function fits(value: string, parts: readonly string[], contained: boolean): boolean {
  const middle = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('.*');
  return new RegExp(contained ? middle : `^${middle}$`, 's').test(value);
}

/** By value, unknown last; then by `received` for names, unknown as the latest; then by id and cluster. */
export function sortNaively(rows: readonly TaskRow[], sort: TaskSort, descending: boolean): TaskRow[] {
  const way = descending ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [x, y] = [a[sort], b[sort]];
    if (x === null || y === null) {
      if (x !== y) return x === null ? 1 : -1;
    } else if (x !== y) return (typeof x === 'string' ? byCodePoint(x, y as string) : x - (y as number)) * way;
    const late = sort === 'name' ? (a.received ?? Infinity) - (b.received ?? Infinity) || 0 : 0;
    return (late || byCodePoint(a.task_id, b.task_id) || byCodePoint(a.cluster, b.cluster)) * way;
  });
}

function byCodePoint(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const NAMES = ['proj.add', 'proj.mul', 'a%b', 'a\\b_c', 'ünï'];
const STATES = ['PENDING', 'RECEIVED', 'STARTED', 'SUCCESS', 'FAILURE', 'RETRY', 'PROGRESS'];
const IDS = Array.from({ length: 12 }, (_, n) => `uuid-${n}`);
const TIMES = [0, 1, 1.5, 2, 1.79e9, 1.8e9, 1.8e9 + 1e-6, -5];

const maybe = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 3 });
const time = maybe(fc.constantFrom(...TIMES));
const words = maybe(fc.constantFrom('(1, 2)', 'it’s 100%', 'a_b', '\\', ''));

/** Rows of `task_states` with many values alike. */
export const taskRows: fc.Arbitrary<TaskRow[]> = fc.uniqueArray(
  fc.record({
    cluster: fc.constantFrom('default', 'eu'),
    task_id: fc.constantFrom(...IDS),
    name: maybe(fc.constantFrom(...NAMES)),
    state: fc.constantFrom(...STATES),
    worker: maybe(fc.constantFrom('celery@a', 'celery@b')),
    ...{ timestamp: time, sent: time, received: time, started: time, runtime: time },
    retries: maybe(fc.nat(3)),
    root_id: maybe(fc.constantFrom(...IDS)),
    parent_id: maybe(fc.constantFrom(...IDS)),
    ...{ args: words, kwargs: words, result: words, exception: words },
    orphaned: fc.constant(null),
  }),
  { selector: ({ cluster, task_id }) => `${cluster} ${task_id}`, maxLength: 24 },
);

const texts = {
  ...{ state: STATES, name: NAMES, worker: ['celery@a', 'nobody'], uuid: IDS, root: IDS, parent: IDS, cluster: ['eu'] },
};
const lost = { args: ['1', '%'], kwargs: ['a_b', '_'], result: ['\\'], exception: [''] };

const pattern = (values: readonly string[]): fc.Arbitrary<Pattern> =>
  fc.constantFrom(...values).chain((value) =>
    fc.oneof<fc.MaybeWeightedArbitrary<Pattern>[]>(
      { weight: 3, arbitrary: fc.constant({ parts: [value] }) },
      fc.nat(value.length).map((n) => ({ parts: [value.slice(0, n), ''] })),
      fc.nat(value.length).map((n) => ({ parts: ['', value.slice(n)] })),
    ),
  );

const term = (fields: Readonly<Record<string, readonly string[]>>): fc.Arbitrary<Filter> =>
  fc
    .constantFrom(...Object.entries(fields))
    .chain(([field, values]) => pattern(values).map((found) => ({ kind: 'text', field, pattern: found }) as Filter));

const number: fc.Arbitrary<Filter> = fc.record({
  kind: fc.constant('number'),
  field: fc.constantFrom('runtime', 'retries', 'sent', 'received', 'started', 'timestamp'),
  op: fc.constantFrom('<', '<=', '>', '>=', '='),
  value: fc.constantFrom(...TIMES),
});

const word: fc.Arbitrary<Filter> = pattern(['proj', 'uuid-1', '100%', '2']).map((found) => ({
  kind: 'word',
  pattern: found,
}));

function filters(leaf: fc.Arbitrary<Filter>): fc.Arbitrary<Filter | null> {
  const { tree } = fc.letrec<{ tree: Filter }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      leaf,
      fc.record({ kind: fc.constant('not'), of: tie('tree') }) as fc.Arbitrary<Filter>,
      fc.record({
        kind: fc.constantFrom('and', 'or'),
        of: fc.array(tie('tree'), { minLength: 2, maxLength: 3 }),
      }) as fc.Arbitrary<Filter>,
    ),
  }));
  return fc.option(tree, { freq: 5 });
}

/** What may be asked of the present, and of the past, which keeps less. */
export const presentFilter: fc.Arbitrary<Filter | null> = filters(fc.oneof(term(texts), term(lost), number, word));
export const pastFilter: fc.Arbitrary<Filter | null> = filters(fc.oneof(term(texts), number));
