/** What is in memory, counted in one look: there may be a hundred thousand tasks. */
import { capturedBy } from '../domain/audit.ts';
import type { Seconds } from '../domain/event.ts';
import { livenessOf, orphanOf } from '../domain/liveness.ts';
import { labelOf, OTHER } from '../domain/series.ts';
import type { State } from '../domain/state.ts';
import { RECEIVED } from '../domain/states.ts';

export interface Census {
  readonly cluster: string;
  /** By state. */
  readonly tasks: ReadonlyMap<string, number>;
  readonly orphaned: number;
  /** Tasks that were received and wait in their worker, by worker and name; those with an ETA wait for that and are left out. */
  readonly prefetched: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** By status. */
  readonly workers: ReadonlyMap<string, number>;
  /** Share of the tasks begun by the present worker processes that were heard of; null where nothing can be judged. */
  readonly completeness: number | null;
}

/** States told apart: senders may invent any number of them. */
const MAX_STATES = 100;

export function censusOf(state: State, now: Seconds): Census {
  const tasks = new Map<string, number>();
  const prefetched = new Map<string, Map<string, number>>();
  let orphaned = 0;
  for (const task of state.tasks.values()) {
    const name = tasks.has(task.state) || tasks.size < MAX_STATES ? task.state : OTHER;
    raise(tasks, name);
    if (task.state === RECEIVED) {
      if (task.eta !== null) continue;
      const worker = task.worker ?? '';
      const ofWorker = prefetched.get(worker) ?? new Map<string, number>();
      prefetched.set(worker, ofWorker);
      raise(ofWorker, task.name ?? '');
    } else if (orphanOf(task, state, now)) orphaned += 1;
  }
  const workers = new Map([...['ONLINE', 'SUSPECT', 'OFFLINE'].map((status): [string, number] => [status, 0])]);
  let captured = 0;
  let begun = 0;
  for (const worker of state.workers.values()) {
    raise(workers, livenessOf(worker, state, now).status);
    if (!worker.incarnation) continue;
    const capture = capturedBy(worker.incarnation.audit);
    captured += capture.captured;
    begun += capture.captured + capture.lost;
  }
  return {
    cluster: state.cluster,
    tasks: new Map(Array.from(tasks, ([name, n]) => [labelOf(name), n])),
    orphaned,
    prefetched,
    workers,
    completeness: begun === 0 ? null : captured / begun,
  };
}

function raise(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
