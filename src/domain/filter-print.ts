/** The filter → its text. */
import type { Filter } from './filter.ts';

/** The canonical text: equal filters give equal texts, and `parseFilter` of it gives the filter again. */
export function printFilter(_filter: Filter): string {
  throw new Error('to be written');
}
