/** Filters by single query parameters: `?state=FAILURE&name=proj.*&received_from=-1h`. */
import type { Seconds } from './event.ts';
import type { Filter, FilterError } from './filter.ts';

/** One query parameter that filters. */
export interface FilterParam {
  readonly name: string;
  /** A few words without a full stop. */
  readonly means: string;
  /** A value that is right. */
  readonly example: string;
}

/**
 * `q`, which holds a whole filter; each text field and `runtime`, `retries` by their names; `…_from` (at least) and `…_to`
 * (at most) for each number and time.
 */
export const FILTER_PARAMS: readonly FilterParam[] = [];

/** `param` names the parameter that was wrong; `at` is a place in its value. */
export type ParsedParams =
  | { readonly ok: true; readonly filter: Filter | null }
  | (FilterError & { readonly param: string });

/**
 * Values of the same text field or number: any of them; else all hold. A name that is none of `FILTER_PARAMS` is an error,
 * so take the others out before.
 */
export function filterFromParams(_params: Iterable<readonly [string, string]>, _now: Seconds): ParsedParams {
  throw new Error('to be written');
}
