/**
 * What a workflow took so long for: from its end back to its beginning, of what there was to wait for always what came last.
 * Events say who called whom, not what waited for what (as the body of a chord does for all tasks of its group): it is
 * concluded from times, and so may be mistaken where tasks that have nothing to do with each other follow closely. Pure.
 */
import type { TaskRow } from '../contract/history.ts';
import { READY_STATES } from '../domain/states.ts';

type Timed = Pick<TaskRow, 'task_id' | 'parent_id' | 'state' | 'sent' | 'received' | 'started' | 'timestamp'>;

/** When it was first called, as far as is known: of a task that was retried only the latest call is. */
export function beganAt({ sent, received, started }: Timed): number | null {
  const times = [sent, received, started].filter((time) => time !== null);
  return times.length === 0 ? null : Math.min(...times);
}

/** When it ended; null where it has not, or nobody knows. */
export function endedAt({ state, timestamp }: Timed): number | null {
  return READY_STATES.has(state) ? timestamp : null;
}

/** The ids on the critical path, in the order in which they ran. Empty where no task has a time. */
export function criticalPath(tasks: readonly Timed[]): readonly string[] {
  const byId = new Map(tasks.map((task) => [task.task_id, task]));
  const path: Timed[] = [];
  let next = lastOf(tasks);
  while (next && !path.includes(next)) {
    path.unshift(next);
    next = before(next, tasks, byId);
  }
  return path.map(({ task_id }) => task_id);
}

/** What the whole ends with: of what is under way the first called, else what ended last. */
function lastOf(tasks: readonly Timed[]): Timed | undefined {
  const underWay = tasks.filter((task) => beganAt(task) !== null && endedAt(task) === null);
  const first = most(underWay, (task) => -(beganAt(task) ?? 0));
  return first ?? most(tasks, (task) => endedAt(task) ?? Number.NEGATIVE_INFINITY);
}

/** What it waited for: who called it while still executing, else whatever had ended last when it was called. */
function before(task: Timed, tasks: readonly Timed[], byId: ReadonlyMap<string, Timed>): Timed | undefined {
  const begin = beganAt(task);
  const caller = task.parent_id === null ? undefined : byId.get(task.parent_id);
  if (begin === null) return caller;
  const ended = tasks.filter((each) => each !== task && (endedAt(each) ?? Number.POSITIVE_INFINITY) <= begin);
  if (caller && !ended.includes(caller)) return caller;
  return most(ended, (each) => endedAt(each) ?? 0);
}

function most(tasks: readonly Timed[], by: (task: Timed) => number): Timed | undefined {
  let found: Timed | undefined;
  for (const task of tasks) if (found === undefined || by(task) > by(found)) found = task;
  return found && Number.isFinite(by(found)) ? found : undefined;
}
