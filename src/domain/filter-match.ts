/** A filter asked of a task. */
import type { Filter, Filterable } from './filter.ts';

/** Whether a task, of the named cluster, is meant. */
export type Matches = (task: Filterable, cluster: string) => boolean;

/** @returns a function to be kept and asked of many tasks; null means every task */
export function compileFilter(_filter: Filter | null): Matches {
  throw new Error('to be written');
}
