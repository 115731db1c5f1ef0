/** The library as programs use it, against a real broker. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { connect as connectSocket } from 'amqplib';
import { expect, test } from 'vitest';
import { type CeleryEvent, connect, type Gap, type Monitor, MonitorError } from '../../src/index.ts';
import { openProxyTo } from '../support/proxy.ts';
import { event, openSender } from '../support/receiving.ts';
import { freshVhost } from '../support/services.ts';

/** The next events, as many as asked for. */
async function take(monitor: Monitor, count: number): Promise<CeleryEvent[]> {
  const events: CeleryEvent[] = [];
  for await (const each of monitor.events()) {
    events.push(each);
    if (events.length === count) return events;
  }
  throw new Error(`ended after ${events.length} of ${count} events`);
}

function clocks(events: readonly CeleryEvent[]): unknown[] {
  return events.map(({ ...each }) => (each as { clock?: unknown }).clock);
}

async function failureOf(url: string, options = {}): Promise<MonitorError> {
  const failure: unknown = await connect(url, options).then(
    async (monitor) => {
      await monitor[Symbol.asyncDispose]();
      return 'it joined';
    },
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(MonitorError);
  return failure as MonitorError;
}

test('gives events in order, those of lists too, and goes on where a loop was left', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  const letters: string[] = [];
  const before = Date.now() / 1000;
  await using monitor = await connect(vhost.url, { onDeadLetter: ({ reason }) => letters.push(reason) });
  expect(monitor.status).toMatchObject({ connected: true, mode: 'guest', cluster: 'default' });
  await sender.send([event(1), [event(2), 'no event', event(3)], Buffer.from('neither'), event(4, 'task-progress')]);
  const first = await take(monitor, 2);
  expect(first[0]).toEqual({ ...event(1), local_received: expect.any(Number) });
  expect(first[0]?.local_received).toBeGreaterThanOrEqual(before);
  expect(clocks([...first, ...(await take(monitor, 2))])).toEqual([1, 2, 3, 4]);
  expect(letters).toEqual([expect.stringContaining('an element of the list'), expect.stringMatching(/\w/)]);
});

test('comes back after the broker was lost, and tells of the gap', async () => {
  await using vhost = await freshVhost();
  await using proxy = await openProxyTo(vhost.url);
  await using sender = await openSender(vhost.url);
  const gaps: Gap[] = [];
  const connection: (string | null)[] = [];
  let back: () => void = () => {};
  const joinedAgain = new Promise<void>((resolve) => {
    back = resolve;
  });
  await using monitor = await connect(proxy.url, {
    onGap: (gap) => gaps.push(gap),
    onConnection: (lost) => {
      connection.push(lost);
      if (lost === null) back();
    },
  });
  await sender.send([event(1)]);
  expect(clocks(await take(monitor, 1))).toEqual([1]);
  proxy.cut();
  await joinedAgain;
  await sender.send([event(2)]);
  expect(clocks(await take(monitor, 1))).toEqual([2]);
  expect(connection).toEqual([expect.stringContaining('was lost'), null]);
  expect(gaps).toMatchObject([{ cause: 'disconnect', cluster: 'default' }]);
});

test('a slow reader holds up to the buffer, and what was refused is a gap with a count', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  let tell: (gap: Gap) => void = () => {};
  const told = new Promise<Gap>((resolve) => {
    tell = resolve;
  });
  await using monitor = await connect(vhost.url, { bufferSize: 100_000, onGap: tell });
  await sender.send(Array.from({ length: 1000 }, (_, n) => event(n + 1)));
  while (monitor.status.received < 1000) await new Promise(setImmediate);
  let read = 0;
  const reading = (async () => {
    for await (const _ of monitor.events()) read += 1;
  })();
  const gap = await told;
  await monitor[Symbol.asyncDispose]();
  await reading;
  expect(gap).toMatchObject({ cause: 'buffer-full', estimate: 1000 - read });
  expect(read).toBeGreaterThan(50);
  expect(read).toBeLessThan(200);
});

test('with a durable queue, what was not taken comes again', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  const options = { queue: 'mine', queueType: 'classic', routingKey: ['task.#'] } as const;
  {
    await using monitor = await connect(vhost.url, options);
    await sender.send([event(1)]);
    const seen = await take(monitor, 1);
    expect(clocks(seen)).toEqual([1]);
    await sender.send([event(2), event(3)]);
  }
  await sender.send([event(4)]);
  await using monitor = await connect(vhost.url, options);
  // The first was given, but nobody asked for what comes after it.
  expect(clocks(await take(monitor, 4))).toEqual([1, 2, 3, 4]);
});

test('ends by its signal and when it is disposed, with no loop left waiting', async () => {
  await using vhost = await freshVhost();
  const stop = new AbortController();
  await using one = await connect(vhost.url, { signal: stop.signal });
  const reading = take(one, 1).catch((error: unknown) => String(error));
  stop.abort();
  expect(await reading).toContain('ended after 0 of 1');
  const other = await connect(vhost.url);
  const waiting = take(other, 1).catch((error: unknown) => String(error));
  await other[Symbol.asyncDispose]();
  await other[Symbol.asyncDispose]();
  expect(await waiting).toContain('ended after 0 of 1');
  expect(other.status.connected).toBe(false);
  await expect(connect(vhost.url, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
});

test('says what is wrong, without the password', async () => {
  await using vhost = await freshVhost();
  expect(await failureOf('amqp://u:hunter2@127.0.0.1:1//')).toMatchObject({
    code: 'BROKER_UNREACHABLE',
    message: expect.stringContaining('no broker answers at amqp://u:***@127.0.0.1:1'),
  });
  const wrong = new URL(vhost.url);
  wrong.password = 'hunter2';
  const refused = await failureOf(wrong.href);
  expect(refused.code).toBe('BROKER_REFUSED');
  expect(refused.message).not.toContain('hunter2');
  expect(await failureOf('redis://localhost')).toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.stringContaining('amqp://'),
  });
  expect((await failureOf(vhost.url, { prefetch: 'many' })).message).toContain('prefetch');

  const connection = await connectSocket(vhost.url);
  const channel = await connection.createChannel();
  await channel.assertQueue('taken', { durable: false });
  expect((await failureOf(vhost.url, { queue: 'taken' })).code).toBe('QUEUE_MISMATCH');
  await connection.close();
});

test('the example runs', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  const root = new URL('../..', import.meta.url).pathname;
  const child = spawn(process.execPath, ['examples/monitor.mjs', vhost.url], { cwd: root });
  const lines: string[] = [];
  const output = createInterface(child.stdout);
  for await (const line of output) {
    lines.push(line);
    if (line.startsWith('joined')) {
      const done = { ...event(3, 'task-succeeded'), uuid: 'u1', runtime: 0.25, result: '4' };
      await sender.send([event(1), event(2, 'task-progress'), done, event(4)]);
    }
    if (line.startsWith('u4')) child.kill('SIGINT');
  }
  if (child.exitCode === null) await once(child, 'exit');
  expect(child.exitCode).toBe(0);
  expect(lines.slice(1)).toEqual([
    'u1 started on w1@vm',
    expect.stringMatching(/^task-progress \{.*"clock":2/),
    'u1 succeeded after 0.250 s: 4',
    'u4 started on w1@vm',
    '1 tasks still running',
  ]);
});
