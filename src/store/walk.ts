/** Ways to the rows of a list: along an index in the list's order, or by a condition that few rows satisfy. */
import type pg from 'pg';
import type { TaskRow } from '../contract/history.ts';
import { rows } from './ask.ts';
import { beyond, type Key, keyOf, type Order, ofName, type Segment, segments } from './order.ts';
import { all, type Condition, plain } from './parameters.ts';
import { type Reach, timesWithin } from './reach.ts';
import { type FoundTask, toTaskRow } from './task-rows.ts';

/** Where rows come from. */
export interface Source {
  readonly table: 'task_states' | 'task_history';
  /** What is read of a row that is found. */
  readonly columns: string;
  /** And what else is asked for in conditions. */
  readonly besides: string;
  /** What an index answers together with the order: rows that do not satisfy it cost nothing. */
  readonly narrow: Condition;
  /** Where along a time rows can be; null: anywhere. */
  readonly reach: Reach | null;
  /** What is asked of each row that is looked at. */
  readonly filter: Condition;
}

/** Rows in order, and how far they are complete: null to the end, else up to and with that place. */
export interface Found {
  readonly items: readonly TaskRow[];
  readonly upTo: Key | null;
}

/** Rows that one statement looks at, at most, after the first: some milliseconds, unless each has to be read from the disk. */
const STEP = 500;

/**
 * Walks along the order until enough rows are found, nothing is left, or `deadline` (of `performance.now()`) has passed: what
 * is asked for may be a few among millions. At least one step is made. Versions of one task may stand at one place of the order:
 * they are looked at together (`with ties`), since the next step begins beyond it.
 * @param last the place up to and with which rows are wanted; null: to the end
 */
export async function walk(
  client: pg.Client,
  source: Source,
  order: Order,
  from: Key | null,
  last: Key | null,
  limit: number,
  deadline: number,
): Promise<Found> {
  const items: TaskRow[] = [];
  const asked = last === null ? source : { ...source, narrow: all([source.narrow, upTo(order, last)]) };
  const isOver: Condition = last === null ? plain('false') : beyond(order, last);
  let place = from;
  // Enough where most rows match. By runtime each row lies somewhere else, and may take a hundred times as long where it has
  // to be read from the disk: a few show how many there is time for.
  let step = order.sort === 'runtime' ? Math.ceil(limit / 4) : limit + Math.ceil(limit / 4);
  for (let isMore = true; isMore; ) {
    const begun = performance.now();
    isMore = false;
    for await (const { where, valued, time, name, by } of stretches(client, asked, order, place)) {
      if (!valued && last !== null && last[0] !== null) continue;
      const end = time && name !== null && last?.[0] === name ? upToTime(order, time.column, last) : null;
      const near = all([
        where,
        asked.narrow,
        ...(source.reach && time ? [within(source.reach, time, order)] : []),
        ...(end ? [end] : []),
      ]);
      const found = await rows<FoundTask & { n: number; fits: boolean | null; over: boolean | null }>(
        client,
        (p) => `with near as materialized (
            select ${source.columns}, ${source.besides}, row_number() over (order by ${by}) as n from ${source.table}
            where ${near(p)} order by ${by} fetch first ${step} rows with ties
          ), looked_at as (select near.*, (${source.filter(p)}) as fits, (${isOver(p)}) as over from near)
          select ${source.columns}, n, fits, over from looked_at
          where (fits and over is not true) or n = (select max(n) from near) order by n limit ${limit - items.length + 1}`,
      );
      for (const { n: _, fits, over, ...row } of found)
        if (fits && over !== true && items.length < limit) items.push(toTaskRow(row));
      const latest = items.at(-1);
      if (items.length >= limit && latest) return { items, upTo: keyOf(order, latest) };
      const furthest = found.at(-1);
      if (furthest?.over === true || (!furthest && end)) return { items, upTo: last };
      if (!furthest) continue;
      place = keyOf(order, toTaskRow(furthest));
      const ended = performance.now();
      if (ended >= deadline) return { items, upTo: place };
      isMore = furthest.n >= step;
      if (isMore) {
        step = Math.min(STEP, 2 * step, Math.ceil((step * (deadline - ended)) / (ended - begun)));
        break;
      }
      if (end) return { items, upTo: last };
    }
  }
  return { items, upTo: last };
}

function within(reach: Reach, { column, after }: NonNullable<Segment['time']>, { descending }: Order): Condition {
  return (p) => {
    const { low, high } = timesWithin(reach, column, descending, after, p);
    return `${column} >= ${low} and ${column} <= ${high}`;
  };
}

/** What comes after a place. By name where rows are wanted of a part of the time only: each name has that part. */
async function* stretches(
  client: pg.Client,
  source: Source,
  order: Order,
  place: Key | null,
): AsyncGenerator<Segment, void, undefined> {
  const [at = null] = place ?? [];
  const unnamed = place !== null && at === null;
  if (order.sort !== 'name' || source.reach === null || unnamed) {
    yield* segments(order, place);
    return;
  }
  if (at !== null) yield* ofName(order, at as string, place);
  for (let name = await nextName(client, source, source.reach, order, at); name !== null; ) {
    yield* ofName(order, name, null);
    name = await nextName(client, source, source.reach, order, name);
  }
  yield* segments(order, null).filter(({ valued }) => !valued);
}

/** The next name of which there are rows within reach, found one after the other along the index. */
async function nextName(
  client: pg.Client,
  { table, narrow }: Source,
  reach: Reach,
  { descending }: Order,
  after: Key[0] | null,
): Promise<string | null> {
  const [beyond, way] = descending ? ['<', 'desc'] : ['>', 'asc'];
  const [found] = await rows<{ name: string }>(client, (p) => {
    const next = (where: string): string =>
      `(select name from ${table} where ${narrow(p)} and ${where} order by name ${way} limit 1)`;
    const { low, high } = timesWithin(reach, 'received', descending, null, p);
    const ofNext = `from ${table} where ${narrow(p)} and name = names.next`;
    // Not whether one is between them, for which Postgres might look along the times: the nearest to one, held against the other.
    const [from, to] = descending ? [high, low] : [low, high];
    const nearest = `(select received ${ofNext} and received ${beyond}= ${from} order by received ${way} limit 1)`;
    const known = `${to} ${beyond}= ${nearest}`;
    return `with recursive names (next) as (
        ${next(after === null ? 'name is not null' : `name ${beyond} ${p.add(after, 'text')}`)}
        union all select ${next(`name ${beyond} names.next`)} from names where next is not null)
      select next as name from names where next is not null
        and (${known} or exists (select ${ofNext} and received is null)) limit 1`;
  });
  return found?.name ?? null;
}

/** All rows of a condition that few satisfy, in order. */
export async function fetch(
  client: pg.Client,
  source: Pick<Source, 'table' | 'columns' | 'narrow' | 'filter'>,
  order: Order,
  from: Key | null,
  limit: number,
): Promise<TaskRow[]> {
  const after = from === null ? null : beyond(order, from);
  const found = await rows<FoundTask>(
    client,
    // Without its `offset`, the condition would be one of many for Postgres, which might go along the order.
    (p) => `select ${source.columns} from (select * from ${source.table} where ${source.narrow(p)} offset 0) as few
      where (${source.filter(p)}) ${after ? `and (${after(p)})` : ''} order by ${order.by} limit ${limit}`,
  );
  return found.map(toTaskRow);
}

/** How many rows satisfy a condition of an index, counted up to a limit. */
export async function countUpTo(
  client: pg.Client,
  table: string,
  condition: Condition,
  limit: number,
): Promise<number> {
  const [counted] = await rows<{ count: number }>(
    client,
    (p) => `select count(*) from (select 1 from ${table} where ${condition(p)} limit ${limit}) as counted`,
  );
  return counted?.count ?? 0;
}

/** Not beyond a place as far as an index can tell, which goes by the value: of the same value there may be any number. */
function upTo({ descending, columns }: Order, [value = null]: Key): Condition {
  if (value === null) return plain('true');
  const type = typeof value === 'number' ? 'float8' : 'text';
  return (p) => `${columns[0]} ${descending ? '>=' : '<='} ${p.add(value, type)}`;
}

/** The same among tasks of the name of that place, which are in the order of a time. */
function upToTime({ descending }: Order, column: string, [, value = null]: Key): Condition | null {
  if (value === null) return null;
  return (p) => `${column} ${descending ? '>=' : '<='} ${p.add(value, 'float8')}`;
}
