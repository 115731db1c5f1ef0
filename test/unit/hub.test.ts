import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { WebSocket } from 'ws';
import { type Changes, type FeedMessage, feedMessage } from '../../src/contract/feed.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { HUB_DEFAULTS, Hub, type HubOptions } from '../../src/live/hub.ts';

/** As much of a WebSocket as the hub uses. */
class FakeSocket extends EventEmitter {
  readonly OPEN = 1;
  readyState = 1;
  bufferedAmount = 0;
  pings = 0;
  closed: [number, string] | null = null;
  readonly frames: Buffer[] = [];

  get messages(): FeedMessage[] {
    return this.frames.map((frame) => feedMessage.parse(JSON.parse(frame.toString())));
  }
  send(frame: Buffer): void {
    this.frames.push(frame);
  }
  ping(): void {
    this.pings += 1;
  }
  close(code: number, reason: string): void {
    this.closed = [code, reason];
    this.terminate();
  }
  terminate(): void {
    this.readyState = 3;
    this.emit('close');
  }
}

let clusters: Clusters;
let now: number;

beforeEach(() => {
  vi.useFakeTimers();
  clusters = createClusters({ maxTasks: 1000, maxWorkers: 10 });
  now = 1000;
});
afterEach(() => {
  vi.useRealTimers();
});

function createHub(options: Partial<HubOptions> = {}): Hub {
  return new Hub(clusters, () => now, { version: '1', epoch: 'e', simulated: false, ...HUB_DEFAULTS, ...options });
}

function attach(hub: Hub): FakeSocket {
  const socket = new FakeSocket();
  hub.attach(socket as unknown as WebSocket);
  return socket;
}

/** One event through fold and hub, as the pipeline does it. */
function record(hub: Hub, event: { type: string; [field: string]: string | number }): void {
  const position = clusters.position + 1;
  const common = { hostname: 'w@h', timestamp: now, clock: position, pid: 1, utcoffset: 0 };
  hub.expose('c', fold(clusters, { position, cluster: 'c', local_received: now, event: { ...common, ...event } }));
  hub.publish(position);
}

describe('changes', () => {
  test('a client hears the position it starts from, then what changed after it, once for many events', () => {
    const hub = createHub();
    record(hub, { type: 'task-received', uuid: 'before', name: 'n' });
    const socket = attach(hub);
    expect(socket.messages).toEqual([
      { type: 'hello', version: '1', epoch: 'e', position: 1, clusters: ['c'], simulated: false },
    ]);
    record(hub, { type: 'task-received', uuid: 'a', name: 'n' });
    record(hub, { type: 'task-started', uuid: 'a' });
    record(hub, { type: 'worker-heartbeat', freq: 2 });
    expect(socket.frames).toHaveLength(1);
    vi.advanceTimersByTime(HUB_DEFAULTS.coalesce * 1000);
    const [, changes] = socket.messages;
    expect(changes).toMatchObject({
      type: 'changes',
      from: 1,
      to: 4,
      tasks: [{ cluster: 'c', task_id: 'a', state: 'STARTED', name: 'n', worker: 'w@h', children: [] }],
      workers: [{ cluster: 'c', hostname: 'w@h', status: 'ONLINE' }],
    });
  });

  test('the first change after a pause is sent at once, the next ones together', () => {
    const hub = createHub({ coalesce: 0.03 });
    const socket = attach(hub);
    record(hub, { type: 'task-received', uuid: 'a' });
    vi.advanceTimersByTime(1);
    expect(socket.frames).toHaveLength(2);
    record(hub, { type: 'task-received', uuid: 'b' });
    vi.advanceTimersByTime(10);
    record(hub, { type: 'task-received', uuid: 'c' });
    expect(socket.frames).toHaveLength(2);
    vi.advanceTimersByTime(20);
    expect(socket.messages.at(-1)).toMatchObject({ from: 1, to: 3 });
  });

  test('ranges follow each other without holes, also for a client that comes later', () => {
    const hub = createHub();
    const first = attach(hub);
    record(hub, { type: 'task-received', uuid: 'a' });
    const second = attach(hub);
    record(hub, { type: 'task-received', uuid: 'b' });
    hub.flush();
    expect(first.messages.map((message) => ('to' in message ? [message.from, message.to] : message.position))).toEqual([
      0,
      [0, 1],
      [1, 2],
    ]);
    expect(second.messages.map((message) => ('to' in message ? [message.from, message.to] : message.position))).toEqual(
      [1, [1, 2]],
    );
  });

  test('all clients get the same bytes, put together once', () => {
    const hub = createHub();
    const sockets = [attach(hub), attach(hub)];
    record(hub, { type: 'task-received', uuid: 'a' });
    hub.flush();
    expect(sockets[0]?.frames[1]).toBe(sockets[1]?.frames[1]);
  });

  test('a worker that falls silent is told of, without any event', () => {
    const hub = createHub({ tick: 1 });
    const socket = attach(hub);
    record(hub, { type: 'worker-heartbeat', freq: 2 });
    hub.flush();
    now += 5;
    vi.advanceTimersByTime(1000);
    expect(socket.messages.at(-1)).toMatchObject({ from: 1, to: 1, workers: [{ hostname: 'w@h', status: 'SUSPECT' }] });
    const frames = socket.frames.length;
    vi.advanceTimersByTime(5000);
    expect(socket.frames).toHaveLength(frames);
  });
});

describe('a worker that goes away', () => {
  beforeEach(() => {
    clusters = createClusters({ maxTasks: 1000, maxWorkers: 10 }, { fold: 'strict' });
  });

  test('is SUSPECT, then lost, and its tasks are orphaned until it is heard of again', () => {
    const hub = createHub({ tick: 1 });
    const socket = attach(hub);
    const changes = (): (Changes | undefined)[] =>
      socket.messages.flatMap((each) => (each.type === 'changes' ? [each] : []));
    record(hub, { type: 'worker-heartbeat', freq: 2, active: 1, processed: 1 });
    record(hub, { type: 'task-started', uuid: 'a' });
    record(hub, { type: 'task-received', uuid: 'b' });
    hub.flush();
    expect(changes().at(-1)?.tasks).toMatchObject([{ orphaned: null }, { orphaned: null }]);
    now = 1005;
    vi.advanceTimersByTime(1000);
    expect(changes().at(-1)?.workers).toMatchObject([{ status: 'SUSPECT', reason: null, since: 1000 }]);
    now = 1030;
    vi.advanceTimersByTime(1000);
    expect(changes().at(-1)).toMatchObject({
      tasks: [{ task_id: 'a', state: 'STARTED', orphaned: { at: 1000, reason: 'lost' } }],
      workers: [{ status: 'OFFLINE', reason: 'lost', since: 1000 }],
    });
    const frames = socket.frames.length;
    vi.advanceTimersByTime(5000);
    expect(socket.frames).toHaveLength(frames);
    record(hub, { type: 'worker-heartbeat', freq: 2, active: 1, processed: 1 });
    hub.flush();
    expect(changes().at(-1)).toMatchObject({
      tasks: [{ task_id: 'a', orphaned: null }],
      workers: [{ status: 'ONLINE' }],
    });
  });
});

describe('a client that cannot keep up', () => {
  test('is not buffered for; it is told what it missed as soon as it can take it', () => {
    const hub = createHub({ maxBuffered: 100 });
    const slow = attach(hub);
    const fast = attach(hub);
    record(hub, { type: 'task-received', uuid: 'a' });
    hub.flush();
    slow.bufferedAmount = 101;
    record(hub, { type: 'task-received', uuid: 'b' });
    hub.flush();
    record(hub, { type: 'task-received', uuid: 'c' });
    hub.flush();
    expect(slow.frames).toHaveLength(2);
    expect(fast.frames).toHaveLength(4);
    slow.bufferedAmount = 0;
    vi.advanceTimersByTime(1000);
    expect(slow.messages).toContainEqual({ type: 'gap', from: 1, to: 3 });
    record(hub, { type: 'task-received', uuid: 'd' });
    hub.flush();
    expect(slow.messages.at(-1)).toMatchObject({ type: 'changes', from: 3, to: 4 });
  });

  test('more than one message can hold is a gap for everybody', () => {
    const hub = createHub({ maxRecords: 2 });
    const socket = attach(hub);
    for (const uuid of ['a', 'b', 'c']) record(hub, { type: 'task-received', uuid });
    hub.flush();
    expect(socket.messages.at(-1)).toEqual({ type: 'gap', from: 0, to: 3 });
  });

  test('is given up when it does not answer pings', () => {
    const hub = createHub();
    const dead = attach(hub);
    const alive = attach(hub);
    for (let i = 0; i < 60; i++) {
      vi.advanceTimersByTime(1000);
      alive.emit('pong');
    }
    expect(dead.pings).toBeGreaterThan(1);
    expect(dead.readyState).toBe(3);
    expect(hub.clients).toBe(1);
  });
});

describe('the end', () => {
  test('a client that talks is sent away with a reason', () => {
    const socket = attach(createHub());
    socket.emit('message', Buffer.from('hi'));
    expect(socket.closed).toEqual([1008, 'this feed takes no messages from clients']);
  });

  test('shutting down sends what is left and says goodbye; twice is once', async () => {
    const hub = createHub();
    const socket = attach(hub);
    record(hub, { type: 'task-received', uuid: 'a' });
    await hub[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
    expect(socket.messages.at(-1)).toMatchObject({ type: 'changes', to: 1 });
    expect(socket.closed?.[0]).toBe(1001);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is kept or timed while nobody looks on', () => {
    const hub = createHub();
    attach(hub).terminate();
    record(hub, { type: 'task-received', uuid: 'a' });
    expect(vi.getTimerCount()).toBe(0);
    expect(attach(hub).messages).toEqual([expect.objectContaining({ type: 'hello', position: 1 })]);
  });
});
