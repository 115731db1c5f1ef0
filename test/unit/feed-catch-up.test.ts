/** Clients that come back, come late, or read slowly. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Changes, FeedMessage } from '../../src/contract/feed.ts';
import { stateOf } from '../../src/domain/state.ts';
import type { Task } from '../../src/domain/task.ts';
import { MonitorError } from '../../src/errors.ts';
import { follow } from '../../src/live/stream.ts';
import { readParams } from '../../src/live/subscription.ts';
import { FakeServer, type FakeSocket, settle } from '../support/feed.ts';

let server: FakeServer;

beforeEach(() => {
  // Nothing is sent by itself.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] });
  server = new FakeServer();
});
afterEach(async () => {
  vi.useRealTimers();
  expect(server.failures).toEqual([]);
  await server.hub[Symbol.asyncDispose]();
});

/** A task that is received and ends; two events. */
function task(uuid: string, name = 'n'): void {
  server.record({ type: 'task-received', uuid, name });
  server.record({ type: 'task-succeeded', uuid, result: '1', runtime: 1 });
}

async function news(socket: FakeSocket): Promise<FeedMessage[]> {
  await settle();
  return socket.news();
}

function changes(messages: readonly FeedMessage[]): Changes[] {
  return messages.filter((message) => message.type === 'changes');
}

const ids = ({ tasks }: { readonly tasks: readonly { readonly task_id: string }[] }): string[] =>
  tasks.map(({ task_id }) => task_id);

describe('a cursor', () => {
  test('gives every record that changed since, once and as it is now, then what changes next', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    server.record({ type: 'worker-heartbeat' });
    const socket = server.attach('after=e:2');
    const messages = await news(socket);
    expect(messages.map(({ type }) => type)).toEqual(['hello', 'subscribed', 'changes', 'live']);
    expect(messages[2]).toMatchObject({
      ...{ from: 2, to: 7, cursor: 'e:7', all_workers: true, workers: [{ hostname: 'w@h' }] },
      tasks: [
        { task_id: 'b', state: 'SUCCESS' },
        { task_id: 'c', state: 'SUCCESS' },
      ],
    });
    task('d');
    server.hub.flush();
    expect(await news(socket)).toMatchObject([{ from: 7, to: 9, tasks: [{ task_id: 'd' }] }]);
    expect(server.journal.reads).toBe(0);
  });

  test('tells what stopped matching meanwhile', async () => {
    server.record({ type: 'task-started', uuid: 'a' });
    const first = server.attach('after=e:0&q=state:STARTED');
    expect(changes(await news(first)).flatMap(ids)).toEqual(['a']);
    first.terminate();
    server.record({ type: 'task-succeeded', uuid: 'a' });
    const [told] = changes(await news(server.attach('after=e:1&q=state:STARTED')));
    expect(told).toMatchObject({ tasks: [], gone: { tasks: [{ cluster: 'c', task_id: 'a' }] } });
  });

  test('tells what time alone has made of tasks that are executed', async () => {
    server.record({ type: 'worker-heartbeat', freq: 2, active: 1, processed: 1 });
    server.record({ type: 'task-started', uuid: 'a' });
    server.record({ type: 'task-received', uuid: 'b' });
    server.now += 40;
    const [told] = changes(await news(server.attach('after=e:3')));
    expect(told).toMatchObject({
      ...{ from: 3, to: 3, workers: [{ status: 'OFFLINE', reason: 'lost' }] },
      tasks: [{ task_id: 'a', orphaned: { reason: 'lost' } }],
    });
    expect(told?.tasks).toHaveLength(1);
  });

  test('a task that changes again while others are told of is told again', async () => {
    server = new FakeServer({ trail: 1 });
    for (const uuid of ['a', 'b']) task(uuid);
    server.journal.onRead = () => {
      server.journal.onRead = () => undefined;
      server.record({ type: 'worker-heartbeat' });
    };
    const socket = server.attach('after=e:0&topics=tasks');
    const onFrame = (): void => {
      if (socket.messages.at(-1)?.type !== 'changes') return;
      socket.off('frame', onFrame);
      server.record({ type: 'task-received', uuid: 'a', name: 'again' });
    };
    socket.on('frame', onFrame);
    const told = changes(await news(socket));
    expect(told.map(ids)).toEqual([['a', 'b'], ['a']]);
    expect(told[1]).toMatchObject({ from: 4, to: 6, tasks: [{ name: 'again' }] });
  });

  test('older than the trail is answered from the journal, and after a restart, too', async () => {
    server = new FakeServer({ trail: 2 });
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const messages = await news(server.attach('after=e:2&events=task-*'));
    const [first] = changes(messages);
    expect(first && ids(first)).toEqual(['b', 'c']);
    expect(first?.events.map(({ position }) => position)).toEqual([3, 4, 5, 6]);
    expect(server.journal.reads).toBeGreaterThan(0);
  });

  test('of what a restarted server recalls needs no question', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const { clusters, journal } = server;
    server = new FakeServer({ clusters, journal });
    await server.hub.recall();
    const { reads } = journal;
    expect(changes(await news(server.attach('after=e:2'))).flatMap(ids)).toEqual(['b', 'c']);
    expect(journal.reads).toBe(reads);
  });

  test('older than what a restarted server may read to recall is answered from the journal, all the same', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const { clusters, journal } = server;
    const recalledBytes = journal.entries.slice(-3).reduce((sum, { size = 0 }) => sum + size, 0);
    server = new FakeServer({ clusters, journal, recalledBytes });
    await server.hub.recall();
    expect(journal.given).toBe(3);
    expect(changes(await news(server.attach('after=e:3'))).flatMap(ids)).toEqual(['b', 'c']);
    expect(journal.given).toBe(3);
    expect(changes(await news(server.attach('after=e:2'))).flatMap(ids)).toEqual(['b', 'c']);
    expect(journal.given).toBe(7);
    journal.pruned = 3;
    expect((await news(server.attach('after=e:2')))[2]).toMatchObject({ type: 'reset', reason: 'pruned' });
  });

  test('is not answered by a server that could recall nothing', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const { clusters, journal } = server;
    journal.pruned = 6;
    server = new FakeServer({ clusters, journal });
    await server.hub.recall();
    expect((await news(server.attach('after=e:2')))[2]).toMatchObject({ type: 'reset', reason: 'pruned' });
  });

  test('comes in parts that each can be gone on from', async () => {
    server = new FakeServer({ maxTasks: 2000 });
    for (let n = 0; n < 1200; n++) server.record({ type: 'task-received', uuid: `t${n}`, name: 'n' });
    const parts = changes(await news(server.attach('after=e:0&topics=tasks')));
    expect(parts.map(({ from, to, tasks }) => [from, to, tasks.length])).toEqual([
      [0, 500, 500],
      [500, 1000, 500],
      [1000, 1200, 200],
    ]);
  });

  test.each([
    ['other:1', 'epoch', 'the cursor belongs to another journal: fetch anew what you hold'],
    ['e:99', 'future', expect.stringContaining('beyond the end of the journal')],
    ['e:0', 'too-much', expect.stringContaining('more events')],
    ['e:1', 'pruned', expect.stringContaining('does not reach back')],
  ])('%s that cannot be gone on from is a reset, %s', async (after, reason, message) => {
    server = new FakeServer({ trail: 1, maxEvents: 5 });
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    server.journal.pruned = 3;
    const socket = server.attach(`after=${after}`);
    const messages = await news(socket);
    expect(messages.map(({ type }) => type)).toEqual(['hello', 'subscribed', 'reset', 'changes', 'live']);
    expect(messages[2]).toEqual({ type: 'reset', reason, message, position: 6, cursor: 'e:6' });
    const withSnapshot = await news(server.attach(`after=${after}&snapshot=true`));
    expect(withSnapshot.map(({ type }) => type)).toEqual([
      ...['hello', 'subscribed', 'reset', 'snapshot', 'changes', 'live'],
    ]);
  });

  test('ahead of this server, which another recorder gave, is waited for', async () => {
    task('a');
    const entry = { position: 3, cluster: 'c', local_received: 1000, event: { type: 'worker-heartbeat' } };
    server.journal.entries.push(entry);
    const socket = server.attach('after=e:3&topics=tasks');
    expect((await news(socket)).map(({ type }) => type)).toEqual(['hello', 'subscribed']);
    server.journal.entries.pop();
    server.record({ type: 'task-received', uuid: 'b' });
    server.record({ type: 'task-received', uuid: 'c' });
    server.hub.flush();
    const messages = await news(socket);
    expect(changes(messages).flatMap(ids)).toEqual(['c']);
  });

  test('whose tasks memory has dropped takes them from the database, and waits for that', async () => {
    let isDown = true;
    const loads: string[][] = [];
    const { clusters } = server;
    server = new FakeServer({
      clusters,
      snapshots: {
        loadTasks: async (_, uuids) => {
          loads.push([...uuids]);
          if (isDown) throw new MonitorError('DATABASE_UNREACHABLE', 'down');
          const found = uuids.flatMap((uuid) => dropped.get(uuid) ?? []);
          return found;
        },
      },
    });
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const tasks = clusters.byName.get('c')?.tasks;
    const dropped = new Map([...(tasks ?? [])].filter(([uuid]) => uuid !== 'c'));
    for (const uuid of dropped.keys()) tasks?.delete(uuid);
    const socket = server.attach('after=e:0&topics=tasks');
    expect((await news(socket)).map(({ type }) => type)).toEqual(['hello', 'subscribed']);
    isDown = false;
    while (socket.messages.at(-1)?.type !== 'live') await settle();
    expect(changes(socket.news()).flatMap(ids)).toEqual(['a', 'b', 'c']);
    expect(loads).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });

  test('whose tasks are long takes few of them from the database at a time, each once, in messages that are not too long', async () => {
    const { clusters, journal } = server;
    for (let n = 0; n < 250; n++) server.record({ type: 'task-received', uuid: `t${n}`, args: 'x'.repeat(100) });
    const tasks = clusters.byName.get('c')?.tasks;
    const dropped = new Map(tasks);
    for (const uuid of dropped.keys()) tasks?.delete(uuid);
    const loads: number[] = [];
    const loadTasks = async (_: string, uuids: readonly string[]): Promise<Task[]> => {
      loads.push(uuids.length);
      return uuids.flatMap((uuid) => dropped.get(uuid) ?? []);
    };
    server = new FakeServer({ clusters, journal, snapshots: { loadTasks }, maxText: 1000 });
    const socket = server.attach('after=e:0&topics=tasks');
    while (socket.messages.at(-1)?.type !== 'live') await settle();
    const told = changes(socket.messages);
    expect(told.flatMap(ids)).toEqual([...dropped.keys()]);
    for (const { from, to, tasks } of told) expect(to - from).toBe(tasks.length);
    for (const frame of socket.frames) expect(frame.length).toBeLessThan(1500);
    // What is not needed yet is not read.
    expect(Math.max(...loads)).toBe(100);
  });

  test('whose task memory drops while others are looked up tells it all the same', async () => {
    const { clusters, journal } = server;
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const tasks = clusters.byName.get('c')?.tasks;
    const stored = new Map(tasks);
    tasks?.delete('a');
    const loadTasks = async (_: string, uuids: readonly string[]): Promise<Task[]> => {
      tasks?.delete('b');
      return uuids.flatMap((uuid) => stored.get(uuid) ?? []);
    };
    for (const query of ['topics=tasks', 'topics=tasks,events&q=state:SUCCESS']) {
      if (!tasks?.has('b')) tasks?.add(stored.get('b') as Task);
      server = new FakeServer({ clusters, journal, snapshots: { loadTasks } });
      const told = changes(await news(server.attach(`after=e:0&${query}`)));
      expect(told.flatMap(ids)).toEqual(['a', 'b', 'c']);
      expect(told.flatMap(({ gone }) => gone.tasks)).toEqual([]);
      const positions = told.flatMap(({ events }) => events.map(({ position }) => position));
      expect(positions).toEqual(query.includes('events') ? [1, 2, 3, 4, 5, 6] : []);
    }
  });

  test('an error that is none of the database is told to the log, and the client sent away', async () => {
    const failures: unknown[] = [];
    const loadTasks = (): never => {
      throw new TypeError('a fault');
    };
    server = new FakeServer({ snapshots: { loadTasks }, failed: (error) => failures.push(error) });
    task('a');
    server.clusters.byName.get('c')?.tasks.delete('a');
    const socket = server.attach('after=e:0');
    await settle();
    expect(failures).toEqual([new TypeError('a fault')]);
    expect(socket.closed?.[0]).toBe(1011);
  });
});

describe('a snapshot', () => {
  test('comes in smaller parts where its tasks are long', async () => {
    const args = 'x'.repeat(100 << 10);
    for (let n = 0; n < 7; n++) server.record({ type: 'task-received', uuid: `t${n}`, name: 'n', args });
    const messages = await news(server.attach('snapshot=true'));
    const parts = messages.filter((message) => message.type === 'snapshot');
    expect(parts.map(({ part, last, tasks }) => [part, last, ids({ tasks })])).toEqual([
      [0, false, ['t0', 't1', 't2']],
      [1, false, ['t3', 't4', 't5']],
      [2, true, ['t6']],
    ]);
  });

  test('of many at once holds nothing else up', async () => {
    server = new FakeServer({ maxTasks: 2000 });
    for (let n = 0; n < 1200; n++) server.record({ type: 'task-received', uuid: `t${n}`, name: 'n' });
    const { tasks } = stateOf(server.clusters, 'c');
    const search = vi.spyOn(tasks, 'values');
    const sockets = Array.from({ length: 40 }, (_, n) => server.attach(`snapshot=true&q=NOT name:${n}`));
    expect(search.mock.calls.length).toBeLessThanOrEqual(4);
    const sent = (): number => sockets.reduce((sum, { frames }) => sum + frames.length, 0);
    const last = (): number => sockets.filter(({ frames }) => String(frames.at(-1)).includes('"live"')).length;
    while (last() < sockets.length) {
      const before = [sent(), search.mock.calls.length] as const;
      await settle(1);
      // Four are served in a turn of the event loop, each with a part at most, and what is told when all is sent.
      expect(sent() - before[0]).toBeLessThanOrEqual(8);
      expect(search.mock.calls.length - before[1]).toBeLessThanOrEqual(4);
    }
  });

  test('comes in parts, and what changed meanwhile comes after it', async () => {
    server = new FakeServer({ maxTasks: 2000 });
    for (let n = 0; n < 1001; n++)
      server.record({ type: 'task-received', uuid: `t${n}`, name: n % 2 ? 'odd' : 'even' });
    server.record({ type: 'worker-heartbeat' });
    const socket = server.attach('snapshot=true&q=name:even');
    await settle(1);
    server.record({ type: 'task-started', uuid: 't0' });
    server.record({ type: 'task-received', uuid: 'new', name: 'even' });
    await settle();
    server.hub.flush();
    const messages = socket.news();
    const parts = messages.filter((message) => message.type === 'snapshot');
    expect(
      parts.map(({ part, last, tasks, workers, cursor, omitted }) => [
        part,
        last,
        tasks.length,
        workers.length,
        cursor,
        omitted,
      ]),
    ).toEqual([
      [0, false, 500, 0, null, 0],
      [1, true, 1, 1, 'e:1002', 0],
    ]);
    expect(changes(messages).flatMap(ids)).toEqual(expect.arrayContaining(['t0', 'new']));
    expect(changes(messages).at(-1)).toMatchObject({ to: 1004 });
  });

  test('of long records comes in more parts', async () => {
    server = new FakeServer({ maxText: 1000 });
    for (const uuid of ['a', 'b', 'c', 'd'])
      server.record({ type: 'task-received', uuid, args: 'x'.repeat(uuid === 'b' ? 5000 : 400) });
    const parts = (await news(server.attach('snapshot=true'))).filter((message) => message.type === 'snapshot');
    expect(parts.map((part) => [part.part, part.last, ids(part).join('')])).toEqual([
      [0, false, 'ab'],
      [1, true, 'cd'],
    ]);
  });

  test('of too many tasks are the newest, and says how many there are besides', async () => {
    server = new FakeServer({ maxTasks: 20_000 });
    for (let n = 0; n < 10_030; n++) server.record({ type: 'task-received', uuid: `t${n}`, name: 'n' });
    const socket = server.attach('snapshot=true&topics=tasks');
    while (socket.messages.at(-1)?.type !== 'live') await settle();
    const parts = socket.messages.filter((message) => message.type === 'snapshot');
    expect(parts.flatMap(ids)).toHaveLength(10_000);
    expect(parts[0]).toMatchObject({ omitted: 30, tasks: [{ task_id: 't30' }, ...Array(499).fill({})] });
  });
});

describe('a client that reads slowly', () => {
  test('is told, gets nothing more, and once it has read what it has, every record that changed once; nobody waits for it', async () => {
    server = new FakeServer({ maxBuffered: 100 });
    const [slow, fast] = [server.attach('topics=tasks'), server.attach('topics=tasks')];
    task('a');
    server.hub.flush();
    for (const socket of [slow, fast]) socket.news();
    slow.bufferedAmount = 101;
    for (const uuid of ['b', 'c', 'b']) {
      task(uuid);
      server.hub.flush();
    }
    expect((await news(slow)).map((message) => message)).toEqual([{ type: 'behind', buffered: 101 }]);
    expect(changes(await news(fast)).map(ids)).toEqual([['b'], ['c'], ['b']]);
    slow.bufferedAmount = 0;
    const messages = await news(slow);
    expect(messages.map(({ type }) => type)).toEqual(['changes', 'live']);
    expect(messages[0]).toMatchObject({ from: 2, to: 8 });
    expect(changes(messages).map((message) => ids(message).sort())).toEqual([['b', 'c']]);
    task('d');
    server.hub.flush();
    expect(await news(slow)).toMatchObject([{ from: 8, to: 10, tasks: [{ task_id: 'd' }] }]);
  });

  test('in the middle of much that happened goes on with the first event that it was not told', async () => {
    server = new FakeServer({ maxBuffered: 100, maxText: 500 });
    const socket = server.attach('topics=events');
    // Its connection takes one message more, and then nothing.
    socket.on('frame', () => {
      if (socket.messages.at(-1)?.type === 'changes') socket.bufferedAmount = 101;
    });
    for (const uuid of ['a', 'b', 'c', 'd']) server.record({ type: 'task-sent', uuid, args: 'x'.repeat(400) });
    server.hub.flush();
    expect(socket.messages.map(({ type }) => type).slice(-2)).toEqual(['changes', 'behind']);
    socket.removeAllListeners('frame');
    socket.bufferedAmount = 0;
    await settle();
    const told = changes(socket.messages).flatMap(({ events }) => events.map(({ position }) => position));
    expect(told).toEqual([1, 2, 3, 4]);
  });

  test('ten that never read do not keep another from being brought up to date', async () => {
    for (const uuid of ['a', 'b']) task(uuid);
    for (let n = 0; n < 10; n++) server.attach('after=e:0').bufferedAmount = 1000;
    expect((await news(server.attach('after=e:0'))).at(-1)).toMatchObject({ type: 'live' });
  });
});

describe('a client that asks for something else while it is brought up to date', () => {
  const again = { type: 'subscribe', topics: ['tasks'] };

  test('goes on from the cursor that it gives, wherever its former one led', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    // Another recorder is further: the client waits until this one is so, too.
    server.journal.head = async () => 8;
    const socket = server.attach('after=e:8');
    await settle();
    socket.bufferedAmount = 1;
    socket.say({ ...again, after: 'e:2' });
    await settle();
    task('d');
    await settle();
    socket.news();
    socket.bufferedAmount = 0;
    expect((await news(socket)).map(({ type }) => type)).toEqual(['changes', 'live']);
    expect(changes(socket.messages)).toMatchObject([
      { from: 2, to: 8, tasks: [{ task_id: 'b' }, { task_id: 'c' }, { task_id: 'd' }] },
    ]);
  });

  test('is not told that its former cursor lies beyond the end of the journal', async () => {
    let answer: (head: number) => void = () => undefined;
    server.journal.head = () => new Promise((resolve) => (answer = resolve));
    const socket = server.attach('after=e:99');
    socket.say(again);
    answer(0);
    expect((await news(socket)).map(({ type }) => type)).toEqual(['hello', 'subscribed', 'subscribed', 'live']);
  });

  test('is not told that what changed after its former cursor was pruned', async () => {
    server = new FakeServer({ trail: 1 });
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    server.journal.pruned = 4;
    const socket = server.attach('after=e:1');
    server.journal.onRead = () => socket.say(again);
    expect((await news(socket)).map(({ type }) => type)).toEqual(['hello', 'subscribed', 'subscribed', 'live']);
  });
});

describe('events of which the hub does not know', () => {
  const positions = (socket: FakeSocket): number[] =>
    changes(socket.messages).flatMap(({ events }) => events.map(({ position }) => position));

  test('because more came at a time than it remembers, are told by the journal', async () => {
    const [events, tasks] = [server.attach('topics=events'), server.attach('topics=tasks')];
    for (let n = 0; n < 12_000; n++) server.record({ type: 'task-sent', uuid: `t${n % 7}` });
    server.hub.flush();
    expect(events.messages.at(-1)).toMatchObject({ type: 'behind' });
    while (events.messages.at(-1)?.type !== 'live') await settle();
    server.record({ type: 'worker-heartbeat' });
    server.hub.flush();
    expect(positions(events)).toEqual(Array.from({ length: 12_001 }, (_, n) => n + 1));
    expect(tasks.messages.map(({ type }) => type)).toEqual(['hello', 'subscribed', 'live', 'changes']);
  });

  test('because they were folded, but not published, when somebody first asked for events, are told, too', async () => {
    server.attach('topics=tasks');
    server.record({ type: 'task-sent', uuid: 'a' });
    server.fold({ type: 'task-sent', uuid: 'b' });
    const socket = server.attach('topics=events');
    server.record({ type: 'task-sent', uuid: 'c' });
    server.hub.flush();
    await settle();
    expect(positions(socket)).toEqual([2, 3]);
  });
});

describe('over plain HTTP', () => {
  async function* messagesOf(query: string, signal: AbortSignal): AsyncGenerator<FeedMessage> {
    const read = readParams(new URLSearchParams(query), 0);
    if (!read.ok) throw new Error(read.error);
    for await (const { bytes } of follow(server.hub, read.subscription, signal)) yield JSON.parse(String(bytes));
  }

  test('the same messages are handed out one by one, and who stops asking is no client any more', async () => {
    task('a');
    const types: string[] = [];
    const stop = new AbortController();
    for await (const message of messagesOf('after=e:0', stop.signal)) {
      types.push(message.type);
      if (message.type === 'live') {
        task('b');
        server.hub.flush();
      }
      if (types.length === 5) break;
    }
    expect(types).toEqual(['hello', 'subscribed', 'changes', 'live', 'changes']);
    expect(server.hub.clients).toBe(0);
  });

  test('who takes them slowly is told, and brought up to date', async () => {
    server = new FakeServer({ maxBuffered: 500 });
    const messages = messagesOf('topics=tasks', new AbortController().signal);
    for (let n = 0; n < 3; n++) await messages.next();
    for (let n = 0; n < 20; n++) {
      task(`t${n}`);
      server.hub.flush();
    }
    const types: string[] = [];
    const seen = new Set<string>();
    for await (const message of messages) {
      types.push(message.type);
      if (message.type === 'changes') for (const { task_id } of message.tasks) seen.add(task_id);
      if (message.type === 'live') break;
    }
    expect(types).toContain('behind');
    expect(types.length).toBeLessThan(10);
    expect(seen.size).toBe(20);
  });

  test('ends when it is told to, and when the program stops', async () => {
    const stop = new AbortController();
    const first = messagesOf('', stop.signal);
    const second = messagesOf('', new AbortController().signal);
    for (const messages of [first, second]) for (let n = 0; n < 3; n++) await messages.next();
    const ends = [first.next(), second.next()];
    stop.abort();
    await server.hub[Symbol.asyncDispose]();
    expect((await Promise.all(ends)).map(({ done }) => done)).toEqual([true, true]);
  });
});
