/** The live feed without a network: sockets that a test fills and empties, and a server that can be restarted. */
import { EventEmitter } from 'node:events';
import type { WebSocket } from 'ws';
import { type FeedMessage, feedMessage } from '../../src/contract/feed.ts';
import type { Event, JournalEntry } from '../../src/domain/event.ts';
import { type Clusters, createClusters, type FoldName, fold, stateOf } from '../../src/domain/state.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { HUB_DEFAULTS, Hub, type HubOptions, type HubParts } from '../../src/live/hub.ts';

/** As much of a WebSocket as the hub uses. */
export class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readonly CLOSED = 3;
  readyState = 1;
  pings = 0;
  closed: readonly [number, string] | null = null;
  readonly frames: Buffer[] = [];
  /** Frames before this one were looked at. */
  #read = 0;
  #buffered = 0;
  #written: (() => void)[] = [];

  /** Bytes that wait. */
  get bufferedAmount(): number {
    return this.#buffered;
  }
  /** The client takes nothing while there are any, and everything when there are none. */
  set bufferedAmount(bytes: number) {
    this.#buffered = bytes;
    if (bytes === 0) for (const done of this.#written.splice(0)) done();
  }
  get messages(): FeedMessage[] {
    return this.frames.map(parse);
  }
  /** The messages since it was last asked. */
  news(): FeedMessage[] {
    const frames = this.frames.slice(this.#read);
    this.#read = this.frames.length;
    return frames.map(parse);
  }
  send(frame: Buffer): void {
    this.frames.push(frame);
    this.emit('frame');
  }
  ping(_data?: unknown, _mask?: boolean, done?: () => void): void {
    if (!done) this.pings += 1;
    else if (this.#buffered === 0) done();
    else this.#written.push(done);
  }
  close(code: number, reason: string): void {
    this.closed = [code, reason];
    this.terminate();
  }
  terminate(): void {
    if (this.readyState === this.CLOSED) return;
    this.readyState = this.CLOSED;
    this.bufferedAmount = 0;
    this.emit('close');
  }
  /** What the client says. */
  say(message: unknown): void {
    this.emit('message', Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), false);
  }
}

function parse(frame: Buffer): FeedMessage {
  return feedMessage.parse(JSON.parse(frame.toString()));
}

/** A journal in memory. */
export class FakeJournal {
  readonly entries: JournalEntry[] = [];
  /** What retention has dropped: positions up to this one. */
  pruned = 0;
  reads = 0;
  /** Entries that were read. */
  given = 0;
  /** Called when a question has been asked and is not answered yet. */
  onRead: () => void = () => undefined;

  async *read({ after, upTo }: { readonly after: number; readonly upTo: number }): AsyncGenerator<JournalEntry[]> {
    this.reads += 1;
    this.onRead();
    await Promise.resolve();
    const wanted = this.entries.filter(({ position }) => position > Math.max(after, this.pruned) && position <= upTo);
    for (let n = 0; n < wanted.length; n += 7) {
      const page = wanted.slice(n, n + 7);
      this.given += page.length;
      yield page;
    }
  }
  async latest({ upTo, events, bytes }: Parameters<Journal['latest']>[0]): Promise<number> {
    let after = upTo;
    for (let left = bytes; after > upTo - events && after > 0; after -= 1) {
      left -= this.entries[after - 1]?.size ?? 0;
      if (left < 0) break;
    }
    return after;
  }
  async head(): Promise<number> {
    return this.entries.length;
  }
}

/** A hub with a fold and a journal before it, as the program has them. */
export class FakeServer {
  readonly clusters: Clusters;
  readonly journal = new FakeJournal();
  readonly hub: Hub;
  readonly failures: unknown[] = [];
  now = 1000;

  constructor(options: Partial<HubOptions & HubParts> & { readonly fold?: FoldName; readonly maxTasks?: number } = {}) {
    const { fold: name = 'strict', maxTasks = 1000, ...rest } = options;
    this.clusters = rest.clusters ?? createClusters({ maxTasks, maxWorkers: 10 }, { fold: name });
    this.hub = new Hub(
      {
        clusters: this.clusters,
        clock: () => this.now,
        journal: this.journal,
        snapshots: { loadTasks: async () => [] },
        pending: () => undefined,
        failed: (error) => this.failures.push(error),
        ...rest,
      },
      { version: '1', epoch: 'e', simulated: false, ...HUB_DEFAULTS, ...rest },
    );
  }

  /** Connects a client. @param query of its URL */
  attach(query = ''): FakeSocket {
    const socket = new FakeSocket();
    this.hub.attach(socket as unknown as WebSocket, new URLSearchParams(query));
    return socket;
  }

  /** One event through journal, fold and hub, as the pipeline does it. */
  record(event: { type: string; [field: string]: string | number | null }, cluster = 'c'): void {
    this.fold(event, cluster);
    this.hub.publish(this.clusters.position);
  }

  /** The same as far as the middle of a batch: it is not published yet. */
  fold(event: { type: string; [field: string]: string | number | null }, cluster = 'c'): void {
    const position = this.clusters.position + 1;
    const common = { hostname: 'w@h', timestamp: this.now, clock: position, pid: 1, utcoffset: 0 };
    const whole: Event = { ...common, ...event };
    const size = JSON.stringify(whole).length;
    const entry = { position, cluster, local_received: this.now, event: whole, size };
    this.journal.entries.push(entry);
    this.hub.expose(stateOf(this.clusters, cluster), entry, fold(this.clusters, entry));
  }
}

/** Lets everything happen that waits for nothing but a turn. */
export async function settle(turns = 20): Promise<void> {
  for (let n = 0; n < turns; n++) await new Promise((resolve) => setImmediate(resolve));
}
