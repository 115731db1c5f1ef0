import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Changes, FeedMessage } from '../../src/contract/feed.ts';
import { HUB_DEFAULTS } from '../../src/live/hub.ts';
import { FakeServer } from '../support/feed.ts';

const ALL = { q: null, cluster: null, topics: ['tasks', 'workers'], events: [] };

let server: FakeServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});
afterEach(() => {
  expect(server.failures).toEqual([]);
  vi.useRealTimers();
});

function changesOf(messages: readonly FeedMessage[]): Changes[] {
  return messages.filter((message) => message.type === 'changes');
}

describe('changes', () => {
  test('a client that says nothing hears the position it starts from, then what changed after it, once for many events', () => {
    server.record({ type: 'task-received', uuid: 'before', name: 'n' });
    const socket = server.attach();
    expect(socket.news()).toEqual([
      {
        ...{ type: 'hello', protocol: 1, version: '1', epoch: 'e', position: 1, cursor: 'e:1' },
        ...{ clusters: ['c'], simulated: false },
      },
      { type: 'subscribed', id: null, ...ALL },
      { type: 'live', position: 1, cursor: 'e:1' },
    ]);
    server.record({ type: 'task-received', uuid: 'a', name: 'n' });
    server.record({ type: 'task-started', uuid: 'a' });
    server.record({ type: 'worker-heartbeat', freq: 2 });
    expect(socket.news()).toEqual([]);
    vi.advanceTimersByTime(HUB_DEFAULTS.coalesce * 1000);
    expect(socket.news()).toMatchObject([
      {
        ...{ type: 'changes', from: 1, to: 4, cursor: 'e:4', gone: { tasks: [], workers: [] }, all_workers: false },
        tasks: [{ cluster: 'c', task_id: 'a', state: 'STARTED', name: 'n', worker: 'w@h', children: [], result: null }],
        workers: [{ cluster: 'c', hostname: 'w@h', status: 'ONLINE' }],
      },
    ]);
  });

  test('a first client that comes in the middle of a batch misses nothing of it', () => {
    server.fold({ type: 'task-received', uuid: 'a' });
    const socket = server.attach();
    // Nobody was there to note the task for: the client begins after it, and can fetch it.
    expect(socket.news()).toMatchObject([{ type: 'hello', position: 1 }, { type: 'subscribed' }, { position: 1 }]);
    server.record({ type: 'task-received', uuid: 'b' });
    server.hub.flush();
    expect(changesOf(socket.messages)).toMatchObject([{ from: 1, to: 2, tasks: [{ task_id: 'b' }] }]);
  });

  test('fields that are null are not sent', () => {
    const socket = server.attach();
    server.record({ type: 'task-received', uuid: 'a' });
    server.hub.flush();
    expect(String(socket.frames.at(-1))).not.toContain('null');
  });

  test('the first change after a pause is sent at once, the next ones together', () => {
    const socket = server.attach();
    server.record({ type: 'task-received', uuid: 'a' });
    vi.advanceTimersByTime(1);
    expect(changesOf(socket.messages)).toHaveLength(1);
    server.record({ type: 'task-received', uuid: 'b' });
    vi.advanceTimersByTime(10);
    server.record({ type: 'task-received', uuid: 'c' });
    expect(changesOf(socket.messages)).toHaveLength(1);
    vi.advanceTimersByTime(HUB_DEFAULTS.coalesce * 1000);
    expect(socket.messages.at(-1)).toMatchObject({ from: 1, to: 3 });
  });

  test('ranges follow each other without holes, also for a client that comes later', () => {
    const first = server.attach();
    server.record({ type: 'task-received', uuid: 'a' });
    const second = server.attach();
    server.record({ type: 'task-received', uuid: 'b' });
    server.hub.flush();
    const ranges = (messages: FeedMessage[]): unknown => changesOf(messages).map(({ from, to }) => [from, to]);
    expect(ranges(first.messages)).toEqual([
      [0, 1],
      [1, 2],
    ]);
    expect(ranges(second.messages)).toEqual([[1, 2]]);
  });

  test('more than one message can hold are several, of which the last goes on', () => {
    server = new FakeServer({ maxRecords: 2 });
    const socket = server.attach();
    for (const uuid of ['a', 'b', 'c']) server.record({ type: 'task-received', uuid });
    server.hub.flush();
    expect(changesOf(socket.messages).map(({ from, to, tasks }) => [from, to, tasks.length])).toEqual([
      [0, 0, 2],
      [0, 3, 1],
    ]);
  });

  test('long records, and long events, are told by several messages', () => {
    server = new FakeServer({ maxText: 1000 });
    const [records, events] = [server.attach('topics=tasks'), server.attach('topics=events')];
    for (const [uuid, length] of Object.entries({ a: 400, b: 700, c: 5000, d: 1 }))
      server.record({ type: 'task-received', uuid, args: 'x'.repeat(length) });
    server.hub.flush();
    const told = ({ from, to, tasks, events }: Changes): unknown[] => [
      ...[from, to, tasks.map(({ task_id }) => task_id).join('')],
      events.map(({ event }) => event.uuid).join(''),
    ];
    expect(changesOf(records.messages).map(told)).toEqual([
      [0, 0, 'ab', ''],
      [0, 0, 'c', ''],
      [0, 4, 'd', ''],
    ]);
    expect(changesOf(events.messages).map(told)).toEqual([
      [0, 2, '', 'ab'],
      [2, 3, '', 'c'],
      [3, 4, '', 'd'],
    ]);
  });

  test('a parent is told when it gets a child', () => {
    const socket = server.attach();
    server.record({ type: 'task-received', uuid: 'parent', name: 'n' });
    server.hub.flush();
    server.record({ type: 'task-received', uuid: 'child', name: 'n', parent_id: 'parent' });
    server.hub.flush();
    const { tasks } = changesOf(socket.messages).at(-1) as Changes;
    expect(tasks).toMatchObject([{ task_id: 'child' }, { task_id: 'parent', children: ['child'] }]);
  });

  test('a worker that falls silent is told of, without any event; when all is quiet, that nothing has changed', () => {
    const socket = server.attach();
    server.record({ type: 'worker-heartbeat', freq: 2 });
    server.hub.flush();
    server.now += 5;
    vi.advanceTimersByTime(1000);
    expect(socket.messages.at(-1)).toMatchObject({ from: 1, to: 1, workers: [{ hostname: 'w@h', status: 'SUSPECT' }] });
    socket.news();
    vi.advanceTimersByTime(13_000);
    expect(socket.news()).toEqual([]);
    vi.advanceTimersByTime(2000);
    expect(socket.news()).toMatchObject([{ type: 'changes', from: 1, to: 1, tasks: [], workers: [], cursor: 'e:1' }]);
  });

  test('a worker of which only its tasks tell is told with the next tick', () => {
    const socket = server.attach();
    server.record({ type: 'worker-heartbeat', freq: 2 });
    server.hub.flush();
    socket.news();
    server.now += 1;
    server.record({ type: 'task-received', uuid: 'a', name: 'n' });
    server.hub.flush();
    expect(socket.news()).toMatchObject([{ tasks: [{ task_id: 'a' }], workers: [] }]);
    vi.advanceTimersByTime(1000);
    expect(socket.news()).toMatchObject([{ tasks: [], workers: [{ heartbeats: [1001] }] }]);
  });

  test('a worker that memory drops is gone', () => {
    const socket = server.attach();
    for (let n = 0; n < 10; n++) server.record({ type: 'worker-heartbeat', hostname: `w${n}@h` });
    server.hub.flush();
    server.record({ type: 'worker-heartbeat', hostname: 'new@h' });
    vi.advanceTimersByTime(1000);
    const gone = changesOf(socket.messages).flatMap((message) => message.gone.workers);
    expect(gone).toEqual([{ cluster: 'c', hostname: 'w0@h' }]);
  });
});

describe('a worker that goes away', () => {
  test('is SUSPECT, then lost, and its tasks are orphaned until it is heard of again', () => {
    const socket = server.attach();
    const last = (): Changes | undefined => changesOf(socket.messages).at(-1);
    server.record({ type: 'worker-heartbeat', freq: 2, active: 1, processed: 1 });
    server.record({ type: 'task-started', uuid: 'a' });
    server.record({ type: 'task-received', uuid: 'b' });
    server.hub.flush();
    expect(last()?.tasks).toMatchObject([{ orphaned: null }, { orphaned: null }]);
    server.now = 1005;
    vi.advanceTimersByTime(1000);
    expect(last()?.workers).toMatchObject([{ status: 'SUSPECT', reason: null, since: 1000 }]);
    server.now = 1030;
    vi.advanceTimersByTime(1000);
    expect(last()).toMatchObject({
      tasks: [{ task_id: 'a', state: 'STARTED', orphaned: { at: 1000, reason: 'lost' } }],
      workers: [{ status: 'OFFLINE', reason: 'lost', since: 1000 }],
    });
    const frames = socket.frames.length;
    vi.advanceTimersByTime(5000);
    expect(socket.frames).toHaveLength(frames);
    server.record({ type: 'worker-heartbeat', freq: 2, active: 1, processed: 1 });
    server.hub.flush();
    expect(last()).toMatchObject({ tasks: [{ task_id: 'a', orphaned: null }], workers: [{ status: 'ONLINE' }] });
  });

  test('a task of which its worker says that it executes nothing is told, although it has no event', () => {
    server.record({ type: 'worker-heartbeat', freq: 2, active: 0, processed: 0 });
    server.record({ type: 'task-started', uuid: 'a' });
    const socket = server.attach();
    for (let n = 0; n < 30; n++) {
      server.now += 2;
      server.record({ type: 'worker-heartbeat', freq: 2, active: 0, processed: 1 });
      vi.advanceTimersByTime(1000);
    }
    const told = changesOf(socket.messages).flatMap(({ tasks }) => tasks);
    expect(told).toMatchObject([{ task_id: 'a', doubt: expect.stringContaining('executes nothing') }]);
  });
});

describe('equal subscriptions', () => {
  test('get the same bytes, put together once, however they are written', () => {
    const sockets = [
      server.attach('q=state:STARTED name:n'),
      server.attach('q=state:started  AND (name:n)&topics=workers,tasks'),
      server.attach('q=state:STARTED'),
    ];
    server.record({ type: 'task-received', uuid: 'a', name: 'n' });
    server.record({ type: 'task-started', uuid: 'a' });
    server.hub.flush();
    const [first, second, third] = sockets.map((socket) => socket.frames.at(-1));
    expect(first).toBe(second);
    expect(first).not.toBe(third);
    expect(sockets[2]?.messages.at(-1)).toMatchObject({ tasks: [{ task_id: 'a' }] });
  });
});

describe('the end', () => {
  test('a client that does not answer pings is given up', () => {
    const dead = server.attach();
    const alive = server.attach();
    for (let i = 0; i < 60; i++) {
      vi.advanceTimersByTime(1000);
      alive.emit('pong');
    }
    expect(dead.pings).toBeGreaterThan(1);
    expect(dead.readyState).toBe(3);
    expect(server.hub.clients).toBe(1);
  });

  test('shutting down sends what is left and says goodbye; twice is once', async () => {
    const socket = server.attach();
    server.record({ type: 'task-received', uuid: 'a' });
    await server.hub[Symbol.asyncDispose]();
    await server.hub[Symbol.asyncDispose]();
    expect(socket.messages.at(-1)).toMatchObject({ type: 'changes', to: 1 });
    expect(socket.closed?.[0]).toBe(1001);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('nothing is timed while nobody looks on', () => {
    server.attach().terminate();
    server.record({ type: 'task-received', uuid: 'a' });
    expect(vi.getTimerCount()).toBe(0);
    expect(server.attach().messages).toMatchObject([
      { type: 'hello', position: 1 },
      { type: 'subscribed' },
      { type: 'live' },
    ]);
  });
});
