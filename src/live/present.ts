/**
 * Records as they are now, as JSON: put together once, however many are told. And what time alone changes of them.
 */
import { feedText } from '../contract/feed-records.ts';
import { toTaskRecord, toWorkerRecord } from '../contract/records.ts';
import type { Seconds } from '../domain/event.ts';
import { doubtOf, isExecuting, livenessOf, type Orphaned, orphanOf } from '../domain/liveness.ts';
import type { Clusters, State } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';

/** A task that memory has dropped and that the database does not have as it is. */
export type Pending = (state: State, uuid: string) => Task | undefined;

export class Present {
  readonly #clusters: Clusters;
  readonly #clock: () => Seconds;
  readonly #pending: Pending;
  /** Of what has not changed since. */
  readonly #texts = new Map<Task | Worker, string>();
  /** Tasks that may be executing, and so may become orphaned or doubtful without an event of their own. */
  readonly #executing = new Map<Task, State>();
  /** The mark that was last told to all for each of them, or could be fetched. */
  #marks = new WeakMap<Task, string>();

  constructor(clusters: Clusters, clock: () => Seconds, pending: Pending) {
    this.#clusters = clusters;
    this.#clock = clock;
    this.#pending = pending;
  }

  /** A task as it is now; undefined where it is in the database alone, or nowhere. */
  find(cluster: string, uuid: string): Task | undefined {
    const state = this.#clusters.byName.get(cluster);
    return state && (state.tasks.get(uuid) ?? this.#pending(state, uuid));
  }

  /** Somebody looks on from now on, and may fetch what is so now. */
  begin(): void {
    const now = this.#clock();
    for (const state of this.#clusters.byName.values()) {
      for (const task of state.tasks.values()) {
        if (!isExecuting(task)) continue;
        this.#executing.set(task, state);
        this.#marks.set(task, markOf(orphanOf(task, state, now), doubtOf(task, state)));
      }
    }
  }

  /** Nobody looks on any more. */
  end(): void {
    this.#texts.clear();
    this.#executing.clear();
    this.#marks = new WeakMap();
  }

  /** A task has changed. */
  changed(state: State, task: Task): void {
    this.#texts.delete(task);
    if (isExecuting(task)) this.#executing.set(task, state);
  }

  /** A worker has changed, or its liveness. */
  changedWorker(worker: Worker): void {
    this.#texts.delete(worker);
  }

  /** Texts are kept for no longer than from one call to the next. */
  forgetTexts(): void {
    this.#texts.clear();
  }

  taskText(state: State, task: Task): string {
    let text = this.#texts.get(task);
    if (text === undefined) {
      const record = toTaskRecord(state, task, this.#clock());
      text = feedText(record);
      // Only some may be told now: at the next look all are.
      if (markOf(record.orphaned, record.doubt) !== (this.#marks.get(task) ?? '')) this.#marks.set(task, UNEVEN);
      this.#texts.set(task, text);
    }
    return text;
  }

  workerText(state: State, worker: Worker): string {
    let text = this.#texts.get(worker);
    if (text === undefined) {
      text = feedText(toWorkerRecord(state, worker, livenessOf(worker, state, this.#clock())));
      this.#texts.set(worker, text);
    }
    return text;
  }

  /** All workers. @param cluster those of this one only */
  workerTexts(cluster: string | null): string[] {
    return Array.from(this.#clusters.byName.values()).flatMap((state) =>
      cluster !== null && state.cluster !== cluster
        ? []
        : Array.from(state.workers.values(), (worker) => this.workerText(state, worker)),
    );
  }

  /** The tasks that are being executed, as far as they are in memory. */
  *executing(): Generator<readonly [Task, State], void, undefined> {
    for (const [task, state] of this.#executing) {
      if (isExecuting(task) && state.tasks.get(task.uuid) === task) yield [task, state];
      else this.#executing.delete(task);
    }
  }

  /** Those of them that time, or their worker, has made orphaned or doubtful since, or not so any more: to be told to all. */
  remarked(): (readonly [Task, State])[] {
    const now = this.#clock();
    const found: (readonly [Task, State])[] = [];
    for (const each of this.executing()) {
      const [task, state] = each;
      const mark = markOf(orphanOf(task, state, now), doubtOf(task, state));
      if (mark === (this.#marks.get(task) ?? '')) continue;
      this.#marks.set(task, mark);
      this.#texts.delete(task);
      found.push(each);
    }
    return found;
  }
}

/** The mark of a task of which some clients know another than others. */
const UNEVEN = 'uneven';

function markOf(orphaned: Orphaned | null, doubt: string | null): string {
  return orphaned || doubt ? JSON.stringify([orphaned, doubt]) : '';
}
