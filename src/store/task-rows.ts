/** Tasks in lists: the columns that are read, and what they become. */
import type { TaskRow } from '../contract/history.ts';

const NARROW = [
  ...['cluster', 'task_id', 'name', 'state', 'worker', '"timestamp"', 'sent', 'received', 'started', 'runtime'],
  ...['retries', 'root_id', 'parent_id'],
].join(', ');

/** Columns of `task_states`. */
export const PRESENT_ROW = `${NARROW}, args, kwargs, result, exception, orphaned_at, orphaned_reason`;

/** The same of either table, as far as the history keeps them. */
export const PAST_ROW = NARROW;

export type FoundTask = Omit<TaskRow, 'orphaned' | 'args' | 'kwargs' | 'result' | 'exception'> &
  Partial<Pick<TaskRow, 'args' | 'kwargs' | 'result' | 'exception'>> & {
    readonly orphaned_at?: number | null;
    readonly orphaned_reason?: 'goodbye' | 'lost' | 'replaced' | null;
  };

export function toTaskRow({ orphaned_at: at, orphaned_reason: reason, ...row }: FoundTask): TaskRow {
  const { args = null, kwargs = null, result = null, exception = null } = row;
  const orphaned = typeof at === 'number' && reason ? { at, reason } : null;
  return { ...row, args, kwargs, result, exception, orphaned };
}
