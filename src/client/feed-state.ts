/** What a client of the live feed holds: the tasks and workers of its subscription, as the messages so far tell. */
import type { Changes, FeedMessage, FeedSnapshot } from '../contract/feed.ts';
import type { TaskRecord, WorkerRecord } from '../contract/records.ts';

type Records = Pick<Changes | FeedSnapshot, 'tasks' | 'workers'>;

export class FeedState {
  /** By `keyOf(cluster, task_id)`. */
  readonly tasks: Map<string, TaskRecord> = new Map();
  /** By `keyOf(cluster, hostname)`. */
  readonly workers: Map<string, WorkerRecord> = new Map();
  /** True while it is what the server has: from `live` on, until the feed is behind or begins anew. */
  isLive = false;

  task(cluster: string, task_id: string): TaskRecord | undefined {
    return this.tasks.get(keyOf(cluster, task_id));
  }

  worker(cluster: string, hostname: string): WorkerRecord | undefined {
    return this.workers.get(keyOf(cluster, hostname));
  }

  /** Takes the next message of the feed. Records are replaced, never changed. */
  apply(message: FeedMessage): void {
    switch (message.type) {
      case 'changes':
        if (message.all_workers) this.workers.clear();
        this.#put(message);
        for (const { cluster, task_id } of message.gone.tasks) this.tasks.delete(keyOf(cluster, task_id));
        for (const { cluster, hostname } of message.gone.workers) this.workers.delete(keyOf(cluster, hostname));
        return;
      case 'snapshot':
        if (message.part === 0) this.#clear();
        this.#put(message);
        return;
      case 'reset':
        this.#clear();
        return;
      case 'live':
        this.isLive = true;
        return;
      case 'behind':
      case 'subscribed':
      case 'hello':
        this.isLive = false;
        return;
      case 'shutter':
      case 'missed':
      case 'error':
        return;
    }
  }

  #put({ tasks, workers }: Records): void {
    for (const task of tasks) this.tasks.set(keyOf(task.cluster, task.task_id), task);
    for (const worker of workers) this.workers.set(keyOf(worker.cluster, worker.hostname), worker);
  }

  #clear(): void {
    this.isLive = false;
    this.tasks.clear();
    this.workers.clear();
  }
}

/** The key of a record in the maps of a `FeedState`. @param id the `task_id` or `hostname` */
export function keyOf(cluster: string, id: string): string {
  return `${cluster}\0${id}`;
}
