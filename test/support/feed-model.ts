/**
 * The feed of a server that is shot down and started again, on a database in memory: folds, a camera as far as the feed
 * depends on it, and clients that come and go.
 */
import type { WebSocket } from 'ws';
import { FeedState, keyOf } from '../../src/client/feed-state.ts';
import type { FeedMessage } from '../../src/contract/feed.ts';
import { type TaskRecord, toTaskRecord, toWorkerRecord } from '../../src/contract/records.ts';
import type { Event, JournalEntry } from '../../src/domain/event.ts';
import { compileFilter } from '../../src/domain/filter-match.ts';
import { parseFilter } from '../../src/domain/filter-parse.ts';
import { livenessOf } from '../../src/domain/liveness.ts';
import { restoreTask, restoreWorker } from '../../src/domain/memory.ts';
import { type Clusters, createClusters, fold, mayBeForgotten, type State, stateOf } from '../../src/domain/state.ts';
import { storeLife } from '../../src/domain/stored-life.ts';
import { lifeOf, type Task } from '../../src/domain/task.ts';
import type { Worker } from '../../src/domain/worker.ts';
import { HUB_DEFAULTS, Hub, type HubOptions } from '../../src/live/hub.ts';
import { FakeJournal, FakeSocket, settle } from './feed.ts';

const CLUSTER = 'c';

export interface ModelOptions extends Partial<HubOptions> {
  readonly maxTasks: number;
}

/** A task as it would be in the database, and out of it again. */
function stored(task: Task): Task {
  const life = lifeOf(task);
  return {
    ...structuredClone({ ...task, life: null }),
    stored_life: life && storeLife(life, task),
  };
}

export class FeedModel {
  now = 1000;
  readonly journal = new FakeJournal();
  readonly #options: ModelOptions;
  readonly #rows = new Map<string, Task>();
  #workerRows: Worker[] = [];
  #snapshot = 0;
  #exposed = new Map<string, Task>();
  clusters!: Clusters;
  hub!: Hub;
  readonly failures: unknown[] = [];
  readonly clients: FeedClient[] = [];

  constructor(options: ModelOptions) {
    this.#options = options;
  }

  get #state(): State {
    return stateOf(this.clusters, CLUSTER);
  }

  /** Starts the program, on what its database holds. */
  async start(): Promise<void> {
    const { maxTasks, ...options } = this.#options;
    this.clusters = createClusters({ maxTasks, maxWorkers: 10 }, { fold: 'strict' });
    this.#exposed = new Map();
    for (const worker of this.#workerRows) restoreWorker(this.#state, structuredClone(worker));
    for (const task of [...this.#rows.values()].slice(-maxTasks)) restoreTask(this.#state, stored(task));
    this.#state.forgetful = this.#rows.size >= maxTasks;
    this.clusters.position = this.#snapshot;
    this.hub = new Hub(
      {
        clusters: this.clusters,
        clock: () => this.now,
        journal: this.journal,
        snapshots: {
          loadTasks: async (_cluster, uuids) => {
            const found = uuids.flatMap((uuid) => this.#rows.get(uuid) ?? []).map(stored);
            await settle(1);
            return found;
          },
        },
        pending: (_state, uuid) => this.#exposed.get(uuid),
        failed: (error) => this.failures.push(error),
      },
      { version: '1', epoch: 'e', simulated: false, ...HUB_DEFAULTS, ...options },
    );
    await this.hub.recall();
    for (const entry of this.journal.entries.slice(this.#snapshot)) this.#fold(entry);
    this.hub.publish(this.clusters.position);
  }

  /** Shoots it down and starts it again. */
  async restart(): Promise<void> {
    for (const client of this.clients) client.cut();
    await this.start();
  }

  record(event: Event): void {
    const position = this.journal.entries.length + 1;
    const entry = { position, cluster: CLUSTER, local_received: this.now, event };
    this.journal.entries.push(entry);
    this.#fold(entry);
    this.hub.publish(position);
  }

  #fold(entry: JournalEntry): void {
    const uuid = String(entry.event['uuid']);
    if (mayBeForgotten(this.clusters, this.#state, entry.event)) {
      const row = this.#rows.get(uuid);
      const task = this.#exposed.get(uuid) ?? (row && stored(row));
      if (task) restoreTask(this.#state, task);
    }
    const change = fold(this.clusters, entry);
    if (change?.kind === 'task') {
      this.#exposed.set(change.uuid, change);
      const parent = this.#state.tasks.get(String(entry.event['parent_id']));
      if (parent) this.#exposed.set(parent.uuid, parent);
    }
    this.hub.expose(this.#state, entry, change);
  }

  /** The camera's shutter. */
  shutter(): void {
    for (const [uuid, task] of this.#exposed) {
      this.#rows.delete(uuid);
      this.#rows.set(uuid, stored(task));
    }
    this.#exposed.clear();
    this.#workerRows = Array.from(this.#state.workers.values(), (worker) => structuredClone(worker));
    this.#snapshot = this.clusters.position;
  }

  /** Retention: the journal's older half. */
  prune(): void {
    this.journal.pruned = Math.min(this.#snapshot, this.journal.entries.length >> 1);
  }

  connect(query: Readonly<Record<string, string>>): FeedClient {
    const client = new FeedClient(this, query);
    this.clients.push(client);
    client.connect();
    return client;
  }

  /** What a client ought to hold: all that matches, and of it what is in memory. */
  expected(q: string): { readonly all: Map<string, TaskRecord>; readonly inMemory: Set<string> } {
    const parsed = parseFilter(q, this.now);
    if (!parsed.ok) throw new Error(parsed.message);
    const matches = compileFilter(parsed.filter);
    const all = new Map<string, TaskRecord>();
    const inMemory = new Set<string>();
    const state = this.#state;
    for (const uuid of new Set([...this.#rows.keys(), ...this.#exposed.keys(), ...state.tasks.keys()])) {
      const row = this.#rows.get(uuid);
      const task = state.tasks.get(uuid) ?? this.#exposed.get(uuid) ?? (row && stored(row));
      if (!task || !matches(task, CLUSTER)) continue;
      all.set(keyOf(CLUSTER, uuid), toTaskRecord(state, task, this.now));
      if (state.tasks.has(uuid)) inMemory.add(keyOf(CLUSTER, uuid));
    }
    return { all, inMemory };
  }

  workers(): Map<string, unknown> {
    const state = this.#state;
    return new Map(
      Array.from(state.workers.values(), (worker) => [
        keyOf(CLUSTER, worker.hostname),
        toWorkerRecord(state, worker, livenessOf(worker, state, this.now)),
      ]),
    );
  }
}

/** A client that does what `docs/live.md` says, and no more. */
export class FeedClient {
  readonly state = new FeedState();
  readonly messages: FeedMessage[] = [];
  readonly #model: { readonly hub: Hub };
  query: Readonly<Record<string, string>>;
  socket: FakeSocket | null = null;
  /** Where to go on from; null: nowhere. */
  cursor: string | null;
  /** It began with a snapshot, so that it does not know what memory had dropped by then. */
  beganLate = false;
  #to: number | null = null;

  constructor(model: { readonly hub: Hub }, query: Readonly<Record<string, string>>) {
    this.#model = model;
    this.query = query;
    this.cursor = query['after'] ?? null;
  }

  get isConnected(): boolean {
    return this.socket !== null;
  }

  connect(): void {
    if (this.socket) return;
    this.socket = new FakeSocket();
    this.#to = null;
    const { after: _, ...query } = this.query;
    const params = new URLSearchParams({ ...query, snapshot: 'true', ...(this.cursor && { after: this.cursor }) });
    this.#model.hub.attach(this.socket as unknown as WebSocket, params);
  }

  /** The connection breaks; what was written but not read is lost. */
  cut(): void {
    this.socket?.terminate();
    this.socket = null;
  }

  /** Asks for something else on the same connection. */
  change(q: string): void {
    this.read();
    this.query = { ...this.query, q };
    this.cursor = null;
    const topics = this.query['topics']?.split(',');
    this.socket?.say({ type: 'subscribe', q, snapshot: true, ...(topics && { topics }) });
  }

  /** Takes what has arrived. */
  read(): void {
    for (const message of this.socket?.news() ?? []) {
      this.messages.push(message);
      this.state.apply(message);
      if (message.type === 'changes') {
        if (this.#to !== null && message.from > this.#to) throw new Error(`a hole: ${this.#to} to ${message.from}`);
        this.#to = message.to;
        const { q = '', topics = '' } = this.query;
        if (topics.includes('events') && q === '') {
          const told = message.events.map(({ position }) => position);
          const due = Array.from({ length: message.to - message.from }, (_, n) => message.from + 1 + n);
          if (`${told}` !== `${due}`) throw new Error(`events of ${due}: ${told}`);
        }
      }
      if (message.type === 'snapshot') this.beganLate = true;
      if (message.type === 'reset' || message.type === 'snapshot') this.#to = null;
      if (message.type === 'error') throw new Error(message.error);
      if (message.type === 'reset') this.cursor = null;
      else if (message.type === 'changes' || message.type === 'live' || message.type === 'snapshot')
        this.cursor = message.cursor;
    }
  }
}
