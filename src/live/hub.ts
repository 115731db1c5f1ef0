/**
 * Fans changes out to the clients of the live feed. It gathers what each event changes (`present.ts`, `watch.ts`), and when it
 * is time (`pace.ts`) has each group of clients of equal subscriptions (`clients.ts`) pick and encode what concerns it
 * (`group.ts`). A client that comes back with a cursor, or cannot keep up, is brought up to date first (`catch-up.ts`).
 */
import type { WebSocket } from 'ws';
import { FEED_PROTOCOL } from '../contract/feed.ts';
import type { Diagnostics } from '../diagnostics.ts';
import type { JournalEntry, Position, Seconds } from '../domain/event.ts';
import type { Change, Clusters, State } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Journal } from '../journal/journal.ts';
import type { Snapshots } from '../store/snapshots.ts';
import { CatchUp } from './catch-up.ts';
import { Clients } from './clients.ts';
import { frameOf, type Sink } from './frame.ts';
import type { Moment } from './group.ts';
import { Pace } from './pace.ts';
import { type Pending, Present } from './present.ts';
import type { Session } from './session.ts';
import { attachSocket } from './socket.ts';
import type { Subscription } from './subscription.ts';
import { recall, type Touched, touchedBy } from './touched.ts';
import { Trail } from './trail.ts';
import { Watch } from './watch.ts';

export interface HubOptions {
  readonly version: string;
  /** Identifies the journal that positions belong to. */
  readonly epoch: string;
  readonly simulated: boolean;
  /** Least time between two messages: what changes meanwhile is gathered. After a pause the first is sent at once. */
  readonly coalesce: Seconds;
  /** Bytes that may wait for one client. */
  readonly maxBuffered: number;
  /** Tasks to one message. */
  readonly maxRecords: number;
  /** Characters of records, or of events, after which a message ends. */
  readonly maxText: number;
  /** How often clients' and workers' signs of life are looked at. */
  readonly tick: Seconds;
  /** Changes that are remembered by the ids of their tasks, so that a client that comes back costs the database nothing. */
  readonly trail: number;
  /** Bytes of events that are read at the start to learn of them: more would keep it waiting. */
  readonly recalledBytes: number;
  /** Events since a client's cursor; after more it begins anew. */
  readonly maxEvents: number;
}

export const HUB_DEFAULTS = {
  ...{ coalesce: 0.02, maxBuffered: 1 << 20, maxRecords: 1000, maxText: 4 << 20, tick: 1, maxEvents: 1_000_000 },
  ...{ trail: 100_000, recalledBytes: 64 << 20 },
} as const;

export interface HubParts {
  readonly clusters: Clusters;
  /** Epoch seconds. */
  readonly clock: () => Seconds;
  readonly journal: Pick<Journal, 'read' | 'head' | 'latest'>;
  readonly snapshots: Pick<Snapshots, 'loadTasks'>;
  readonly pending: Pending;
  /** Takes an error that nobody expected. */
  readonly failed: (error: unknown) => void;
}

/** Events that are remembered while somebody asks for events, and bytes of them. */
const EVENTS = 10_000;
const EVENT_BYTES = 64 << 20;

export class Hub implements AsyncDisposable {
  readonly #parts: HubParts;
  readonly #options: HubOptions;
  readonly #clients: Clients;
  readonly #pace: Pace;
  readonly #present: Present;
  readonly #watch: Watch;
  readonly #catchUp: CatchUp;
  readonly #touched: Trail<Touched>;
  readonly #events: Trail<JournalEntry>;
  #eventsAreWanted = false;
  #tasks = new Map<Task, State>();
  /** Changes up to here were sent. */
  #sent: Position;
  /** Changes up to here may be sent: they are recorded and folded. */
  #position: Position;
  #waiting: { readonly position: Position; readonly resolve: () => void }[] = [];
  #tickTimer: NodeJS.Timeout | null = null;

  constructor(parts: HubParts, options: HubOptions) {
    this.#parts = parts;
    this.#options = options;
    const { clusters, clock, pending } = parts;
    const { epoch, maxEvents, maxText, trail, maxBuffered, coalesce } = options;
    this.#sent = clusters.position;
    this.#position = clusters.position;
    this.#pace = new Pace(() => this.flush(), coalesce);
    this.#present = new Present(clusters, clock, pending);
    this.#watch = new Watch(clusters, clock, this.#present);
    this.#touched = new Trail(trail, clusters.position);
    this.#events = new Trail(EVENTS, clusters.position, { most: EVENT_BYTES, of: ({ size = 0 }) => size });
    this.#clients = new Clients({
      maxBuffered,
      onBehind: (session, subscription) => this.#catchUp.start(session, subscription, 'position'),
    });
    this.#catchUp = new CatchUp({
      ...{ ...parts, present: this.#present, touched: this.#touched, events: this.#events, epoch, maxEvents, maxText },
      flush: () => this.flush(),
      reached: (position) => this.#reached(position),
      join: (session) => this.#join(session),
    });
  }

  /** How many clients are connected. */
  get clients(): number {
    return this.#clients.size;
  }

  /**
   * Learns from the journal what changed last, so that clients of an earlier process go on without asking it. To be called
   * before anything is folded. Throws where the database fails.
   */
  async recall(): Promise<void> {
    const { trail, recalledBytes } = this.#options;
    const most = { events: trail, bytes: recalledBytes };
    await recall({ ...this.#parts, touched: this.#touched }, this.#position, most);
  }

  /** Tells of snapshots and gaps, too. */
  observe(diagnostics: Diagnostics): void {
    diagnostics.on('camera:shutter', (picture) => this.#clients.tellShutter(picture));
    diagnostics.on('gap', (gap) => this.#clients.tellGap(gap));
  }

  /** Notes an event and what it changed. Called for each event, so it does next to nothing while nobody looks on. */
  expose(state: State, entry: JournalEntry, change: Change): void {
    const isWatched = this.clients > 0;
    if (isWatched && this.#eventsAreWanted) this.#events.add(entry.position, entry);
    if (change === null) return;
    if (change.kind === 'worker') {
      if (isWatched) this.#watch.changed(change, state);
      return;
    }
    for (const touched of touchedBy(this.#parts.clusters, entry)) {
      this.#touched.add(entry.position, touched);
      if (!isWatched) continue;
      const task = state.tasks.get(touched.uuid);
      if (task) this.#exposeTask(task, state);
    }
    if (!isWatched) return;
    this.#exposeTask(change, state);
    const { hostname } = entry.event;
    const worker = typeof hostname === 'string' ? state.workers.get(hostname) : undefined;
    if (worker) this.#watch.sign(worker, state);
  }

  /** What was exposed belongs to positions up to this one. Only for what is recorded. */
  publish(position: Position): void {
    this.#position = position;
    if (this.#waiting.length > 0) {
      for (const waiting of this.#waiting) if (waiting.position <= position) waiting.resolve();
      this.#waiting = this.#waiting.filter((waiting) => waiting.position > position);
    }
    if (this.clients === 0) this.#sent = position;
    else this.#pace.request();
  }

  /** Takes a WebSocket in. @param params of the query string: a subscription, see `contract/feed.ts` */
  attach(socket: WebSocket, params: URLSearchParams = new URLSearchParams()): void {
    attachSocket(this, socket, params, this.#parts.clock);
  }

  /** Takes a client in and says hello. It hears of nothing else until it subscribes. */
  enter(sink: Sink): Session {
    if (this.clients === 0) this.#begin();
    const position = this.flush();
    const session: Session = { sink, subscription: null, group: null, position, held: null, task: null };
    this.#clients.add(session);
    const { version, epoch, simulated } = this.#options;
    const clusters = [...this.#parts.clusters.byName.keys()];
    const cursor = this.#cursor(position);
    sink.send(
      frameOf({ type: 'hello', protocol: FEED_PROTOCOL, version, epoch, position, cursor, clusters, simulated }),
    );
    return session;
  }

  /** What a client wants to hear of from now on, instead of what it did. */
  subscribe(session: Session, subscription: Subscription): void {
    if (!this.#clients.has(session)) return;
    this.#clients.leaveGroup(session);
    session.subscription = subscription;
    this.#countOnEvents();
    session.held = null;
    session.position = this.flush();
    session.sink.send(frameOf({ type: 'subscribed', id: subscription.id, ...subscription.told }));
    if (subscription.after === null && !subscription.snapshot) this.#join(session);
    else this.#catchUp.start(session, subscription, 'subscription');
  }

  /** A client is gone. */
  leave(session: Session): void {
    this.#clients.delete(session);
    this.#countOnEvents();
    if (this.clients === 0) this.#end();
  }

  /** Sends what has been gathered, now. Returns the position up to which everything was sent. */
  flush(): Position {
    this.#pace.cancel();
    if (this.#watch.look()) this.#exposeRemarked();
    const begun = performance.now();
    if (this.#tell([])) this.#pace.sent(begun);
    return this.#sent;
  }

  /** Tells every group what was gathered. False where that was nothing. */
  #tell(goneWorkers: Moment['goneWorkers']): boolean {
    const from = this.#sent;
    const to = this.#position;
    const tasks = [...this.#tasks];
    const workers = this.#watch.take();
    this.#sent = to;
    if (!this.#clients.hasGroups) {
      this.#tasks.clear();
      return false;
    }
    // Where more came at a time than are remembered, the journal tells of them.
    if (this.#eventsAreWanted && !this.#events.covers(from)) this.#clients.overtake();
    const events = this.#eventsAreWanted ? Array.from(this.#events.between(from, to), ([, entry]) => entry) : [];
    if (tasks.length + workers.size + goneWorkers.length + events.length === 0) return false;
    this.#tasks = new Map();
    const { maxRecords, maxText } = this.#options;
    const cursorOf = (position: Position): string => this.#cursor(position);
    for (let n = 0; n === 0 || n < tasks.length; n += maxRecords) {
      const isLast = n + maxRecords >= tasks.length;
      const upTo = isLast ? to : from;
      const some = tasks.slice(n, n + maxRecords);
      const rest = isLast ? { workers, goneWorkers, events } : { workers: [], goneWorkers: [], events: [] };
      const moment: Moment = { from, to: upTo, cursorOf, maxText, tasks: some, ...rest };
      for (const group of this.#clients.groups) {
        let before = group.position;
        for (const frame of group.pick(moment, this.#present)) {
          this.#clients.send(group, frame, before);
          before = group.position;
        }
      }
    }
    return true;
  }

  #join(session: Session): void {
    this.#clients.join(session, this.#sent, this.#cursor(this.#sent));
  }

  #exposeTask(task: Task, state: State): void {
    this.#tasks.set(task, state);
    this.#present.changed(state, task);
  }

  #exposeRemarked(): void {
    for (const [task, state] of this.#present.remarked()) this.#tasks.set(task, state);
  }

  /** Time alone changes a worker's status; and a client that went away without a word has to be found out. */
  #tick(): void {
    this.#present.forgetTexts();
    const gone = this.#watch.dropped();
    this.#watch.lookAtAll();
    this.#exposeRemarked();
    this.#clients.tick();
    if (gone.length > 0) this.#tell(gone);
    else this.flush();
    this.#clients.reassure(this.#sent, this.#cursor(this.#sent));
  }

  /** Events are gathered only while somebody asks for events. */
  #countOnEvents(): void {
    const were = this.#eventsAreWanted;
    this.#eventsAreWanted = this.#clients.wantEvents();
    if (were !== this.#eventsAreWanted) this.#events.clear(this.#parts.clusters.position);
  }

  #reached(position: Position): Promise<void> {
    return this.#position >= position
      ? Promise.resolve()
      : new Promise((resolve) => this.#waiting.push({ position, resolve }));
  }

  #cursor(position: Position): string {
    return `${this.#options.epoch}:${position}`;
  }

  /** The first client comes, and may fetch what is so now, in the middle of a batch too: nothing was noted of what is folded. */
  #begin(): void {
    this.#present.begin();
    this.#watch.begin();
    this.#position = this.#parts.clusters.position;
    this.#sent = this.#position;
    this.#tickTimer = setInterval(() => this.#tick(), this.#options.tick * 1000).unref();
  }

  /** The last one went. */
  #end(): void {
    this.#present.end();
    this.#watch.end();
    this.#tasks.clear();
    this.#pace.cancel();
    if (this.#tickTimer) clearInterval(this.#tickTimer);
    this.#tickTimer = null;
  }

  /** Says goodbye to every client (1001, going away). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.flush();
    this.#catchUp.stop();
    await this.#clients.close(1001, 'celerycam is shutting down');
  }
}
