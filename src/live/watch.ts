/** The workers that clients know, and what of them is to be told: also what time alone has changed. */
import type { Changes } from '../contract/feed.ts';
import type { Seconds } from '../domain/event.ts';
import { type Liveness, livenessOf, sameLiveness } from '../domain/liveness.ts';
import type { Clusters, State } from '../domain/state.ts';
import type { Worker } from '../domain/worker.ts';
import type { Present } from './present.ts';

export class Watch {
  readonly #clusters: Clusters;
  readonly #clock: () => Seconds;
  readonly #present: Present;
  /** To be told. */
  #changed = new Map<Worker, State>();
  /** Those of which nothing but events of their tasks were heard: to be told with the next tick. */
  readonly #signs = new Map<Worker, State>();
  /** What clients know or may fetch, and as what. */
  readonly #known = new Map<Worker, { readonly state: State; readonly liveness: Liveness }>();

  constructor(clusters: Clusters, clock: () => Seconds, present: Present) {
    this.#clusters = clusters;
    this.#clock = clock;
    this.#present = present;
  }

  /** Somebody looks on from now on, and may fetch what is so now. */
  begin(): void {
    const now = this.#clock();
    for (const [worker, state] of this.#all())
      this.#known.set(worker, { state, liveness: livenessOf(worker, state, now) });
  }

  /** Nobody looks on any more. */
  end(): void {
    for (const each of [this.#changed, this.#signs, this.#known]) each.clear();
  }

  /** An event of the worker itself has changed it. */
  changed(worker: Worker, state: State): void {
    this.#changed.set(worker, state);
    this.#present.changedWorker(worker);
  }

  /** It was heard of by an event of a task. */
  sign(worker: Worker, state: State): void {
    this.#signs.set(worker, state);
    this.#present.changedWorker(worker);
  }

  /** Looks at the liveness of those that have changed. True where it is another one, so that their tasks may be, too. */
  look(): boolean {
    return this.#look(this.#changed);
  }

  /** Looks at everybody, at every tick. */
  lookAtAll(): void {
    for (const [worker, state] of this.#signs) this.#changed.set(worker, state);
    this.#signs.clear();
    this.#look(this.#all());
  }

  /** Those to be told, once. */
  take(): ReadonlyMap<Worker, State> {
    const changed = this.#changed;
    this.#changed = new Map();
    return changed;
  }

  /** Those that memory has dropped since this was last asked. */
  dropped(): Changes['gone']['workers'] {
    const gone: Changes['gone']['workers'] = [];
    for (const [worker, { state }] of this.#known) {
      const { hostname } = worker;
      if (state.workers.get(hostname) === worker) continue;
      this.#known.delete(worker);
      this.#changed.delete(worker);
      this.#signs.delete(worker);
      if (!state.workers.has(hostname)) gone.push({ cluster: state.cluster, hostname });
    }
    return gone;
  }

  #look(workers: Iterable<readonly [Worker, State]>): boolean {
    const now = this.#clock();
    let isOther = false;
    for (const [worker, state] of [...workers]) {
      const before = this.#known.get(worker)?.liveness;
      const liveness = livenessOf(worker, state, now);
      if (before && sameLiveness(before, liveness)) continue;
      isOther = true;
      this.#known.set(worker, { state, liveness });
      this.changed(worker, state);
    }
    return isOther;
  }

  *#all(): Generator<readonly [Worker, State], void, undefined> {
    for (const state of this.#clusters.byName.values()) {
      for (const worker of state.workers.values()) yield [worker, state];
    }
  }
}
