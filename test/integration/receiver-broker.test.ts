/** The receiver and a broker that is restarted, killed, or short of memory. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decode } from '../../src/broker/decoder.ts';
import { acknowledge, type Delivery } from '../../src/broker/delivery.ts';
import { QueueWatch } from '../../src/broker/queue-watch.ts';
import { type BrokerNode, openBrokerNode } from '../support/broker-node.ts';
import { event, openSender, receiverOptions, startReceiving } from '../support/receiving.ts';

let broker: BrokerNode;
beforeAll(async () => {
  broker = await openBrokerNode();
});
afterAll(async () => {
  await broker?.[Symbol.asyncDispose]();
});

function clocks(deliveries: readonly Delivery[]): readonly unknown[] {
  return decode(deliveries).events.map(({ event }) => event['clock']);
}

// In this order: RabbitMQ 3.10 cannot revive a quorum queue that is killed within seconds of its declaration.
describe.each(['SIGTERM', 'SIGKILL'] as const)('a restart of the broker by %s', (signal) => {
  test('a quorum queue keeps the transient events, and there is no gap', async () => {
    await using receiving = await startReceiving(receiverOptions(broker.url, { queue: 'kept', prefetch: 2 }));
    await (async () => {
      await using sender = await openSender(broker.url);
      await sender.send([event(1), event(2), event(3), event(4)]);
    })();
    expect(clocks(await receiving.take(2))).toEqual([1, 2]);
    const lost = receiving.next('receiver:lost');
    await broker.stop(signal);
    await lost;
    const ready = receiving.next('receiver:ready');
    await broker.start();
    await ready;
    // A broker that was killed may hand out what is new before it knows that the old connection is gone.
    const again = await receiving.take(2);
    acknowledge(again);
    const rest = await receiving.take(2);
    acknowledge(rest);
    const all = [...again, ...rest].map((delivery) => [clocks([delivery])[0], delivery.redelivered]);
    expect(all.sort()).toEqual([
      [1, true],
      [2, true],
      [3, false],
      [4, false],
    ]);
    expect(receiving.gaps).toEqual([]);
    expect(receiving.receiver.status).toMatchObject({
      connected: true,
      mode: 'durable',
      kept: signal === 'SIGKILL',
    });
  });
});

test('a classic queue loses the transient events, and the outage is a gap', async () => {
  const options = receiverOptions(broker.url, { queue: 'emptied', queueType: 'classic', prefetch: 1 });
  await using receiving = await startReceiving(options);
  await (async () => {
    await using sender = await openSender(broker.url);
    await sender.send([event(1), event(2)]);
  })();
  await receiving.take(1);
  const before = receiving.receiver.status.lastDelivery;
  const lost = receiving.next('receiver:lost');
  await broker.stop();
  await lost;
  const ready = receiving.next('receiver:ready');
  await broker.start();
  await ready;
  await using sender = await openSender(broker.url);
  await sender.send([event(3)]);
  expect(clocks(await receiving.take(1))).toEqual([3]);
  expect(receiving.gaps).toMatchObject([
    { cause: 'disconnect', started_at: before, detail: expect.stringContaining('classic') },
  ]);
});

test('a broker that is short of memory is shown as blocked, and acknowledgements get through all the same', async () => {
  await broker.control('set_vm_memory_high_watermark', '0.00001');
  await using sender = await openSender(broker.url);
  await using receiving = await startReceiving(receiverOptions(broker.url, { queue: 'under-alarm', prefetch: 1 }));
  expect(receiving.receiver.status).toMatchObject({ connected: true, blocked: 'low on memory' });
  expect(receiving.warnings).toHaveLength(1);
  const unblocked = receiving.next('receiver:blocked');
  await broker.control('set_vm_memory_high_watermark', '0.4');
  expect(await unblocked).toEqual({ cluster: 'default', reason: null });
  expect(receiving.receiver.status.blocked).toBeNull();
  await sender.send([event(1), event(2)]);
  acknowledge(await receiving.take(1));
  const blocked = receiving.next('receiver:blocked');
  await broker.control('set_vm_memory_high_watermark', '0.00001');
  expect(await blocked).toEqual({ cluster: 'default', reason: 'low on memory' });
  const second = await receiving.take(1);
  acknowledge(second);
  await receiving.stop();
  await receiving.receiver[Symbol.asyncDispose]();
  expect(await sender.channel.get('under-alarm')).toBe(false);
  await broker.control('set_vm_memory_high_watermark', '0.4');
});

test('and queues are looked at, although workers cannot be asked', async () => {
  await using sender = await openSender(broker.url);
  await sender.channel.assertQueue('full', { durable: false });
  await broker.control('set_vm_memory_high_watermark', '0.00001');
  const watched = { queues: () => ['full'], limit: 1, wanted: () => true };
  const watch = new QueueWatch({ ...receiverOptions(broker.url), ...watched });
  const stop = new AbortController();
  const running = watch.run(stop.signal).catch(() => null);
  while (watch.lengths.length === 0) await delay(20);
  expect(watch.lengths).toMatchObject([{ queue: 'full', messages: 0, consumption: null }]);
  stop.abort();
  await running;
  await broker.control('set_vm_memory_high_watermark', '0.4');
});
