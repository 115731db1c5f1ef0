/** The clients of equal subscriptions that are up to date: what a moment changed is picked and encoded once for all of them. */
import type { Changes } from '../contract/feed.ts';
import type { JournalEntry, Position } from '../domain/event.ts';
import type { State } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';
import { type ChangesText, changesFrame, type Frame, partsOf } from './frame.ts';
import type { Present } from './present.ts';
import type { Session } from './session.ts';
import { isOfKind, type Subscription } from './subscription.ts';

/** What happened after `from` up to and with `to`. */
export interface Moment {
  readonly from: Position;
  readonly to: Position;
  readonly cursorOf: (position: Position) => string;
  /** Characters of records, or of events, after which a message ends. */
  readonly maxText: number;
  readonly tasks: Iterable<readonly [Task, State]>;
  readonly workers: Iterable<readonly [Worker, State]>;
  readonly goneWorkers: Changes['gone']['workers'];
  readonly events: readonly JournalEntry[];
}

/** Ids of tasks, by cluster. */
export class Held {
  readonly #byCluster = new Map<string, Set<string>>();
  size = 0;

  add(cluster: string, uuid: string): void {
    let uuids = this.#byCluster.get(cluster);
    if (!uuids) {
      uuids = new Set();
      this.#byCluster.set(cluster, uuids);
    }
    this.size -= uuids.size;
    uuids.add(uuid);
    this.size += uuids.size;
  }

  /** True where it was there. */
  delete(cluster: string, uuid: string): boolean {
    const found = this.#byCluster.get(cluster)?.delete(uuid) ?? false;
    if (found) this.size -= 1;
    return found;
  }

  addAll(other: Held): void {
    for (const [cluster, uuids] of other.#byCluster) for (const uuid of uuids) this.add(cluster, uuid);
  }
}

/** Ids that are remembered for one group; beyond that, whatever does not match is told to be gone. */
export const MAX_HELD = 50_000;

export class Group {
  readonly members = new Set<Session>();
  readonly subscription: Subscription;
  /** `to` of the last message. */
  position: Position;
  /** Ticks since then. */
  quiet = 0;
  /**
   * All that its members may hold; null where nobody knows, as of those that were away. Then every record that changed and
   * does not match is told to be gone.
   */
  held: Held | null;

  constructor(subscription: Subscription, position: Position, held: Held | null) {
    this.subscription = subscription;
    this.position = position;
    this.held = held;
  }

  /** What of a moment concerns its members, in as many messages as it takes: none where nothing does. */
  *pick(moment: Moment, present: Present): Generator<Frame, void, undefined> {
    const { topics, matches, told } = this.subscription;
    const gone: { cluster: string; task_id: string }[] = [];
    const tasks: string[] = [];
    const workers: string[] = [];
    const isOurs = ({ cluster }: { readonly cluster: string }): boolean =>
      told.cluster === null || cluster === told.cluster;
    if (topics.has('tasks')) {
      for (const [task, state] of moment.tasks) {
        if (!isOurs(state)) continue;
        if (matches === null || matches(task, state.cluster)) {
          if (matches) this.#hold(state.cluster, task.uuid);
          tasks.push(present.taskText(state, task));
        } else if (this.held === null || this.held.delete(state.cluster, task.uuid)) {
          gone.push({ cluster: state.cluster, task_id: task.uuid });
        }
      }
    }
    if (topics.has('workers')) {
      for (const [worker, state] of moment.workers) if (isOurs(state)) workers.push(present.workerText(state, worker));
    }
    const goneWorkers = topics.has('workers') ? moment.goneWorkers.filter(isOurs) : [];
    const events = topics.has('events') ? eventTexts(this.subscription, moment.events, present) : [];
    if (tasks.length + workers.length + gone.length + goneWorkers.length + events.length === 0) return;
    const { from, to, cursorOf, maxText } = moment;
    const parts = partsOf(tasks, ({ length }) => length, maxText);
    const last = parts.pop() ?? [];
    for (const part of parts) {
      yield this.#frame({ to: from, cursor: cursorOf(from) }, { ...NOTHING, tasks: part, news: true });
    }
    // Who has had some of the events goes on after them: each is told once. All that they changed is told with the first.
    let rest: typeof NOTHING = {
      ...NOTHING,
      tasks: last,
      workers,
      gone: { tasks: gone, workers: goneWorkers },
      news: true,
    };
    const portions = partsOf(events, ({ text }) => text.length, maxText);
    for (const [n, part] of portions.entries()) {
      const upTo = n === portions.length - 1 ? to : (part.at(-1)?.position ?? from);
      yield this.#frame({ to: upTo, cursor: cursorOf(upTo) }, { ...rest, events: part.map(({ text }) => text) });
      rest = { ...NOTHING, news: true };
    }
  }

  /** Says that nothing has changed, and how far: members know that all is well, and where to go on from. */
  idle(to: Position, cursor: string): Frame {
    return this.#frame({ to, cursor }, NOTHING);
  }

  #frame({ to, cursor }: { readonly to: Position; readonly cursor: string }, parts: typeof NOTHING): Frame {
    const frame = changesFrame({ from: this.position, to, cursor, ...parts, allWorkers: false });
    this.position = to;
    this.quiet = 0;
    return frame;
  }

  #hold(cluster: string, uuid: string): void {
    this.held?.add(cluster, uuid);
    if (this.held && this.held.size > MAX_HELD) this.held = null;
  }
}

/** A message that tells of nothing. */
export const NOTHING: Pick<ChangesText, 'tasks' | 'workers' | 'gone' | 'events' | 'news'> = {
  tasks: [],
  workers: [],
  gone: { tasks: [], workers: [] },
  events: [],
  news: false,
};

/** The events that a subscription asks for, as JSON. Those of a task are asked for by what the task is now. */
export function eventTexts(
  { told, matches }: Subscription,
  entries: readonly JournalEntry[],
  present: { readonly find: (cluster: string, uuid: string) => Task | null | undefined },
): { readonly position: Position; readonly text: string }[] {
  const texts: { position: Position; text: string }[] = [];
  for (const { position, cluster, local_received, event } of entries) {
    if (told.cluster !== null && cluster !== told.cluster) continue;
    if (!isOfKind(event.type, told.events)) continue;
    if (matches && event.type.startsWith('task-')) {
      const task = typeof event.uuid === 'string' ? present.find(cluster, event.uuid) : undefined;
      if (!task || !matches(task, cluster)) continue;
    }
    texts.push({ position, text: JSON.stringify({ position, cluster, local_received, event }) });
  }
  return texts;
}
