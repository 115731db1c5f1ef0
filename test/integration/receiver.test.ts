/** The receiver against a real broker: both ways to join, and every way to lose it. */
import { describe, expect, test } from 'vitest';
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
  const vhost = decodeURIComponent(new URL(url).pathname.slice(1));
  return JSON.parse(await rabbitmqctl('list_queues', '-p', vhost, '--formatter', 'json', ...columns)) as Record<
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
});
