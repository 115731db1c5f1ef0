/** Where along a time rows can lie that held at a snapshot: an index in the order of that time is read only there. */
import type { Seconds } from '../domain/event.ts';
import type { Order } from './order.ts';
import { all, type Condition } from './parameters.ts';

export type TimeColumn = 'received' | 'started' | '"timestamp"';

/** What is known of the times of rows; those whose clocks are ahead left aside. */
export interface Reach {
  /** None is later. */
  readonly ceiling: Seconds;
  /** The snapshot at which versions that have ended are to have held; null where that says nothing of times. */
  readonly held: number | null;
}

/** Seconds of a row of `task_history_spans`: a power of two, so that nothing is rounded. */
const SPAN = 64;

/** @param place only what comes after it is wanted; null: everything */
export function within(
  { ceiling, held }: Reach,
  column: TimeColumn,
  { descending }: Pick<Order, 'descending'>,
  place: Seconds | null,
): Condition {
  const below: Condition = (p) => `${column} <= ${p.add(ceiling, 'float8')}`;
  if (held === null) return below;
  const sort = column.replaceAll('"', '');
  const [beyond, way] = descending ? ['<=', 'desc'] : ['>=', 'asc'];
  const from = place ?? (descending ? ceiling : null);
  const next: Condition = (p) => `(select span from task_history_spans where sort = '${sort}' and until > ${held}
    ${from === null ? '' : `and span ${beyond} floor(${p.add(from, 'float8')} / ${SPAN})`} order by span ${way} limit 1)`;
  const inNext: Condition = (p) =>
    descending ? `${column} < (${next(p)} + 1) * ${SPAN}` : `${column} >= ${next(p)} * ${SPAN}`;
  return all([below, inNext]);
}
