/** Tasks as they are: by the few that a part of the filter leaves, or along the order. */
import type pg from 'pg';
import type { TaskRow } from '../contract/history.ts';
import { type Conjunct, EVERYTHING, indexed } from './filter-sql.ts';
import { type Key, keyOf, type Order } from './order.ts';
import { all, type Condition } from './parameters.ts';
import { PRESENT_ROW } from './task-rows.ts';
import { countUpTo, type Found, fetch, walk } from './walk.ts';

/** As few rows as are fetched whole and sorted. */
const FEW = 2000;

/** As many are counted. */
const COUNTED = 10_000;

const PRESENT = { table: 'task_states', columns: PRESENT_ROW, besides: 'since' } as const;

/** A list that is being answered. */
export interface Asked {
  readonly order: Order;
  readonly conjuncts: readonly Conjunct[];
  /** The filter whole. */
  readonly filter: Condition;
  /** Beyond which it goes on; null: the first page. */
  readonly from: Key | null;
  readonly limit: number;
  /** Of `performance.now()`. */
  readonly deadline: number;
}

/** What a list gave, and how many there are in all where that is known exactly. */
export interface Listed extends Found {
  readonly exactly: number | null;
}

export async function presentTasks(client: pg.Client, asked: Asked): Promise<Listed> {
  const { order, conjuncts, filter, from, limit } = asked;
  const few = await fewest(client, conjuncts);
  if (few !== null) {
    const source = { ...PRESENT, narrow: few, filter };
    const found = await fetch(client, source, order, from, limit + 1);
    const exactly = await countUpTo(client, 'task_states', all([few, filter]), FEW);
    return { ...cut(found, order, limit), exactly };
  }
  const source = { ...PRESENT, narrow: ordered(order, conjuncts), reach: null, filter };
  const found = await walk(client, source, order, from, null, limit, asked.deadline);
  if (conjuncts.length > 0) return { ...found, exactly: null };
  const counted = await countUpTo(client, 'task_states', EVERYTHING, COUNTED + 1);
  return { ...found, exactly: counted > COUNTED ? null : counted };
}

/** Rows of which there is one more where the list goes on. */
export function cut(found: readonly TaskRow[], order: Order, limit: number): Found {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  return { items, upTo: found.length > limit && last ? keyOf(order, last) : null };
}

/** The part of a filter that fewest rows of `task_states` satisfy; null where there is none that few do. */
export async function fewest(client: pg.Client, conjuncts: readonly Conjunct[]): Promise<Condition | null> {
  let best: { readonly condition: Condition; readonly count: number } | null = null;
  for (const conjunct of conjuncts) {
    const condition = indexed(conjunct);
    if (condition === null) continue;
    const count = await countUpTo(client, 'task_states', condition, FEW + 1);
    if (count <= FEW && (best === null || count < best.count)) best = { condition, count };
  }
  return best?.condition ?? null;
}

/** The parts of a filter that an index answers together with the order. */
export function ordered({ sort }: Order, conjuncts: readonly Conjunct[]): Condition {
  const beside = ['state', ...(sort === 'received' ? ['name', 'worker'] : sort === 'name' ? ['name'] : [])];
  const parts = conjuncts.flatMap((conjunct) => {
    if (conjunct.kind === 'number') return conjunct.field === sort ? [conjunct.sql] : [];
    if (conjunct.kind === 'other' || conjunct.texts.length > 1 || !beside.includes(conjunct.field)) return [];
    return indexed(conjunct) === null ? [] : [conjunct.sql];
  });
  return all(parts);
}
