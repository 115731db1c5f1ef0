/**
 * Brings a client up to date: one that comes with a cursor, one that begins with a snapshot, and one that read too slowly.
 * All that it keeps of a client is a position. Which records were touched since is known from the trail in memory or, where
 * that does not reach back, from the journal; what they are now from memory or, where they were dropped, from the database.
 */
import { type FeedReset, RESET_REASONS } from '../contract/feed.ts';
import type { Position } from '../domain/event.ts';
import { type State, stateOf } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Journal } from '../journal/journal.ts';
import { isAbort } from '../runtime.ts';
import type { Snapshots } from '../store/snapshots.ts';
import { changesFrame, frameOf, partsOf } from './frame.ts';
import { eventTexts, MAX_HELD, NOTHING } from './group.ts';
import type { Present } from './present.ts';
import type { Run, Session } from './session.ts';
import { sendSnapshot } from './snapshot.ts';
import type { Subscription } from './subscription.ts';
import { idOf, restOf, type Touched, type Traces, type Window, windowAfter } from './touched.ts';
import { Turns } from './turns.ts';

export interface CatchUpParts extends Traces {
  readonly present: Present;
  readonly journal: Pick<Journal, 'read' | 'head'>;
  readonly snapshots: Pick<Snapshots, 'loadTasks'>;
  readonly epoch: string;
  /** Events since a cursor; more are not gone through. */
  readonly maxEvents: number;
  /** Characters of records after which a message ends. */
  readonly maxText: number;
  /** Tells the clients that are up to date everything, and returns the position. */
  readonly flush: () => Position;
  /** Resolves when that position is reached. */
  readonly reached: (position: Position, signal: AbortSignal) => Promise<void>;
  /** Lets it hear of changes as they happen. */
  readonly join: (session: Session) => void;
  /** Takes an error that nobody expected. */
  readonly failed: (error: unknown) => void;
}

/** How many are served at a time. Who waits for its client to read keeps nobody waiting. */
const AT_ONCE = 4;

/** Tasks that are read of the database at a time. */
const LOADED = 100;

/** Tasks that are remembered to have been sent already in one catch-up. */
const MAX_SENT = 200_000;

export class CatchUp {
  readonly #parts: CatchUpParts;
  readonly #stop = new AbortController();
  readonly #turns = new Turns(AT_ONCE, this.#stop.signal);

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
      const run: Run = { session, subscription, isOver: () => session.task !== task, sent: new Map(), rest: null };
      if (from === 'subscription') await this.#begin(run);
      while (!run.isOver()) {
        // Nothing is put together for a client that has not taken what it has.
        await session.sink.drained();
        const reason = await this.#turns.take(run.isOver, () => this.#step(run));
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
      const head = await this.#turns.take(run.isOver, () => journal.head());
      if (after.position > (head ?? 0)) return this.#reset(run, 'future');
      await reached(after.position, this.#stop.signal);
    }
    // Where it wants something else by now, its position is that of another run.
    if (!run.isOver()) session.position = after.position;
  }

  /** Sends what changed next, and lets it join when that was all; why that cannot be told. */
  async #step(run: Run): Promise<FeedReset['reason'] | undefined> {
    const { session, subscription } = run;
    const { flush, present, join, clusters, maxEvents, maxText } = this.#parts;
    const { topics, matches, told } = subscription;
    const after = session.position;
    const upTo = flush();
    if (upTo - after > maxEvents) return 'too-much';
    const window = run.rest ?? (await windowAfter(this.#parts, after, upTo, topics.has('events')));
    if (typeof window === 'string') return window;
    const loaded = await this.#load(window, run);
    if (run.isOver()) return undefined;
    // From here on nothing is waited for, so that the records and the position belong together.
    const head = flush();
    const find = (cluster: string, uuid: string): Task | null | undefined =>
      present.find(cluster, uuid) ?? loaded.get(idOf({ cluster, uuid }));
    const isAtHand = ([key, one]: Touch): boolean =>
      !isWanted(run, key, one) || find(one.cluster, one.uuid) !== undefined;
    run.rest = window;
    if (asksByTask(subscription) && ![...window.touched].every(isAtHand)) return undefined;
    const tasks: string[] = [];
    const gone: { cluster: string; task_id: string }[] = [];
    let length = 0;
    const offer = (state: State, uuid: string, task: Task | null | undefined): boolean => {
      if (!task || (matches !== null && !matches(task, state.cluster))) return false;
      if (session.held && session.held.size < MAX_HELD) session.held.add(state.cluster, uuid);
      else session.held = null;
      const text = present.taskText(state, task);
      tasks.push(text);
      length += text.length;
      return true;
    };
    let until = window.upTo;
    let last = after;
    for (const touch of window.touched) {
      const [key, { cluster, uuid, at }] = touch;
      if (!isTold(run, key, touch[1])) continue;
      // It was dropped from memory meanwhile, or there is too much to tell: what happened from here on comes next.
      if (!isAtHand(touch) || (length > maxText && at > last)) {
        until = at - 1;
        break;
      }
      last = at;
      if (run.sent.size < MAX_SENT) run.sent.set(key, clusters.position);
      if (!offer(stateOf(clusters, cluster), uuid, find(cluster, uuid))) gone.push({ cluster, task_id: uuid });
    }
    run.rest = until < window.upTo ? restOf(window, until) : null;
    const isLast = until === head;
    const hasNews = tasks.length + gone.length > 0;
    // What time alone made of a task has no position.
    for (const [task, state] of isLast && topics.has('tasks') ? present.executing() : []) {
      const key = idOf({ cluster: state.cluster, uuid: task.uuid });
      if (isOurs(run, state.cluster) && !window.touched.has(key)) offer(state, task.uuid, task);
    }
    const allWorkers = isLast && topics.has('workers');
    const workers = allWorkers ? present.workerTexts(told.cluster) : [];
    const happened = topics.has('events') ? window.events.filter(({ position }) => position <= until) : [];
    const events = eventTexts(subscription, happened, { find }).map(({ text }) => text);
    const news = hasNews || events.length > 0;
    const parts = partsOf(tasks, (text) => text.length, maxText);
    const rest = parts.pop() ?? [];
    for (const part of parts) {
      const more = { ...NOTHING, tasks: part, allWorkers: false };
      session.sink.send(changesFrame({ from: after, to: after, cursor: this.#cursor(after), ...more }));
    }
    const body = { tasks: rest, workers, gone: { tasks: gone, workers: [] }, allWorkers, events, news };
    session.sink.send(changesFrame({ from: after, to: until, cursor: this.#cursor(until), ...body }));
    session.position = until;
    if (isLast) {
      session.task = null;
      join(session);
    }
    return undefined;
  }

  /**
   * Those tasks of a window that are wanted and are in the database alone; null where they are nowhere. Of many that are long
   * only the first, where that is enough.
   */
  async #load({ touched }: Window, run: Run): Promise<ReadonlyMap<string, Task | null>> {
    const { present, snapshots, clusters, maxText } = this.#parts;
    const loaded = new Map<string, Task | null>();
    const sought = [...touched].filter(([key, one]) => isWanted(run, key, one) && !present.find(one.cluster, one.uuid));
    let length = 0;
    for (let n = 0; n < sought.length && (length <= maxText || asksByTask(run.subscription)); n += LOADED) {
      const some = sought.slice(n, n + LOADED).map(([, one]) => one);
      for (const { cluster, uuid } of some) loaded.set(idOf({ cluster, uuid }), null);
      for (const cluster of new Set(some.map((one) => one.cluster))) {
        const uuids = some.filter((one) => one.cluster === cluster).map(({ uuid }) => uuid);
        for (const task of await snapshots.loadTasks(cluster, uuids)) {
          loaded.set(idOf({ cluster, uuid: task.uuid }), task);
          length += present.taskText(stateOf(clusters, cluster), task).length;
        }
      }
    }
    return loaded;
  }

  async #snapshot(run: Run): Promise<void> {
    const position = this.#parts.flush();
    await sendSnapshot(run, { ...this.#parts, turns: this.#turns, position, cursor: this.#cursor(position) });
  }

  /** What changed after the cursor cannot be told: the client begins anew. */
  async #reset(run: Run, reason: FeedReset['reason']): Promise<void> {
    const { session, subscription } = run;
    if (run.isOver()) return;
    const position = this.#parts.flush();
    const message = `${RESET_REASONS[reason]}: fetch anew what you hold`;
    session.sink.send(frameOf({ type: 'reset', reason, message, position, cursor: this.#cursor(position) }));
    session.position = position;
    session.held = null;
    run.sent.clear();
    run.rest = null;
    if (subscription.snapshot) await this.#snapshot(run);
  }

  #cursor(position: Position): string {
    return `${this.#parts.epoch}:${position}`;
  }
}

type Touch = readonly [key: string, one: Touched & { readonly at: Position }];

function isOurs({ subscription: { told } }: Run, cluster: string): boolean {
  return told.cluster === null || cluster === told.cluster;
}

/** Whether its record is to be told. */
function isTold(run: Run, key: string, { cluster, at }: Touch[1]): boolean {
  return run.subscription.topics.has('tasks') && isOurs(run, cluster) && (run.sent.get(key) ?? -1) < at;
}

/** Whether its record has to be at hand. */
function isWanted(run: Run, key: string, one: Touch[1]): boolean {
  return isTold(run, key, one) || (asksByTask(run.subscription) && isOurs(run, one.cluster));
}

/** Whether events are chosen by what their tasks are, any task of a window. */
function asksByTask({ topics, matches }: Subscription): boolean {
  return topics.has('events') && matches !== null;
}
