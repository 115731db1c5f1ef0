/** `LiveFeed` and `/api/changes` against the real HTTP server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { FeedState, LiveFeed, type LiveFeedOptions, type MonitorError, refusalIn } from '../../src/client/index.ts';
import { type FeedMessage, feedMessage } from '../../src/contract/feed.ts';
import { listen, type Server } from '../../src/http/server.ts';
import { AsyncStack } from '../../src/runtime.ts';
import { FakeServer } from '../support/feed.ts';
import { apiSources } from '../support/sources.ts';

let fake: FakeServer;
let server: Server;
let stack: AsyncStack;

beforeEach(async () => {
  fake = new FakeServer({ tick: 0.02, coalesce: 0.001 });
  stack = new AsyncStack();
  server = await serve(fake);
});
afterEach(async () => {
  await stack[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  expect(fake.failures).toEqual([]);
});

async function serve({ clusters, hub }: FakeServer, port = 0): Promise<Server> {
  const clock = (): number => fake.now;
  return listen(apiSources({ clusters, clock }), hub, { host: '127.0.0.1', port });
}

/** Stops the server, and starts it again on the same port with what it had recorded. */
async function restart(): Promise<void> {
  const { clusters, journal } = fake;
  await server[Symbol.asyncDispose]();
  fake = new FakeServer({ clusters, journal, tick: 0.02, coalesce: 0.001 });
  await fake.hub.recall();
  server = await serve(fake, Number(new URL(server.url).port));
}

function open(options: LiveFeedOptions = {}, url = server.url): LiveFeed {
  return stack.use(new LiveFeed(url, { backoff: 5, maxBackoff: 50, ...options }));
}

/** A WebSocket server that says this to everybody. */
async function strangerWho(...frames: readonly string[]): Promise<AsyncDisposable & { readonly url: string }> {
  const stranger = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  stranger.on('connection', (socket) => {
    for (const frame of frames) socket.send(frame);
  });
  await once(stranger, 'listening');
  return {
    url: `http://127.0.0.1:${(stranger.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const client of stranger.clients) client.terminate();
      await new Promise((resolve) => stranger.close(resolve));
    },
  };
}

async function next<Type extends 'live' | 'changes' | 'refused' | 'lost' | 'paused' | 'reset' | 'subscribed'>(
  feed: LiveFeed,
  name: Type,
): Promise<{ readonly tasks?: readonly { readonly task_id: string }[]; readonly [field: string]: unknown }> {
  return new Promise((resolve) => (feed.once as (name: string, take: typeof resolve) => unknown)(name, resolve));
}

function task(uuid: string, name = 'n'): void {
  fake.record({ type: 'task-received', uuid, name });
}

describe('LiveFeed', () => {
  test('iterates over messages with whole records, and ends when it is closed', async () => {
    task('a');
    const state = new FeedState();
    const feed = open({ snapshot: true, q: 'name:n' });
    const types: string[] = [];
    for await (const message of feed) {
      expect(feedMessage.parse(message)).toEqual(message);
      state.apply(message);
      // A task and its worker may be told in one message or in two.
      if (types.at(-1) !== message.type) types.push(message.type);
      if (message.type === 'live') task('b');
      if (state.tasks.size === 2) await feed.close();
    }
    expect(types).toEqual(['hello', 'subscribed', 'snapshot', 'changes', 'live', 'changes']);
    expect(state.task('c', 'b')).toMatchObject({ state: 'RECEIVED', result: null, worker: 'w@h' });
    expect(state.worker('c', 'w@h')).toMatchObject({ status: 'ONLINE', sw_ident: null });
    await feed.close();
  });

  test('goes on after a restart from where it was, with everything that happened meanwhile', async () => {
    const feed = open();
    await next(feed, 'live');
    task('a');
    await next(feed, 'changes');
    const lost = next(feed, 'lost');
    const live = next(feed, 'live');
    const told: unknown[] = [];
    feed.on('changes', ({ from, to, tasks }) => told.push([from, to, tasks.map(({ task_id }) => task_id)]));
    const restarting = restart();
    expect(await lost).toMatchObject({ reason: 'celerycam is shutting down' });
    await restarting;
    task('b');
    await live;
    expect(told.slice(0, 1)).toEqual([[1, 2, ['b']]]);
    expect(feed.cursor).toBe('e:2');
  });

  test('may begin where another one ended', async () => {
    for (const uuid of ['a', 'b', 'c']) task(uuid);
    const feed = open({ after: 'e:2' });
    const changes = await next(feed, 'changes');
    expect(changes.tasks?.map(({ task_id }) => task_id)).toEqual(['c']);
  });

  test('is told what is wrong with a subscription, and goes on with the one before', async () => {
    const feed = open({ q: 'name:a' });
    await next(feed, 'live');
    const refused = next(feed, 'refused');
    feed.subscribe({ q: 'nonsense:b' });
    expect(await refused).toMatchObject({ error: expect.stringContaining('nonsense'), at: 0 });
    const changes = next(feed, 'changes');
    task('1', 'a');
    expect((await changes).tasks).toHaveLength(1);
    expect(feed.cursor).toBe('e:1');
    const subscribed = next(feed, 'subscribed');
    feed.subscribe({ q: 'name:b' });
    expect(await subscribed).toMatchObject({ q: 'name:b' });
    await restart();
    expect(await next(feed, 'subscribed')).toMatchObject({ q: 'name:b' });
  });

  test('after a reset a snapshot follows, and a cut in the middle of it begins it anew', async () => {
    task('a');
    const feed = open({ snapshot: true, after: 'other:1' });
    const seen: FeedMessage[] = [];
    feed.on('message', (message) => seen.push(message));
    await next(feed, 'live');
    expect(seen.map(({ type }) => type)).toEqual(['hello', 'subscribed', 'reset', 'snapshot', 'changes', 'live']);
    expect(feed.cursor).toBe('e:1');
  });

  test('one that is iterated over too slowly gives up the connection, says so, and goes on when all was taken', async () => {
    const feed = open({ maxWaiting: 5 });
    const state = new FeedState();
    const paused = next(feed, 'paused');
    let n = 0;
    for await (const message of feed) {
      state.apply(message);
      if (message.type === 'live' && n === 0) {
        const publish = setInterval(() => {
          n += 1;
          task(`t${n}`);
        }, 5);
        expect(await paused).toEqual({ waiting: 6 });
        clearInterval(publish);
        expect(feed.isConnected).toBe(false);
        for (let more = 0; more < 10; more++) task(`more${more}`);
      }
      if (state.tasks.size === n + 10) break;
    }
    expect(n).toBeGreaterThan(0);
    expect(state.tasks.size).toBe(n + 10);
  });

  test('a server that says nothing counts as lost; one that is not there is asked again, for longer each time', async () => {
    const mute = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await new Promise((resolve) => mute.once('listening', resolve));
    const address = mute.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const feed = stack.use(new LiveFeed(`http://127.0.0.1:${port}`, { patience: 50, backoff: 5 }));
    expect(await next(feed, 'lost')).toMatchObject({ reason: 'nothing was heard of the server' });
    for (const client of mute.clients) client.terminate();
    await new Promise((resolve) => mute.close(resolve));
    const pauses: number[] = [];
    while (pauses.length < 6) pauses.push(Number((await next(feed, 'lost'))['retryIn']));
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0] as number);
    await feed.close();
  });

  test('its cursor leaves out nothing that was not taken yet, also after the loop was left', async () => {
    const feed = open({ topics: ['tasks'] });
    const names: string[] = [];
    for await (const message of feed) {
      if (message.type === 'live') for (const uuid of ['a', 'b', 'c']) task(uuid);
      if (message.type !== 'changes') continue;
      names.push(...message.tasks.map(({ task_id }) => task_id));
      const more = next(feed, 'changes');
      task(`later ${names.length}`);
      await more;
      expect(feed.cursor).toBe(message.cursor);
      break;
    }
    expect(names.length).toBeGreaterThan(0);
    const other = open({ topics: ['tasks'], after: feed.cursor as string });
    const { tasks = [] } = await next(other, 'changes');
    names.push(...tasks.map(({ task_id }) => task_id));
    expect(names.sort()).toEqual(['a', 'b', 'c', expect.stringContaining('later')]);
    feed.subscribe({ q: 'name:x' });
    expect(feed.cursor).toBeNull();
  });

  test('a loop that is left while it was paused leaves the feed connected for listeners', async () => {
    const feed = open({ maxWaiting: 1 });
    const paused = next(feed, 'paused');
    for await (const _ of feed) {
      await paused;
      break;
    }
    await next(feed, 'live');
    expect(feed.isConnected).toBe(true);
  });

  test('ends by its signal', async () => {
    const stop = new AbortController();
    const feed = open({ signal: stop.signal });
    feed.on('live', () => stop.abort());
    const types: string[] = [];
    for await (const { type } of feed) types.push(type);
    expect(types).toContain('live');
    expect(feed.isConnected).toBe(false);
    const stillborn = open({ signal: AbortSignal.abort() });
    await expect(stillborn[Symbol.asyncIterator]().next()).resolves.toEqual({ done: true, value: undefined });
  });

  test.each(['127.0.0.1:5555', 'localhost:5555', 'ftp://h', ''])('%j is refused as an address at once', (url) => {
    expect(() => new LiveFeed(url)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringContaining('http://localhost:5555') }),
    );
  });

  test('a token that is not good ends it with that error; a server that is down does not', async () => {
    const answers = [
      [502, 'Bad Gateway'],
      [503, '{"error":"the database does not answer"}'],
      [401, '{"error":"the token was revoked"}'],
    ] as const;
    let asked = 0;
    const gate = createServer((_, response) => {
      const [status, body] = answers[asked++] ?? [500, ''];
      response.writeHead(status).end(body);
    });
    await using _ = { [Symbol.asyncDispose]: async () => void gate.close() };
    await once(gate.listen(0, '127.0.0.1'), 'listening');
    const feed = open({ token: 'old' }, `http://127.0.0.1:${(gate.address() as AddressInfo).port}/cam`);
    const lost: string[] = [];
    const failed: MonitorError[] = [];
    feed.on('lost', ({ reason }) => lost.push(reason));
    feed.on('failed', (error) => failed.push(error));
    const failure: unknown = await feed[Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'QUESTION_REFUSED', message: 'the token was revoked' });
    expect(failed).toEqual([failure]);
    expect(refusalIn(failure)?.status).toBe(401);
    expect(lost).toEqual([expect.stringContaining('does not answer'), 'the database does not answer']);
    await feed.close();
    await expect(feed[Symbol.asyncIterator]().next()).rejects.toBe(failure);
    expect(asked).toBe(3);
  });

  test.each(['hello you', 'null', '5', '{"type":"changes"}'])(
    'a server that says %j is no live feed, and is left again',
    async (said) => {
      await using stranger = await strangerWho(said);
      const feed = open({}, stranger.url);
      for (let n = 0; n < 2; n++) {
        expect(await next(feed, 'lost')).toMatchObject({ reason: expect.stringContaining('no live feed') });
      }
      await feed.close();
    },
  );

  test('a newer server whose protocol it does not know ends it; what is new within the same it leaves alone', async () => {
    const hello = {
      type: 'hello',
      version: '9.0',
      epoch: 'e',
      position: 0,
      cursor: 'e:0',
      clusters: [],
      simulated: false,
    };
    await using newer = await strangerWho(JSON.stringify({ ...hello, protocol: 2 }));
    const failure: unknown = await open({}, newer.url)
      [Symbol.asyncIterator]()
      .next()
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({
      code: 'PROTOCOL_UNKNOWN',
      message: 'celerycam 9.0 speaks protocol 2 of the live feed, this client 1: install the same version',
    });
    const news = JSON.stringify({ type: 'news', of: 'tomorrow' });
    await using same = await strangerWho(JSON.stringify({ ...hello, protocol: 1, more: true }), news);
    const state = new FeedState();
    const types: string[] = [];
    for await (const message of open({}, same.url)) {
      state.apply(message);
      if (types.push(message.type) === 2) break;
    }
    expect(types).toEqual(['hello', 'news']);
  });

  test('closing it is possible at any moment, and twice', async () => {
    const feed = new LiveFeed(server.url);
    await Promise.all([feed.close(), feed.close()]);
    const second = new LiveFeed(() => new Promise<string>((resolve) => setTimeout(() => resolve(server.url), 10)));
    await second.close();
    const nowhere = new LiveFeed('http://127.0.0.1:1');
    await next(nowhere, 'lost');
    await nowhere.close();
    await expect(second[Symbol.asyncIterator]().next()).resolves.toEqual({ done: true, value: undefined });
  });
});

test('the example prints what fails', async () => {
  const example = spawn(process.execPath, ['examples/live-feed.mjs', server.url]);
  try {
    const listening = once(example.stderr, 'data');
    expect(String((await listening)[0])).toBe('listening\n');
    const printed = once(example.stdout, 'data');
    fake.record({ type: 'task-received', uuid: 'a', name: 'mail.send' });
    fake.record({ type: 'task-failed', uuid: 'a', exception: "ValueError('x')" });
    expect(String((await printed)[0])).toBe("mail.send\ta\tFAILURE\tw@h\tValueError('x')\n");
  } finally {
    example.kill();
  }
});

describe('/api/changes', () => {
  const get = (query: string, init?: RequestInit): Promise<Response> =>
    fetch(`${server.url}/api/changes${query}`, init);
  const linesOf = async (response: Response): Promise<FeedMessage[]> =>
    (await response.text())
      .trimEnd()
      .split('\n')
      .map((line) => feedMessage.parse(JSON.parse(line)));

  test('answers at once with what changed since a cursor', async () => {
    for (const uuid of ['a', 'b']) task(uuid);
    const response = await get('?after=e:1&topics=tasks');
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const lines = await linesOf(response);
    expect(lines.map(({ type }) => type)).toEqual(['hello', 'subscribed', 'changes', 'live']);
    expect(lines[2]).toMatchObject({ from: 1, to: 2, cursor: 'e:2', tasks: [{ task_id: 'b' }] });
  });

  test('waits for the next change where there was none, but not for ever', async () => {
    task('a');
    const waiting = get('?after=e:1&topics=tasks');
    while (fake.hub.clients === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    task('b');
    expect((await linesOf(await waiting)).at(-1)).toMatchObject({ type: 'changes', tasks: [{ task_id: 'b' }] });
    const lines = await linesOf(await get('?after=e:2&topics=tasks&wait=0.05'));
    expect(lines.at(-1)).toMatchObject({ type: 'live', cursor: 'e:2' });
  });

  test('streams server-sent events, whose ids are cursors to come back with', async () => {
    task('a');
    const stop = new AbortController();
    const { body, headers } = await get('?stream&topics=tasks', {
      headers: { 'last-event-id': 'e:0' },
      signal: stop.signal,
    });
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    let text = '';
    for await (const chunk of body ?? []) {
      text += Buffer.from(chunk).toString();
      if (text.includes('event: live')) break;
    }
    expect(text).toMatch(/^id: e:1\nevent: hello\ndata: \{.*\}\n\nevent: subscribed\ndata: /);
    expect(text).toMatch(/\n\nid: e:1\nevent: changes\ndata: \{"type":"changes","from":0,.*"task_id":"a".*\}\n\n/);
    stop.abort();
    while (fake.hub.clients > 0) await new Promise((resolve) => setTimeout(resolve, 1));
  });

  test.each([
    ['?after=x', { error: 'after: expected a cursor as an earlier message of this feed gave it' }],
    ['?q=nonsense:1', { error: expect.stringContaining('q: at character 1'), at: 0 }],
    ['?wait=soon', { error: 'wait: expected seconds, 0 to 300' }],
    ['?limit=5', { error: expect.stringContaining('there is no limit in a subscription') }],
  ])('%s is refused with a reason', async (query, answer) => {
    const response = await get(query);
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual(answer);
  });
});
