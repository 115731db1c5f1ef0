/** Takes pictures of the state: knows what changed, when to release the shutter, and what was not written yet. */
import { setImmediate } from 'node:timers/promises';
import type { Diagnostics } from '../diagnostics.ts';
import type { Event, Position, Seconds } from '../domain/event.ts';
import { executedBy, type Liveness, livenessOf, sameLiveness } from '../domain/liveness.ts';
import { dropWorker } from '../domain/memory.ts';
import { type Change, type Clusters, type State, stateOf } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';
import { reasonOf } from '../errors.ts';
import { backoff, createLock, isAbort, now, sleep } from '../runtime.ts';
import type { Expiry, Removed } from '../store/cleanup.ts';
import type { Picture } from '../store/picture.ts';
import type { Snapshots } from '../store/snapshots.ts';
import { type Bucket, createBucket } from './bucket.ts';
import { summarise } from './summary.ts';

export interface CameraOptions extends Expiry {
  /** Seconds between shutters. */
  readonly frequency: Seconds;
  /** Shutters per second at most; null: as `frequency` says. */
  readonly maxrate: number | null;
  /** Seconds between cleanups. */
  readonly cleanupFrequency: Seconds;
}

export interface CameraParts {
  readonly clusters: Clusters;
  readonly snapshots: Pick<Snapshots, 'begin' | 'save' | 'cleanup'>;
  readonly diagnostics: Diagnostics;
  /** Runs work while nothing is folded: whoever folds holds the same lock. */
  readonly lock: <T>(work: () => Promise<T> | T) => Promise<T>;
}

/** What changed in a cluster since the last picture. */
interface Exposed {
  /** By uuid, so that one that memory has dropped meanwhile is found. */
  readonly tasks: Map<string, Task>;
  readonly workers: Set<Worker>;
  /** What the heavy ones among the tasks weigh, or more. */
  weight: number;
}

type Livenesses = Map<Worker, Liveness>;

/** A picture with what it makes true once it is in the database. */
interface Captured {
  readonly picture: Picture;
  readonly livenesses: ReadonlyMap<State, Livenesses>;
  readonly names: ReadonlyMap<State, number>;
}

/** Records captured before the event loop has its turn: some milliseconds. Whoever waits for the lock waits for all of them. */
const SLICE = 5000;

/** Tasks that may wait for a picture. */
const MAX_WAITING = 50_000;

/** And what they may weigh: see `Weights`. */
const MAX_WEIGHT = 128_000_000;

/** django-celery's camera, with nothing lost: a shutter that fails or is refused is made up for by the next. */
export class Camera implements AsyncDisposable {
  readonly #options: CameraOptions;
  readonly #parts: CameraParts;
  readonly #bucket: Bucket;
  readonly #alone = createLock();
  #exposed = new Map<State, Exposed>();
  /** What is being written: not in the database yet, and not exposed any more. */
  #developing: ReadonlyMap<State, Exposed> = new Map();
  /** The liveness that each worker has in the database. */
  #livenesses: ReadonlyMap<State, Livenesses> = new Map();
  /** How many of `task_types`, which only grows, are in the database. */
  #names: ReadonlyMap<State, number> = new Map();
  #position: Position;

  constructor(options: CameraOptions, parts: CameraParts) {
    this.#options = options;
    this.#parts = parts;
    this.#bucket = createBucket(options.maxrate);
    this.#position = parts.clusters.position;
  }

  /** Notes what an event changed. Called for each event, so it does next to nothing. */
  expose(state: State, change: Change, event: Event): void {
    if (change === null) return;
    const exposed = this.#exposedOf(state);
    const { tasks, workers } = exposed;
    if (change.kind === 'worker') {
      workers.add(change);
      return;
    }
    tasks.set(change.uuid, change);
    exposed.weight += state.weights.of(change);
    // A task's event is a sign of life of its worker as well, …
    const { hostname, parent_id } = event;
    const worker = typeof hostname === 'string' ? state.workers.get(hostname) : undefined;
    if (worker) workers.add(worker);
    // … and one that names a parent may have made the task its child, also when it comes late.
    const parent = typeof parent_id === 'string' ? state.tasks.get(parent_id) : undefined;
    if (parent) tasks.set(parent.uuid, parent);
  }

  /** A task that is not in the database as it is: memory may have dropped it, but it must not be taken from there. */
  pending(state: State, uuid: string): Task | undefined {
    return this.#exposed.get(state)?.tasks.get(uuid) ?? this.#developing.get(state)?.tasks.get(uuid);
  }

  /**
   * Takes a picture of what changed and writes it; nothing changed, no picture. Never throws: on failure
   * `camera:failed` is emitted and everything is kept for the next one. Resolves to whether all is in the database.
   */
  async shutter(): Promise<boolean> {
    return this.#alone(() => this.#shutter());
  }

  /**
   * Takes pictures for as long as too many tasks wait for one. Memory may have dropped them, but the camera holds them
   * until they are written: whoever folds on while the database takes no pictures would fill the memory with them.
   * Throws only when the signal aborts.
   */
  async settle(signal: AbortSignal): Promise<void> {
    for (let n = 0; this.#isFull(); n += 1) {
      if (!(await this.shutter())) await sleep(backoff(n, 0.1, 5), signal);
    }
  }

  #isFull(): boolean {
    let waiting = 0;
    let weight = 0;
    for (const each of [...this.#exposed.values(), ...this.#developing.values()]) {
      waiting += each.tasks.size;
      weight += each.weight;
    }
    return waiting > MAX_WAITING || weight > MAX_WEIGHT;
  }

  /** Removes what has expired. Never throws; the next call goes on where this one stopped. */
  async cleanup(signal?: AbortSignal): Promise<void> {
    try {
      const removed = await this.#parts.snapshots.cleanup(this.#options, signal);
      await this.#parts.lock(() => this.#retire(removed.workers));
      this.#parts.diagnostics.emit('camera:cleanup', { ...removed, workers: removed.workers.length });
    } catch (error) {
      this.#parts.diagnostics.emit('camera:failed', { reason: `cleanup: ${reasonOf(error)}` });
    }
  }

  /** Drops from memory what the database has retired, unless it has come back since. */
  #retire(workers: Removed['workers']): void {
    for (const { cluster, hostname } of workers) {
      const state = stateOf(this.#parts.clusters, cluster);
      const worker = state.workers.get(hostname);
      if (!worker || livenessOf(worker, state, now()).status === 'ONLINE') continue;
      dropWorker(state, worker);
      this.#livenesses.get(state)?.delete(worker);
    }
  }

  /** Takes pictures until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const loops = [
      this.#every(this.#options.frequency, signal, async () => {
        if (this.#bucket.take(performance.now() / 1000)) await this.shutter();
      }),
      this.#every(this.#options.cleanupFrequency, signal, () => this.cleanup(signal)),
    ];
    await Promise.all(loops);
  }

  /** One last picture. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutter();
  }

  async #every(seconds: Seconds, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    let due = performance.now() / 1000;
    try {
      while (true) {
        // Work that took longer than the interval delays the next turn and is not made up for.
        due = Math.max(due + seconds, performance.now() / 1000);
        await sleep(due - performance.now() / 1000, signal);
        await work();
      }
    } catch (error) {
      if (!isAbort(error)) throw error;
    }
  }

  async #shutter(): Promise<boolean> {
    const { diagnostics, snapshots, lock } = this.#parts;
    const begun = performance.now();
    try {
      const captured = await lock(() => this.#capture());
      if (!captured) return true;
      const { picture, livenesses, names } = captured;
      const snapshot = await snapshots.save(picture);
      this.#position = picture.position;
      if (snapshot === null) {
        // Another recorder has written the tasks. Workers change with time alone, so they are looked at again.
        for (const exposed of this.#developing.values()) exposed.tasks.clear();
        this.#keep();
        return true;
      }
      this.#developing = new Map();
      this.#livenesses = livenesses;
      this.#names = names;
      const { position, tasks, workers } = picture;
      const seconds = (performance.now() - begun) / 1000;
      diagnostics.emit('camera:shutter', { snapshot, position, tasks, workers, seconds });
      return true;
    } catch (error) {
      this.#keep();
      diagnostics.emit('camera:failed', { reason: reasonOf(error) });
      return false;
    }
  }

  /** Makes what was not written exposed again; what changed since stays so. */
  #keep(): void {
    for (const [state, { tasks, workers, weight }] of this.#developing) {
      const since = this.#exposed.get(state);
      for (const [uuid, task] of since?.tasks ?? []) tasks.set(uuid, task);
      for (const worker of since?.workers ?? []) workers.add(worker);
      this.#exposed.set(state, { tasks, workers, weight: weight + (since?.weight ?? 0) });
    }
    this.#developing = new Map();
  }

  /** Copies what changed into a picture; null when nothing did. Holds the lock, but not the event loop. */
  async #capture(): Promise<Captured | null> {
    const { clusters, snapshots } = this.#parts;
    const states = [...clusters.byName.values()];
    const takenAt = now();
    const livenesses = new Map<State, Livenesses>();
    for (const state of states) livenesses.set(state, this.#exposeChanged(state, takenAt));
    if (this.#exposed.size === 0 && clusters.position === this.#position) return null;
    this.#developing = this.#exposed;
    this.#exposed = new Map();
    const picture = snapshots.begin(takenAt, clusters.position);
    for (const [state, { tasks, workers }] of this.#developing) {
      for (const worker of workers) picture.addWorker(state, worker, livenessOf(worker, state, takenAt));
      let n = 0;
      for (const task of tasks.values()) {
        picture.addTask(state, task);
        n += 1;
        if (n % SLICE === 0) await setImmediate();
      }
    }
    const names = new Map<State, number>();
    for (const state of states) {
      let n = 0;
      const known = this.#names.get(state) ?? 0;
      if (state.task_types.size > known) {
        for (const name of state.task_types) {
          if (n >= known) picture.addName(state, name);
          n += 1;
        }
      }
      names.set(state, state.task_types.size);
      picture.addSummary(state, { fold: clusters.fold, ...(await summarise(state, takenAt)) });
    }
    for (const series of clusters.tally?.series.values() ?? []) {
      if (series.touched > this.#position) picture.addSeries(series);
    }
    return { picture, livenesses, names };
  }

  /** Time alone changes what is to be thought of a worker, and of the tasks that it executes. Returns it as it is at `time`. */
  #exposeChanged(state: State, time: Seconds): Livenesses {
    const before = this.#livenesses.get(state);
    const after = new Map<Worker, Liveness>();
    const changed = new Set<string>();
    const look = (worker: Worker): void => {
      const liveness = livenessOf(worker, state, time);
      after.set(worker, liveness);
      const known = before?.get(worker);
      if (known && sameLiveness(known, liveness)) return;
      this.#exposedOf(state).workers.add(worker);
      changed.add(worker.hostname);
    };
    for (const worker of state.workers.values()) look(worker);
    // One that memory has dropped must not stay ONLINE in the database.
    for (const [worker, { status }] of before ?? []) if (status !== 'OFFLINE' && !after.has(worker)) look(worker);
    if (changed.size > 0) {
      for (const task of executedBy(state, changed)) this.#exposedOf(state).tasks.set(task.uuid, task);
    }
    return after;
  }

  #exposedOf(state: State): Exposed {
    let exposed = this.#exposed.get(state);
    if (!exposed) {
      exposed = { tasks: new Map(), workers: new Set(), weight: 0 };
      this.#exposed.set(state, exposed);
    }
    return exposed;
  }
}
