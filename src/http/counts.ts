/** What is counted for those who ask how things are. */
import type { CaptureRecord } from '../contract/api.ts';
import { capturedBy } from '../domain/audit.ts';
import type { State } from '../domain/state.ts';

/** How many of each. */
export type Counts = Readonly<Record<string, number>>;

export function sum(all: readonly Counts[]): Record<string, number> {
  const total = new Map<string, number>();
  for (const counts of all) {
    for (const [name, n] of Object.entries(counts)) total.set(name, (total.get(name) ?? 0) + n);
  }
  return Object.fromEntries(total);
}

/** How much of what workers began was heard of. */
export function captureOf(states: readonly State[]): CaptureRecord {
  let captured = 0;
  let lost = 0;
  for (const { workers } of states) {
    for (const { incarnation } of workers.values()) {
      if (!incarnation) continue;
      const of = capturedBy(incarnation.audit);
      captured += of.captured;
      lost += of.lost;
    }
  }
  return { captured, lost, completeness: captured + lost === 0 ? null : captured / (captured + lost) };
}
