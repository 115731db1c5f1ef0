/**
 * Fans changes out to the clients of the live feed: what a moment changed is put together once and written once, as the
 * same bytes, to every client. A client that cannot keep up is not buffered for: it is told of a gap and goes on from there.
 */
import type { WebSocket } from 'ws';
import type { FeedGap, FeedMessage } from '../contract/feed.ts';
import { toTaskRecord, toWorkerRecord } from '../contract/records.ts';
import type { Position, Seconds } from '../domain/event.ts';
import { executedBy, type Liveness, livenessOf, sameLiveness } from '../domain/liveness.ts';
import { type Change, type Clusters, type State, stateOf } from '../domain/state.ts';
import type { Task } from '../domain/task.ts';
import type { Worker } from '../domain/worker.ts';

export interface HubOptions {
  readonly version: string;
  /** Identifies the journal that positions belong to. */
  readonly epoch: string;
  readonly simulated: boolean;
  /** Least time between two messages: what changes meanwhile is gathered. After a pause the first is sent at once. */
  readonly coalesce: Seconds;
  /** Bytes that may wait for one client. */
  readonly maxBuffered: number;
  /** Records to one message; what is more than that is a gap for everybody. */
  readonly maxRecords: number;
  /** How often silent clients are pinged and workers' status is looked at. */
  readonly tick: Seconds;
}

export const HUB_DEFAULTS = { coalesce: 0.03, maxBuffered: 8 << 20, maxRecords: 20_000, tick: 1 } as const;

/** Ticks without a sign of life after which a client is given up. */
const SILENT_TICKS = 30;

interface Client {
  readonly socket: WebSocket;
  /** Everything up to here was sent, or told to be a gap. */
  position: Position;
  /** The position from which it misses changes; null while it misses none. */
  missingFrom: Position | null;
  silent: number;
}

export class Hub implements AsyncDisposable {
  readonly #clusters: Clusters;
  readonly #options: HubOptions;
  readonly #clock: () => Seconds;
  readonly #clients = new Set<Client>();
  #tasks = new Map<Task, State>();
  #workers = new Map<Worker, State>();
  /** What was last looked at, and so what clients know or may fetch. */
  readonly #livenesses = new WeakMap<Worker, Liveness>();
  /** Changes up to here were sent. */
  #sent: Position;
  /** Changes up to here may be sent: they are recorded and folded. */
  #position: Position;
  #flushTimer: NodeJS.Timeout | null = null;
  /** When something was last sent, of `performance.now()`. */
  #flushed = Number.NEGATIVE_INFINITY;
  #tickTimer: NodeJS.Timeout | null = null;

  constructor(clusters: Clusters, clock: () => Seconds, options: HubOptions) {
    this.#clusters = clusters;
    this.#clock = clock;
    this.#options = options;
    this.#sent = clusters.position;
    this.#position = clusters.position;
  }

  get clients(): number {
    return this.#clients.size;
  }

  /** Notes what an event changed. Cheap, and nothing at all while nobody looks on. */
  expose(cluster: string, change: Change): void {
    if (change === null || this.#clients.size === 0) return;
    const state = stateOf(this.#clusters, cluster);
    if (change.kind === 'task') this.#tasks.set(change, state);
    else this.#workers.set(change, state);
  }

  /** What was exposed belongs to positions up to this one. Only for what is recorded. */
  publish(position: Position): void {
    this.#position = position;
    if (this.#clients.size === 0) {
      this.#sent = position;
      return;
    }
    const wait = this.#flushed + this.#options.coalesce * 1000 - performance.now();
    this.#flushTimer ??= setTimeout(() => this.flush(), Math.max(0, wait));
  }

  /** Takes a client in. It hears of everything after the position of its `hello`. */
  attach(socket: WebSocket): void {
    if (this.#clients.size > 0) this.flush();
    else {
      // It fetches what is so now.
      for (const [worker, state] of this.#allWorkers())
        this.#livenesses.set(worker, livenessOf(worker, state, this.#clock()));
    }
    this.#sent = this.#position;
    const client: Client = { socket, position: this.#position, missingFrom: null, silent: 0 };
    this.#clients.add(client);
    this.#tickTimer ??= setInterval(() => this.#tick(), this.#options.tick * 1000).unref();
    socket.on('pong', () => {
      client.silent = 0;
    });
    socket.on('message', () => socket.close(1008, 'this feed takes no messages from clients'));
    socket.on('error', () => socket.terminate());
    socket.on('close', () => this.#detach(client));
    const { version, epoch, simulated } = this.#options;
    const clusters = [...this.#clusters.byName.keys()];
    this.#send(client, encode({ type: 'hello', version, epoch, position: this.#position, clusters, simulated }));
  }

  /** Sends what has been gathered, now. */
  flush(): void {
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    this.#flushTimer = null;
    if (this.#workers.size > 0) this.#look([...this.#workers]);
    const from = this.#sent;
    const to = this.#position;
    const tasks = this.#tasks;
    const workers = this.#workers;
    if (tasks.size + workers.size === 0) return;
    this.#tasks = new Map();
    this.#workers = new Map();
    this.#sent = to;
    this.#flushed = performance.now();
    if (tasks.size + workers.size > this.#options.maxRecords) {
      for (const client of this.#clients) client.missingFrom ??= from;
      for (const client of this.#clients) this.#offer(client, null, to);
      return;
    }
    const now = this.#clock();
    const frame = encode({
      type: 'changes',
      from,
      to,
      tasks: Array.from(tasks, ([task, state]) => toTaskRecord(state, task, now)),
      workers: Array.from(workers, ([worker, state]) => toWorkerRecord(state, worker, livenessOf(worker, state, now))),
    });
    for (const client of this.#clients) this.#offer(client, frame, to);
  }

  /** Sends a frame to a client that can take it; a client that cannot misses it. */
  #offer(client: Client, frame: Buffer | null, to: Position): void {
    if (client.socket.bufferedAmount > this.#options.maxBuffered) {
      client.missingFrom ??= client.position;
      return;
    }
    if (client.missingFrom !== null) {
      // The frame is part of what it is told to fetch anew.
      const gap: FeedGap = { type: 'gap', from: client.missingFrom, to };
      client.missingFrom = null;
      this.#send(client, encode(gap));
    } else if (frame !== null) this.#send(client, frame);
    client.position = to;
  }

  #send(client: Client, frame: Buffer): void {
    if (client.socket.readyState === client.socket.OPEN) client.socket.send(frame, { binary: false });
  }

  /** Exposes workers whose liveness has changed since they were last looked at, with the tasks that depend on it. */
  #look(workers: Iterable<readonly [Worker, State]>): void {
    const now = this.#clock();
    const changed = new Map<State, Set<string>>();
    for (const [worker, state] of workers) {
      const before = this.#livenesses.get(worker);
      const liveness = livenessOf(worker, state, now);
      if (before && sameLiveness(before, liveness)) continue;
      this.#livenesses.set(worker, liveness);
      this.#workers.set(worker, state);
      const hostnames = changed.get(state);
      if (hostnames) hostnames.add(worker.hostname);
      else changed.set(state, new Set([worker.hostname]));
    }
    for (const [state, hostnames] of changed) {
      for (const task of executedBy(state, hostnames)) this.#tasks.set(task, state);
    }
  }

  *#allWorkers(): Generator<readonly [Worker, State], void, undefined> {
    for (const state of this.#clusters.byName.values()) {
      for (const worker of state.workers.values()) yield [worker, state];
    }
  }

  /** Time alone changes a worker's status; and a client that went away without a word has to be found out. */
  #tick(): void {
    this.#look(this.#allWorkers());
    for (const client of this.#clients) {
      if (client.silent++ >= SILENT_TICKS) client.socket.terminate();
      else if (client.silent % 10 === 1) client.socket.ping();
      if (client.missingFrom !== null) this.#offer(client, null, this.#sent);
    }
    this.flush();
  }

  #detach(client: Client): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#tasks.clear();
    this.#workers.clear();
    if (this.#flushTimer) clearTimeout(this.#flushTimer);
    if (this.#tickTimer) clearInterval(this.#tickTimer);
    this.#flushTimer = null;
    this.#tickTimer = null;
  }

  /** Says goodbye to every client (1001, going away). */
  async [Symbol.asyncDispose](): Promise<void> {
    this.flush();
    await Promise.all(
      Array.from(this.#clients, async ({ socket }) => {
        const closed = new Promise((resolve) => socket.once('close', resolve));
        const impatience = setTimeout(() => socket.terminate(), 1000);
        socket.close(1001, 'celerycam is shutting down');
        await closed;
        clearTimeout(impatience);
      }),
    );
  }
}

/** As bytes: one encoding for all clients. */
function encode(message: FeedMessage): Buffer {
  return Buffer.from(JSON.stringify(message));
}
