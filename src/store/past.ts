/**
 * Which tasks there were at a snapshot, and how they were. Their versions are in four places:
 * - `task_states`: what has not changed since;
 * - the history of tasks that had ended, and have expired since: many, found along the order;
 * - the history of tasks that were under way: few at any moment, found whole by how long the versions held;
 * - those of a clock that is ahead, which the first two cannot find where they look by time.
 */
import type pg from 'pg';
import type { AsOf, TaskRow } from '../contract/history.ts';
import type { Seconds } from '../domain/event.ts';
import { READY_STATES } from '../domain/states.ts';
import { rows } from './ask.ts';
import { type Conjunct, indexed } from './filter-sql.ts';
import { beyond, type Key, keyOf, type Order } from './order.ts';
import { all, type Condition, plain } from './parameters.ts';
import { type Asked, cut, fewest, type Listed, ordered } from './present.ts';
import type { Reach } from './reach.ts';
import { AHEAD } from './rows.ts';
import { type FoundTask, PAST_ROW, toTaskRow } from './task-rows.ts';
import { type Found, fetch, type Source, walk } from './walk.ts';

/** As the indexes of the migration `003_questions` have it, word for word. */
const ENDED = `state in ('SUCCESS', 'FAILURE', 'REVOKED')`;
const LENGTH_CLASS = 'floor(ln(until - since) / ln(2.0::float8))::integer';

export async function pastTasks(client: pg.Client, asked: Asked, asOf: AsOf): Promise<Listed> {
  const { order, conjuncts, limit } = asked;
  const { snapshot } = asOf;
  const stays = plain(`since <= ${snapshot}`);
  const held = plain(`since <= ${snapshot} and until > ${snapshot}`);
  const keyed = conjuncts.find((each) => each.kind === 'texts' && ['uuid', 'root'].includes(each.field));
  const key = keyed && indexed(keyed);
  if (key) return { ...cut(await pastOf(client, asked, key, snapshot), order, limit), exactly: null };
  // No time says anything of runtimes. Tasks of one name are in the order of a time.
  const clocks = order.sort === 'runtime' ? null : await clocksAt(client, snapshot);
  const reach = clocks && { ceiling: clocks.latest + AHEAD, held: null };
  const honest = clocks ? [plain('not ahead')] : [];

  const states = stateSets(conjuncts);
  const found: Found[] = [await unchanged(client, asked, [stays, ...honest], reach)];
  let last = found[0]?.upTo ?? null;
  if (states.ended) {
    const source: Source = {
      ...{ table: 'task_history', columns: PAST_ROW, besides: 'since, until, ahead' },
      reach: reach && { ...reach, held: snapshot },
      narrow: all([plain(ENDED), namedOnly(order, conjuncts)]),
      filter: all([held, ...honest, asked.filter]),
    };
    const ended = await walk(client, source, order, asked.from, last, limit, asked.deadline);
    found.push(ended);
    // It ends where the first did, or before, where the time was up or there were enough.
    last = ended.upTo;
  }
  const items = found.flatMap((each) => each.items);
  if (states.active !== 'none') {
    items.push(...(await underWay(client, asked, asOf, states.active, last, honest)));
  }
  if (clocks?.ahead) {
    for (const [table, condition] of [
      ['task_states', stays],
      ['task_history', held],
    ] as const) {
      const narrow = all([plain('ahead'), condition]);
      items.push(
        ...(await fetch(
          client,
          { table, columns: PAST_ROW, narrow, filter: asked.filter },
          order,
          asked.from,
          limit + 1,
        )),
      );
    }
  }
  const merged = await arranged(client, order, items, last, limit + 1);
  const page = cut(merged, order, limit);
  return { items: page.items, upTo: page.upTo ?? last, exactly: null };
}

/**
 * No snapshot up to this one was taken later than `latest`, to the millisecond, rounded up: clocks of several recorders may
 * differ. `ahead`: there are versions of clocks that are ahead of it.
 */
async function clocksAt(client: pg.Client, snapshot: number): Promise<{ latest: Seconds; ahead: boolean }> {
  const [found] = await rows<{ latest: Seconds; ahead: boolean }>(
    client,
    () => `select extract(epoch from max(taken_at))::float8 + 0.002 as latest,
        exists (select from task_states where ahead and since <= ${snapshot})
          or exists (select from task_history where ahead and since <= ${snapshot}) as ahead
      from snapshots where id between ${snapshot - 100} and ${snapshot}`,
  );
  return found ?? { latest: 0, ahead: true };
}

/** What is in `task_states` and has not changed since the snapshot. */
async function unchanged(
  client: pg.Client,
  { order, conjuncts, filter, from, limit, deadline }: Asked,
  conditions: readonly Condition[],
  reach: Reach | null,
): Promise<Found> {
  const asked = all([...conditions, filter]);
  const few = await fewest(client, conjuncts);
  if (few !== null) {
    const source = { table: 'task_states', columns: PAST_ROW, narrow: few, filter: asked } as const;
    return cut(await fetch(client, source, order, from, limit + 1), order, limit);
  }
  const narrow = ordered(order, conjuncts);
  const kept = { table: 'task_states', columns: PAST_ROW, besides: 'since, ahead' } as const;
  const source: Source = { ...kept, narrow, reach, filter: asked };
  // Half of the time is for what has expired since.
  return walk(client, source, order, from, null, limit, (performance.now() + deadline) / 2);
}

/** No index of the history is by worker or state. */
function namedOnly(order: Order, conjuncts: readonly Conjunct[]): Condition {
  return ordered(
    order,
    conjuncts.filter((each) => each.kind === 'number' || (each.kind === 'texts' && each.field === 'name')),
  );
}

/**
 * Versions of tasks that were under way: those of each length are sought where they can have begun. (`until + 0` keeps
 * Postgres from going by `until` alone: everything since.)
 */
async function underWay(
  client: pg.Client,
  { order, filter, from, limit }: Asked,
  { snapshot }: AsOf,
  states: readonly string[] | 'all',
  last: Key | null,
  honest: readonly Condition[],
): Promise<TaskRow[]> {
  const asked = all([filter, ...honest]);
  const after = from === null ? null : beyond(order, from);
  const notBeyond = last === null ? null : beyond(order, last);
  const found = await rows<FoundTask>(
    client,
    (p) => `with recursive ${ACTIVE_STATES}, sought as materialized (
        select wanted.state as sought, class, ${snapshot} - (2::bigint ^ (class + 1))::bigint as after
        from ${states === 'all' ? 'active' : `unnest(${p.add(states, 'text[]')})`} as wanted (state)
        cross join generate_series(0, ${longest(snapshot)}) as lengths (class)
      )
      select ${PAST_ROW.replaceAll(/(^|, )/g, '$1held.')} from sought cross join lateral (
        select * from task_history h where h.state = sought.sought and not (h.${ENDED}) and ${LENGTH_CLASS} = sought.class
          and h.since > sought.after and h.since <= ${snapshot} and h.until + 0 > ${snapshot} offset 0) as held
      where ${asked(p)} ${after ? `and (${after(p)})` : ''} ${notBeyond ? `and (${notBeyond(p)}) is not true` : ''}
      order by ${order.by} limit ${limit + 1}`,
  );
  return found.map(toTaskRow);
}

/** The class of the longest versions that there can be: far more snapshots than anybody takes. */
function longest(snapshot: number): number {
  return Math.ceil(Math.log2(snapshot + 1e9));
}

/** States in the history that are no ends, found one after the other along their index. */
const ACTIVE_STATES = `known (found) as (
    (select state from task_history where not (${ENDED}) order by state limit 1)
    union all
    select (select state from task_history where state > known.found and not (${ENDED}) order by state limit 1)
      from known where known.found is not null
  ), active as (select found from known where found is not null)`;

/** Which kinds of history a filter can find anything in. */
function stateSets(conjuncts: readonly Conjunct[]): { ended: boolean; active: readonly string[] | 'all' | 'none' } {
  const states = conjuncts.find((each) => each.kind === 'texts' && each.field === 'state');
  if (states?.kind !== 'texts') return { ended: true, active: 'all' };
  const active = states.texts.filter((state) => !READY_STATES.has(state));
  return { ended: active.length < states.texts.length, active: active.length > 0 ? active : 'none' };
}

/** The tasks of a condition on `task_id` or `root_id` as they were at a snapshot; one more than the limit where there are more. */
export async function pastOf(
  client: pg.Client,
  { order, filter, from, limit }: Pick<Asked, 'order' | 'filter' | 'from' | 'limit'>,
  key: Condition,
  snapshot: number,
): Promise<TaskRow[]> {
  const items: TaskRow[] = [];
  for (const [table, held] of [
    ['task_states', `since <= ${snapshot}`],
    ['task_history', `since <= ${snapshot} and until > ${snapshot}`],
  ] as const) {
    const source = { table, columns: PAST_ROW, narrow: key, filter: all([plain(held), filter]) };
    items.push(...(await fetch(client, source, order, from, limit + 1)));
  }
  return arranged(client, order, items, null, limit + 1);
}

/** Rows of several sources in one order, as Postgres sees it, up to and with `last`. */
async function arranged(
  client: pg.Client,
  order: Order,
  items: readonly TaskRow[],
  last: Key | null,
  limit: number,
): Promise<TaskRow[]> {
  if (items.length === 0) return [];
  const keys = items.map((row) => keyOf(order, row));
  const notBeyond = last === null ? null : beyond(order, last);
  const sorted = await rows<{ n: number }>(client, (p) => {
    const columns = order.columns.map((column, i) =>
      p.add(
        keys.map((key) => key[i] ?? null),
        /^(name|task_id|cluster)$/.test(column) ? 'text[]' : 'float8[]',
      ),
    );
    return `select n from unnest(${columns.join(', ')}) with ordinality as keys (${order.columns.join(', ')}, n)
      ${notBeyond ? `where (${notBeyond(p)}) is not true` : ''} order by ${order.by} limit ${limit}`;
  });
  return sorted.map(({ n }) => items[n - 1]).filter((row) => row !== undefined);
}
