/** The receiver against a real broker: both ways to join, and every way to lose it. */
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { decode } from '../../src/broker/decoder.ts';
import { acknowledge, type Delivery } from '../../src/broker/delivery.ts';
import { MonitorError } from '../../src/errors.ts';
import { openProxy } from '../support/proxy.ts';
import { event, openSender, Receiving, receiverOptions, startReceiving } from '../support/receiving.ts';
import { freshVhost, rabbitmqctl } from '../support/services.ts';

/** Clocks of the events of deliveries, in order. */
function clocks(deliveries: readonly Delivery[]): readonly unknown[] {
  return decode(deliveries).events.map(({ event }) => event['clock']);
}

/** For what is told by no event. */
async function waitFor(condition: () => boolean): Promise<void> {
  await vi.waitUntil(condition, { timeout: 20_000, interval: 10 });
}

function vhostOf(url: string): string {
  return decodeURIComponent(new URL(url).pathname.slice(1));
}

/** The vhost's URL through a proxy. */
function through(url: string, port: number): string {
  const changed = new URL(url);
  changed.hostname = '127.0.0.1';
  changed.port = String(port);
  return changed.href;
}

function target(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port || 5672) };
}

/** What `rabbitmqctl list_queues` says of a virtual host, one row per queue. */
async function queues(url: string, ...columns: readonly string[]): Promise<readonly Record<string, unknown>[]> {
  return JSON.parse(await rabbitmqctl('list_queues', '-p', vhostOf(url), '--formatter', 'json', ...columns)) as Record<
    string,
    unknown
  >[];
}

describe('as a guest', () => {
  test('takes what the exchange brings, with its properties, in order', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { cluster: 'eu' }));
    await using sender = await openSender(vhost.url);
    const before = Date.now() / 1000;
    await sender.send([event(1), [event(2), event(3)], []]);
    await sender.send([event(4, 'worker-heartbeat')], 'worker.heartbeat');
    const deliveries = await receiving.take(4);
    expect(clocks(deliveries)).toEqual([1, 2, 3, 4]);
    expect(deliveries[3]).toMatchObject({
      cluster: 'eu',
      routing_key: 'worker.heartbeat',
      content_type: 'application/json',
      content_encoding: 'utf-8',
      headers: { hostname: 'w1@vm' },
      redelivered: false,
      receipt: null,
    });
    expect(deliveries[0]?.local_received).toBeGreaterThanOrEqual(before - 0.01);
    expect(deliveries[0]?.local_received).toBeLessThanOrEqual(Date.now() / 1000);
    expect(receiving.receiver.status).toMatchObject({
      connected: true,
      mode: 'guest',
      received: 4,
      error: null,
      blocked: null,
    });
  });

  test('has an exclusive queue as Celery’s own receivers have it', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { queuePrefix: 'mine' }));
    const [queue] = await queues(vhost.url, 'name', 'exclusive', 'auto_delete', 'durable', 'arguments');
    expect(queue).toMatchObject({ exclusive: true, auto_delete: true, durable: false });
    expect(queue?.['name']).toMatch(/^mine\.[0-9a-f-]{36}$/);
    expect(queue?.['name']).toBe(receiving.receiver.status.queue);
    expect(JSON.stringify(queue?.['arguments'])).toContain('5000');
    expect(JSON.stringify(queue?.['arguments'])).toContain('60000');
  });

  test('a connection that is cut comes back, and the outage is a gap from the last delivery on', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    await using receiving = await startReceiving(receiverOptions(through(vhost.url, proxy.port)));
    await using sender = await openSender(vhost.url);
    await sender.send([event(1)]);
    const [first] = await receiving.take(1);
    const firstQueue = receiving.receiver.status.queue;
    expect(receiving.gaps).toEqual([]);
    const lost = receiving.next('receiver:lost');
    const ready = receiving.next('receiver:ready');
    proxy.cut();
    expect((await lost).reason).toMatch(/was lost/);
    expect(receiving.receiver.status).toMatchObject({
      connected: false,
      queue: null,
      error: expect.stringMatching(/was lost/),
    });
    await ready;
    await sender.send([event(2)]);
    expect(clocks(await receiving.take(1))).toEqual([2]);
    expect(receiving.receiver.status.queue).not.toBe(firstQueue);
    expect(receiving.gaps).toMatchObject([
      { cluster: 'default', cause: 'disconnect', started_at: first?.local_received, estimate: null },
    ]);
    expect(receiving.gaps[0]?.ended_at).toBe(receiving.receiver.status.since);
  });

  test('refused for a while: one gap, from when it was connected where nothing came', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    await using receiving = await startReceiving(receiverOptions(through(vhost.url, proxy.port)));
    const connectedAt = receiving.receiver.status.since;
    proxy.refuse();
    const first = receiving.next('receiver:lost');
    proxy.cut();
    await first;
    const second = await receiving.next('receiver:lost');
    expect(second.reason).toMatch(/no broker answers at amqp:\/\/guest:\*\*\*@127\.0\.0\.1/);
    const third = await receiving.next('receiver:lost');
    expect(third.retryIn).toBeGreaterThan(0);
    const ready = receiving.next('receiver:ready');
    proxy.pass();
    await ready;
    expect(receiving.gaps).toMatchObject([{ cause: 'disconnect', started_at: connectedAt }]);
  });

  test('a half-open connection is found out by its heartbeat', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    await using receiving = await startReceiving(receiverOptions(through(vhost.url, proxy.port), { heartbeat: 1 }));
    const lost = receiving.next('receiver:lost');
    proxy.freeze();
    expect((await lost).reason).toMatch(/Heartbeat timeout/);
    const ready = receiving.next('receiver:ready');
    proxy.pass();
    await ready;
    // More than one where so short a heartbeat was missed again by a busy machine.
    expect(new Set(receiving.gaps.map(({ cause }) => cause))).toEqual(new Set(['disconnect']));
  });

  test('the broker closes all connections', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url));
    const [lost, ready] = [receiving.next('receiver:lost'), receiving.next('receiver:ready')];
    await rabbitmqctl('close_all_connections', '--vhost', vhostOf(vhost.url), 'maintenance');
    expect((await lost).reason).toContain('CONNECTION_FORCED - maintenance');
    await ready;
    expect(receiving.gaps).toMatchObject([{ cause: 'disconnect' }]);
  });

  test('what the inbox refuses is one gap with its number of messages', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url), 10_000);
    await using sender = await openSender(vhost.url);
    // Each counts for 700 bytes and its body, so the fifteenth at the latest finds the inbox full.
    await sender.send(Array.from({ length: 40 }, (_, n) => event(n)));
    await waitFor(() => receiving.receiver.status.received === 40);
    await receiving.take(1);
    const accepted = 1 + receiving.held;
    expect(accepted).toBeLessThan(16);
    await sender.send([event(41)]);
    await waitFor(() => receiving.gaps.length === 1);
    expect(receiving.gaps).toMatchObject([{ cause: 'buffer-full', estimate: 40 - accepted }]);
    expect(receiving.gaps[0]?.started_at).toBeLessThan(receiving.gaps[0]?.ended_at ?? 0);
  });

  test('a process that stood still for longer than its queue keeps messages says so', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { queueTtl: 1 }));
    const until = performance.now() + 2500;
    while (performance.now() < until);
    await waitFor(() => receiving.gaps.length > 0);
    expect(receiving.gaps).toMatchObject([
      { cause: 'ttl', detail: expect.stringMatching(/stood still for [23]\.\d s/) },
    ]);
    const [gap] = receiving.gaps;
    expect((gap?.ended_at ?? 0) - (gap?.started_at ?? 0)).toBeGreaterThan(2.4);
  });
});

describe('with a durable queue', () => {
  test('keeps what comes while it is away, and gives again what was not acknowledged', async () => {
    await using vhost = await freshVhost();
    const options = receiverOptions(vhost.url, { queue: 'recorder' });
    await using sender = await openSender(vhost.url);
    {
      await using receiving = await startReceiving(options);
      expect(receiving.receiver.status).toMatchObject({ mode: 'durable', queue: 'recorder', kept: false });
      await sender.send([event(1), event(2), event(3)]);
      const deliveries = await receiving.take(3);
      expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([false, false, false]);
      acknowledge(deliveries.slice(0, 2));
    }
    await sender.send([event(4)]);
    await using receiving = await startReceiving(options);
    expect(receiving.receiver.status.kept).toBe(true);
    const deliveries = await receiving.take(2);
    expect(clocks(deliveries)).toEqual([3, 4]);
    expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([true, false]);
    expect(receiving.gaps).toEqual([]);
  });

  test('a classic queue that was there is not sure to have kept anything', async () => {
    await using vhost = await freshVhost();
    const options = receiverOptions(vhost.url, { queue: 'recorder', queueType: 'classic' });
    await (await startReceiving(options))[Symbol.asyncDispose]();
    await using receiving = await startReceiving(options);
    expect(receiving.receiver.status.kept).toBe(false);
  });

  test('what was recorded after the stop is still acknowledged', async () => {
    await using vhost = await freshVhost();
    const options = receiverOptions(vhost.url, { queue: 'recorder' });
    await using sender = await openSender(vhost.url);
    const receiving = await startReceiving(options);
    await sender.send([event(1), event(2)]);
    const deliveries = await receiving.take(2);
    await receiving.stop();
    acknowledge(deliveries);
    await receiving.receiver[Symbol.asyncDispose]();
    await receiving.receiver[Symbol.asyncDispose]();
    expect(await sender.channel.get('recorder')).toBe(false);
    acknowledge(deliveries);
  });

  test('has at most `prefetch` messages unacknowledged', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { queue: 'recorder', prefetch: 3 }));
    await using sender = await openSender(vhost.url);
    await sender.send(Array.from({ length: 5 }, (_, n) => event(n)));
    const first = await receiving.take(3);
    expect(await sender.channel.checkQueue('recorder')).toMatchObject({ messageCount: 2 });
    expect(receiving.receiver.status.received).toBe(3);
    acknowledge(first);
    expect(clocks(await receiving.take(2))).toEqual([3, 4]);
  });

  test('messages too large for its buffer stay in the broker, until there is room', async () => {
    await using vhost = await freshVhost();
    await using sender = await openSender(vhost.url);
    const options = receiverOptions(vhost.url, { queue: 'recorder', prefetch: 16 });
    await using receiving = await startReceiving(options, 10_000);
    const large = Array.from({ length: 40 }, (_, n) => ({ ...event(n), large: 'x'.repeat(5000) }));
    const lost = receiving.next('receiver:lost');
    await sender.send(large);
    expect((await lost).reason).toContain('a prefetch of 16 is too much');
    expect(receiving.inbox.bytes).toBeLessThan(30_000);
    // As long as nobody takes them: each time that it came back the broker would count one more attempt.
    const again = receiving.next('receiver:lost').then(() => 'came back');
    expect(await Promise.race([again, delay(1500, 'waits')])).toBe('waits');
    const seen = new Set<unknown>();
    while (seen.size < large.length) {
      const deliveries = await receiving.take(1);
      for (const clock of clocks(deliveries)) seen.add(clock);
      acknowledge(deliveries);
    }
    expect([...seen].toSorted((a, b) => Number(a) - Number(b))).toEqual(large.map((_, n) => n));
    await receiving.stop();
    await receiving.receiver[Symbol.asyncDispose]();
    expect(await sender.channel.get('recorder')).toBe(false);
    expect(receiving.gaps).toEqual([]);
  });

  test('a connection that is cut is no gap', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    const options = receiverOptions(through(vhost.url, proxy.port), { queue: 'recorder' });
    await using receiving = await startReceiving(options);
    await using sender = await openSender(vhost.url);
    await sender.send([event(1)]);
    const before = await receiving.take(1);
    const [lost, ready] = [receiving.next('receiver:lost'), receiving.next('receiver:ready')];
    proxy.cut();
    await lost;
    await sender.send([event(2)]);
    acknowledge(before);
    await ready;
    const after = await receiving.take(2);
    expect(clocks(after)).toEqual([1, 2]);
    // The broker may have tried the second on the connection that was cut.
    expect(after[0]?.redelivered).toBe(true);
    expect(receiving.gaps).toEqual([]);
  });

  test('a channel that the broker closes comes back', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { queue: 'recorder' }));
    await using sender = await openSender(vhost.url);
    await sender.send([event(1)]);
    const [delivery] = await receiving.take(1);
    const [lost, ready] = [receiving.next('receiver:lost'), receiving.next('receiver:ready')];
    delivery?.receipt?.settle(4711);
    expect((await lost).reason).toContain('unknown delivery tag 4711');
    await ready;
    expect(clocks(await receiving.take(1))).toEqual([1]);
    expect(receiving.gaps).toEqual([]);
  });

  test('a queue that is deleted is made anew, and is a gap', async () => {
    await using vhost = await freshVhost();
    await using receiving = await startReceiving(receiverOptions(vhost.url, { queue: 'recorder' }));
    await using sender = await openSender(vhost.url);
    await sender.send([event(1)]);
    const [delivery] = await receiving.take(1);
    const [lost, ready] = [receiving.next('receiver:lost'), receiving.next('receiver:ready')];
    await sender.channel.deleteQueue('recorder');
    expect((await lost).reason).toContain('the queue "recorder" was deleted');
    await ready;
    await sender.send([event(2)]);
    expect(clocks(await receiving.take(1))).toEqual([2]);
    expect(receiving.gaps).toMatchObject([{ cause: 'queue-lost', started_at: delivery?.local_received }]);
    expect(receiving.gaps[0]?.ended_at).toBe(receiving.receiver.status.since);
  });

  test('a queue that was deleted while it was cut off is a gap too', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    await using receiving = await startReceiving(
      receiverOptions(through(vhost.url, proxy.port), { queue: 'recorder' }),
    );
    await using sender = await openSender(vhost.url);
    proxy.refuse();
    const lost = receiving.next('receiver:lost');
    proxy.cut();
    await lost;
    await sender.channel.deleteQueue('recorder');
    const ready = receiving.next('receiver:ready');
    proxy.pass();
    await ready;
    expect(receiving.gaps).toMatchObject([{ cause: 'queue-lost' }]);
  });

  test('two receivers share a queue: each event goes to one of them', async () => {
    await using vhost = await freshVhost();
    const options = receiverOptions(vhost.url, { queue: 'recorder', prefetch: 10 });
    await using one = await startReceiving(options);
    await using other = await startReceiving(options);
    await using sender = await openSender(vhost.url);
    await sender.send(Array.from({ length: 20 }, (_, n) => event(n)));
    const seen = [...clocks(await one.take(10)), ...clocks(await other.take(10))];
    expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });
});

describe('a queue or exchange that exists otherwise ends the run and names the argument', () => {
  test.each([
    ['x-queue-type', { durable: true }],
    ['durable', { durable: false }],
    ['x-message-ttl', { durable: true, messageTtl: 5000, arguments: { 'x-queue-type': 'quorum' } }],
  ])('queue with another %s', async (argument, present) => {
    await using vhost = await freshVhost();
    await using sender = await openSender(vhost.url);
    await sender.channel.assertQueue('recorder', present);
    await using receiving = new Receiving(receiverOptions(vhost.url, { queue: 'recorder' }));
    const failure = await receiving.ended.catch((error: unknown) => error);
    expect(MonitorError.is(failure, 'QUEUE_MISMATCH')).toBe(true);
    expect(String(failure)).toContain('the queue "recorder" exists already');
    expect(String(failure)).toContain(`"${argument}"`);
  });

  test('exchange of another type', async () => {
    await using vhost = await freshVhost();
    await using sender = await openSender(vhost.url);
    await sender.channel.assertExchange('events', 'fanout');
    await using receiving = new Receiving(receiverOptions(vhost.url, { exchange: 'events' }));
    const failure = await receiving.ended.catch((error: unknown) => error);
    expect(String(failure)).toContain('the exchange "events" exists already with another "type"');
  });
});

describe('joining', () => {
  test('a wrong password is told as such and tried again until it is right', async () => {
    await using vhost = await freshVhost();
    const user = `user-${vhostOf(vhost.url)}`;
    await rabbitmqctl('add_user', user, 'first-secret');
    try {
      await rabbitmqctl('set_permissions', '-p', vhostOf(vhost.url), user, '.*', '.*', '.*');
      const url = new URL(vhost.url);
      url.username = user;
      url.password = 'géheim:@/';
      await using receiving = new Receiving(receiverOptions(url.href));
      const { reason } = await receiving.next('receiver:lost');
      expect(reason).toContain(`refused the login of user "${user}"`);
      expect(reason).not.toContain('heim');
      await receiving.next('receiver:lost');
      const ready = receiving.next('receiver:ready');
      await rabbitmqctl('change_password', user, 'géheim:@/');
      await ready;
      expect(receiving.receiver.status).toMatchObject({ connected: true, error: null });
      expect(receiving.receiver.status.url).not.toContain('heim');
      expect(receiving.gaps).toEqual([]);
    } finally {
      await rabbitmqctl('delete_user', user);
    }
  });

  test('a virtual host that is not there', async () => {
    await using vhost = await freshVhost();
    await using receiving = new Receiving(receiverOptions(`${vhost.url}-not`));
    expect((await receiving.next('receiver:lost')).reason).toContain(`has no virtual host "${vhostOf(vhost.url)}-not"`);
  });

  test('a user who may not declare', async () => {
    await using vhost = await freshVhost();
    const user = `reader-${vhostOf(vhost.url)}`;
    await rabbitmqctl('add_user', user, 'secret');
    try {
      await rabbitmqctl('set_permissions', '-p', vhostOf(vhost.url), user, '^$', '^$', '.*');
      const url = new URL(vhost.url);
      url.username = user;
      url.password = 'secret';
      await using receiving = new Receiving(receiverOptions(url.href));
      expect((await receiving.next('receiver:lost')).reason).toMatch(/refused the exchange "celeryev": ACCESS_REFUSED/);
    } finally {
      await rabbitmqctl('delete_user', user);
    }
  });

  test('several URLs are tried in turn, the next when one is lost', async () => {
    await using vhost = await freshVhost();
    await using first = await openProxy(target(vhost.url));
    await using second = await openProxy(target(vhost.url));
    first.refuse();
    const urls = [through(vhost.url, first.port), through(vhost.url, second.port)];
    await using receiving = await startReceiving(receiverOptions(urls[0] ?? '', { urls }));
    expect(receiving.receiver.status.url).toContain(`:${second.port}/`);
    first.pass();
    second.refuse();
    const ready = receiving.next('receiver:ready');
    second.cut();
    await ready;
    expect(receiving.receiver.status.url).toContain(`:${first.port}/`);
    expect(receiving.gaps).toMatchObject([{ cause: 'disconnect' }]);
  });

  test('wakes the workers at the start and after each reconnect', async () => {
    await using vhost = await freshVhost();
    await using sender = await openSender(vhost.url);
    await sender.channel.assertExchange('celery.pidbox', 'fanout', { durable: false });
    await sender.channel.assertQueue('w1@vm.celery.pidbox', { durable: false });
    await sender.channel.bindQueue('w1@vm.celery.pidbox', 'celery.pidbox', '');
    await using proxy = await openProxy(target(vhost.url));
    await using receiving = await startReceiving(receiverOptions(through(vhost.url, proxy.port)));
    const first = await sender.channel.get('w1@vm.celery.pidbox', { noAck: true });
    expect(first).toMatchObject({
      properties: { contentType: 'application/json', contentEncoding: 'utf-8', deliveryMode: 2 },
    });
    if (!first) throw new Error('nobody was woken');
    const body = first.content.toString();
    expect(JSON.parse(body)).toEqual({
      method: 'heartbeat',
      arguments: {},
      destination: null,
      pattern: null,
      matcher: null,
    });
    const ready = receiving.next('receiver:ready');
    proxy.cut();
    await ready;
    expect(await sender.channel.get('w1@vm.celery.pidbox', { noAck: true })).toBeTruthy();
  });

  test('workers that cannot be woken do not keep it from receiving', async () => {
    await using vhost = await freshVhost();
    await using sender = await openSender(vhost.url);
    await sender.channel.assertExchange('odd.pidbox', 'direct', { internal: true });
    await using receiving = await startReceiving(receiverOptions(vhost.url, { controlExchange: 'odd' }));
    expect(receiving.warnings).toHaveLength(1);
    await sender.send([event(1)]);
    expect(clocks(await receiving.take(1))).toEqual([1]);
  });

  test('stops at once while it waits, while it connects, and while it consumes', async () => {
    await using vhost = await freshVhost();
    await using proxy = await openProxy(target(vhost.url));
    proxy.freeze();
    await using connecting = new Receiving(receiverOptions(through(vhost.url, proxy.port)));
    await waitFor(() => proxy.connections > 0);
    await connecting.stop();
    proxy.refuse();
    await using waiting = new Receiving(receiverOptions(through(vhost.url, proxy.port)));
    await waiting.next('receiver:lost');
    await waiting.stop();
    await using consuming = await startReceiving(receiverOptions(vhost.url));
    await consuming.stop();
    expect(consuming.receiver.status.connected).toBe(true);
    await consuming.receiver[Symbol.asyncDispose]();
    expect(await queues(vhost.url, 'name')).toEqual([]);
  });
});
