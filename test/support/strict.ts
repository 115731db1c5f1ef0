/** A strict fold that is told things in few words, at times of the test's own. */
import type { Event } from '../../src/domain/event.ts';
import { type Clusters, createClusters, fold, type State, stateOf } from '../../src/domain/state.ts';
import type { Task } from '../../src/domain/task.ts';
import type { Worker } from '../../src/domain/worker.ts';

export class Strict {
  readonly clusters: Clusters = createClusters({ maxTasks: 1000, maxWorkers: 100 }, { fold: 'strict' });
  #clock = 0;

  get state(): State {
    return stateOf(this.clusters, 'c');
  }

  /** The worker of that name. */
  worker(hostname = 'w@h'): Worker {
    const worker = this.state.workers.get(hostname);
    if (!worker) throw new Error(`no worker ${hostname}`);
    return worker;
  }

  task(uuid = 'u'): Task {
    const task = this.state.tasks.get(uuid);
    if (!task) throw new Error(`no task ${uuid}`);
    return task;
  }

  /** An event of process 1 of `w@h`, sent and received at `at` with the next clock, unless the fields say otherwise. */
  tell(type: string, at: number, fields: Record<string, unknown> = {}, received = at): void {
    this.#clock++;
    const event = {
      type,
      hostname: 'w@h',
      pid: 1,
      clock: this.#clock,
      timestamp: at,
      utcoffset: 0,
      ...fields,
    } as Event;
    fold(this.clusters, { position: this.clusters.position + 1, cluster: 'c', local_received: received, event });
  }

  /** A heartbeat as a worker sends it by itself. */
  beat(at: number, fields: Record<string, unknown> = {}): void {
    this.tell('worker-heartbeat', at, { freq: 2, active: 0, processed: 0, ...fields });
  }

  /** An event of the task `u`. */
  tellTask(subject: string, at: number, fields: Record<string, unknown> = {}): void {
    this.tell(`task-${subject}`, at, { uuid: 'u', ...fields });
  }
}
