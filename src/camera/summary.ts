/** What a snapshot tells of a cluster as a whole: counters of its fold, tasks by state, workers by status. */
import { setImmediate } from 'node:timers/promises';
import type { Seconds } from '../domain/event.ts';
import { livenessOf } from '../domain/liveness.ts';
import type { State } from '../domain/state.ts';
import type { ClusterSummary } from '../store/picture.ts';

/** States of tasks counted one by one in a snapshot; senders may invent any number of them. */
const MAX_STATES = 100;
const OTHER_STATES = '…';

/** Holds up the event loop no longer than some milliseconds at a time. */
export async function summarise(state: State, time: Seconds): Promise<Omit<ClusterSummary, 'fold'>> {
  const tasks: Record<string, number> = Object.create(null);
  let known = 0;
  let n = 0;
  for (const task of state.tasks.values()) {
    let name = task.state;
    if (tasks[name] === undefined) {
      known += 1;
      if (known > MAX_STATES) name = OTHER_STATES;
    }
    tasks[name] = (tasks[name] ?? 0) + 1;
    n += 1;
    if (n % 50_000 === 0) await setImmediate();
  }
  const workers: Record<string, number> = Object.create(null);
  for (const worker of state.workers.values()) {
    const { status } = livenessOf(worker, state, time);
    workers[status] = (workers[status] ?? 0) + 1;
  }
  const { event_count, task_count, clock, evicted_active, last_received } = state;
  const hearing = { ...state.hearing, outages: state.hearing.outages.map((outage) => ({ ...outage })) };
  return { event_count, task_count, clock, evicted_active, last_received, hearing, tasks, workers };
}
