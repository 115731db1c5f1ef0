/**
 * Brings a client up to date: one that comes with a cursor, one that begins with a snapshot, and one that read too slowly.
 * All that it keeps of a client is a position. Which records were touched since is known from the trail in memory or, where
 * that does not reach back, from the journal; what they are now from memory or, where they were dropped, from the database.
 */
import { setImmediate } from 'node:timers/promises';
import { type FeedReset, RESET_REASONS } from '../contract/feed.ts';
import type { Position } from '../domain/event.ts';
import { type State, stateOf } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import { MonitorError } from '../errors.ts';
import type { Journal } from '../journal/journal.ts';
import { backoff, isAbort, sleep } from '../runtime.ts';
import type { Snapshots } from '../store/snapshots.ts';
import { changesFrame, frameOf, snapshotFrame } from './frame.ts';
import { eventTexts, Held, MAX_HELD } from './group.ts';
import type { Present } from './present.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';
import { idOf, SLICE, type Traces, type Window, windowAfter } from './touched.ts';

export interface CatchUpParts extends Traces {
  readonly present: Present;
  readonly journal: Pick<Journal, 'read' | 'head'>;
  readonly snapshots: Pick<Snapshots, 'loadTasks'>;
  readonly epoch: string;
  /** Events since a cursor; more are not gone through. */
  readonly maxEvents: number;
  /** Tells the clients that are up to date everything, and returns the position. */
  readonly flush: () => Position;
  /** Resolves when that position is reached. */
  readonly reached: (position: Position, signal: AbortSignal) => Promise<void>;
  /** Lets it hear of changes as they happen. */
  readonly join: (session: Session) => void;
  /** Takes an error that nobody expected. */
  readonly failed: (error: unknown) => void;
}

/** Tasks to a snapshot; the newest. */
const MAX_SNAPSHOT = 10_000;

/** How many are served at a time. Who waits for its client to read keeps nobody waiting. */
const AT_ONCE = 4;

/** Tasks that are remembered to have been sent already in one catch-up. */
const MAX_SENT = 200_000;

export class CatchUp {
  readonly #parts: CatchUpParts;
  readonly #stop = new AbortController();
  #free = AT_ONCE;
  readonly #queue: (() => void)[] = [];

  constructor(parts: CatchUpParts) {
    this.#parts = parts;
  }

  /** Ends what is under way. */
  stop(): void {
    this.#stop.abort();
  }

  /** Starts to bring a client up to date, from its cursor, a snapshot or its position, and lets it join then. Never throws. */
  start(session: Session, subscription: Subscription, from: 'subscription' | 'position'): void {
    const task = {};
    session.task = task;
    const work = async (): Promise<void> => {
      const run: Run = { session, subscription, isOver: () => session.task !== task, sent: new Map() };
      if (from === 'subscription') await this.#begin(run);
      while (!run.isOver()) {
        // Nothing is put together for a client that has not taken what it has.
        await session.sink.drained();
        const reason = await this.#alone(run, () => this.#step(run));
        if (reason) await this.#reset(run, reason);
      }
    };
    work().catch((error: unknown) => {
      if (isAbort(error)) return;
      this.#parts.failed(error);
      void session.sink.close(1011, 'celerycam failed to put together what changed; its log says why');
    });
  }

  /** Settles where it goes on from, and sends a snapshot where that is asked for. */
  async #begin(run: Run): Promise<void> {
    const { session, subscription } = run;
    const { flush, epoch, journal, reached } = this.#parts;
    const { after } = subscription;
    if (after === null) return this.#snapshot(run);
    if (after.epoch !== epoch) return this.#reset(run, 'epoch');
    if (after.position > flush()) {
      // Another recorder on the same database may have told of what this one has not folded yet.
      const head = await this.#alone(run, () => journal.head());
      if (after.position > (head ?? 0)) return this.#reset(run, 'future');
      await reached(after.position, this.#stop.signal);
    }
    session.position = after.position;
  }

  /** Sends what changed next, and lets it join when that was all; why that cannot be told. */
  async #step(run: Run): Promise<FeedReset['reason'] | undefined> {
    const { session, subscription } = run;
    const { flush, present, join, clusters, maxEvents } = this.#parts;
    const after = session.position;
    const upTo = flush();
    if (upTo - after > maxEvents) return 'too-much';
    const window = await windowAfter(this.#parts, after, upTo, subscription.topics.has('events'));
    if (typeof window === 'string') return window;
    const loaded = await this.#load(window, run);
    if (run.isOver()) return undefined;
    // From here on nothing is waited for, so that the records and the position belong together.
    const isLast = flush() === window.upTo;
    const { topics, matches, told } = subscription;
    const find = (cluster: string, uuid: string): Task | undefined =>
      present.find(cluster, uuid) ?? loaded.get(idOf({ cluster, uuid }));
    const tasks: string[] = [];
    const gone: { cluster: string; task_id: string }[] = [];
    const offer = (state: State, uuid: string, task: Task | undefined): boolean => {
      if (!task || (matches !== null && !matches(task, state.cluster))) return false;
      if (session.held && session.held.size < MAX_HELD) session.held.add(state.cluster, uuid);
      else session.held = null;
      tasks.push(present.taskText(state, task));
      return true;
    };
    const isOurs = (cluster: string): boolean => told.cluster === null || cluster === told.cluster;
    let hasNews = false;
    if (topics.has('tasks')) {
      for (const [key, { cluster, uuid, at }] of window.touched) {
        if (!isOurs(cluster) || (run.sent.get(key) ?? -1) >= at) continue;
        if (run.sent.size < MAX_SENT) run.sent.set(key, clusters.position);
        if (!offer(stateOf(clusters, cluster), uuid, find(cluster, uuid))) gone.push({ cluster, task_id: uuid });
      }
      hasNews = tasks.length + gone.length > 0;
      // What time alone made of a task has no position.
      for (const [task, state] of isLast ? present.executing() : []) {
        const key = idOf({ cluster: state.cluster, uuid: task.uuid });
        if (isOurs(state.cluster) && !window.touched.has(key)) offer(state, task.uuid, task);
      }
    }
    const workers = isLast ? this.#workers(subscription) : [];
    const events = topics.has('events') ? eventTexts(subscription, window.events, { find }) : [];
    const allWorkers = isLast && topics.has('workers');
    const cursor = this.#cursor(window.upTo);
    const news = hasNews || events.length > 0;
    const body = { tasks, workers, gone: { tasks: gone, workers: [] }, allWorkers, events, news };
    session.sink.send(changesFrame({ from: after, to: window.upTo, cursor, ...body }));
    session.position = window.upTo;
    if (isLast) {
      session.task = null;
      join(session);
    }
    return undefined;
  }

  /** Those tasks of a window that are in the database alone. */
  async #load({ touched }: Window, { sent, subscription }: Run): Promise<ReadonlyMap<string, Task>> {
    const { present, snapshots } = this.#parts;
    const loaded = new Map<string, Task>();
    const sought = new Map<string, string[]>();
    for (const [key, { cluster, uuid, at }] of touched) {
      if (present.find(cluster, uuid) || ((sent.get(key) ?? -1) >= at && !subscription.topics.has('events'))) continue;
      const uuids = sought.get(cluster);
      if (uuids) uuids.push(uuid);
      else sought.set(cluster, [uuid]);
    }
    for (const [cluster, uuids] of sought) {
      for (const task of await snapshots.loadTasks(cluster, uuids))
        loaded.set(idOf({ cluster, uuid: task.uuid }), task);
    }
    return loaded;
  }

  /** The records that match now, in parts that the client takes one by one; what changes meanwhile comes after them. */
  async #snapshot(run: Run): Promise<void> {
    const { session, subscription } = run;
    const { clusters, present, flush } = this.#parts;
    const { topics, matches, told } = subscription;
    const isMeant = (task: Task | undefined, { cluster }: State): task is Task =>
      task !== undefined && (matches === null || matches(task, cluster));
    const position = flush();
    let found: (readonly [State, string])[] = [];
    let omitted = 0;
    for (const state of topics.has('tasks') ? clusters.byName.values() : []) {
      if (told.cluster !== null && state.cluster !== told.cluster) continue;
      let n = 0;
      for (const task of state.tasks.values()) {
        if (isMeant(task, state)) found.push([state, task.uuid]);
        n += 1;
        if (n % (10 * SLICE) === 0) await setImmediate();
        if (run.isOver()) return;
      }
      if (found.length > MAX_SNAPSHOT) {
        omitted += found.length - MAX_SNAPSHOT;
        found = found.slice(-MAX_SNAPSHOT);
      }
    }
    session.held = new Held();
    for (let part = 0; !run.isOver(); part += 1) {
      await session.sink.drained();
      const isLast = (part + 1) * SLICE >= found.length;
      await this.#alone(run, () => {
        const tasks: string[] = [];
        for (const [state, uuid] of found.slice(part * SLICE, (part + 1) * SLICE)) {
          const task = present.find(state.cluster, uuid);
          if (!task) omitted += 1;
          if (!isMeant(task, state)) continue;
          session.held?.add(state.cluster, uuid);
          tasks.push(present.taskText(state, task));
        }
        const workers = isLast ? this.#workers(subscription) : [];
        session.sink.send(snapshotFrame(part, isLast ? this.#cursor(position) : null, tasks, workers, omitted));
      });
      if (isLast) break;
    }
    session.position = position;
  }

  /** What changed after the cursor cannot be told: the client begins anew. */
  async #reset(run: Run, reason: FeedReset['reason']): Promise<void> {
    const { session, subscription } = run;
    const position = this.#parts.flush();
    const message = `${RESET_REASONS[reason]}: fetch anew what you hold`;
    session.sink.send(frameOf({ type: 'reset', reason, message, position, cursor: this.#cursor(position) }));
    session.position = position;
    session.held = null;
    run.sent.clear();
    if (subscription.snapshot) await this.#snapshot(run);
  }

  #workers({ topics, told }: Subscription): string[] {
    const { clusters, present } = this.#parts;
    if (!topics.has('workers')) return [];
    return Array.from(clusters.byName.values()).flatMap((state) =>
      told.cluster !== null && state.cluster !== told.cluster
        ? []
        : Array.from(state.workers.values(), (worker) => present.workerText(state, worker)),
    );
  }

  #cursor(position: Position): string {
    return `${this.#parts.epoch}:${position}`;
  }

  /**
   * Does some work when its turn has come, again and again while the database does not answer. Undefined where the run is
   * over before. Throws what is no failure of the database, and when all is stopped.
   */
  async #alone<T>(run: Run, work: () => Promise<T> | T): Promise<T | undefined> {
    for (let n = 0; !run.isOver(); n += 1) {
      if (this.#free > 0) this.#free -= 1;
      else await new Promise<void>((resolve) => this.#queue.push(resolve));
      try {
        return run.isOver() ? undefined : await work();
      } catch (error) {
        if (!(error instanceof MonitorError && error.retry)) throw error;
      } finally {
        const next = this.#queue.shift();
        if (next) next();
        else this.#free += 1;
      }
      await sleep(backoff(n, 0.1, 5), this.#stop.signal);
    }
    return undefined;
  }
}

/** One client being brought up to date. */
interface Run {
  readonly session: Session;
  readonly subscription: Subscription;
  /** It has gone, or wants something else. */
  readonly isOver: () => boolean;
  /** Tasks that were sent, and the position up to which what was sent is folded. */
  readonly sent: Map<string, Position>;
}
