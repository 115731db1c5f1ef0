/** What both reducers make of one stream. */
import { Comparison } from '../../src/domain/difference.ts';
import type { Entry } from './lives.ts';

export function compare(entries: readonly Entry[]): Comparison {
  const comparison = new Comparison();
  for (const [n, [event, local_received]] of entries.entries()) {
    comparison.add({ position: n + 1, cluster: 'c', local_received, event });
  }
  return comparison;
}
