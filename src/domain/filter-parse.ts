/** The text of a filter → the filter. */
import type { Seconds } from './event.ts';
import type { ParsedFilter } from './filter.ts';

/** @param now what relative times (`-15m`) are relative to, epoch seconds */
export function parseFilter(_text: string, _now: Seconds): ParsedFilter {
  throw new Error('to be written');
}
