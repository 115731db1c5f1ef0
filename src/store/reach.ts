/** Where along a time rows can lie that held at a snapshot: an index in the order of that time is read only there. */
import type { Seconds } from '../domain/event.ts';
import type { Parameters } from './parameters.ts';

export type TimeColumn = 'received' | 'started' | '"timestamp"';

/** What is known of the times of rows; those whose clocks are ahead left aside. */
export interface Reach {
  /** None is later. */
  readonly ceiling: Seconds;
  /** The snapshot at which versions that have ended are to have held; null where that says nothing of times. */
  readonly held: number | null;
}

/** Seconds to a row of `task_history_spans`: a power of two, so that nothing is rounded. */
const SPAN = 64;

/** The earliest and the latest time of interest, as SQL. @param after where a list goes on; null: where it begins */
export function timesWithin(
  { ceiling, held }: Reach,
  column: TimeColumn,
  descending: boolean,
  after: Seconds | null,
  p: Parameters,
): { readonly low: string; readonly high: string } {
  const latest = p.add(ceiling, 'float8');
  const earliest = `'-infinity'::float8`;
  if (held === null) return { low: earliest, high: latest };
  const from = after === null ? (descending ? latest : earliest) : p.add(after, 'float8');
  const [beyond, way] = descending ? ['<=', 'desc'] : ['>=', 'asc'];
  const span = `(select span from task_history_spans where sort = '${column.replaceAll('"', '')}' and until > ${held}
    and span ${beyond} floor(${from} / ${SPAN}) order by span ${way} limit 1)`;
  return descending
    ? { low: earliest, high: `least(${latest}, coalesce((${span} + 1) * ${SPAN}, '-infinity'))` }
    : { low: `coalesce(${span} * ${SPAN}, 'infinity')`, high: latest };
}
