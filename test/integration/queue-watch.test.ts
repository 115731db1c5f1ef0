import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { QueueWatch } from '../../src/broker/queue-watch.ts';
import { isAbort } from '../../src/runtime.ts';
import { startNode } from '../support/node.ts';
import { openProxyTo } from '../support/proxy.ts';
import { openSender, receiverOptions } from '../support/receiving.ts';
import { freshVhost } from '../support/services.ts';

test('tells how much waits in each queue that there is, while somebody wants to know, and comes back', async () => {
  await using vhost = await freshVhost();
  await using proxy = await openProxyTo(vhost.url);
  await using sender = await openSender(vhost.url);
  for (const queue of ['fast', 'slow']) await sender.channel.assertQueue(queue, { durable: false });
  for (let n = 0; n < 3; n++) sender.channel.sendToQueue('fast', Buffer.from('task'));
  await sender.confirmed();
  await sender.channel.consume('slow', () => {});

  let wanted = false;
  const queues = (): string[] => ['gone', 'fast', 'gone too', 'slow'];
  const watch = new QueueWatch({ ...receiverOptions(proxy.url), queues, limit: 10, wanted: () => wanted });
  const stop = new AbortController();
  const running = watch.run(stop.signal).catch((error: unknown) => error);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await delay(20);
  };
  await new Promise(setImmediate);
  expect(proxy.connections).toBe(0);
  wanted = true;
  const seen = [
    { cluster: 'default', queue: 'fast', messages: 3, consumers: 0, consumption: { workers: 0, processes: 0 } },
    { cluster: 'default', queue: 'slow', messages: 0, consumers: 1, consumption: { workers: 0, processes: 0 } },
  ];
  await until(() => watch.lengths.length > 0);
  expect(watch.lengths).toEqual(seen);
  // What cannot be seen is not told.
  proxy.refuse();
  proxy.cut();
  await until(() => watch.lengths.length === 0);
  proxy.pass();
  await until(() => watch.lengths.length > 0);
  expect(watch.lengths).toEqual(seen);
  stop.abort();
  expect(isAbort(await running)).toBe(true);
});

test('workers say which queues there are and who takes from them; what they said stays known, what is odd is left out', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  for (const queue of ['a', 'b', 'c', 'd']) await sender.channel.assertQueue(queue, { durable: false });
  const queuesOf: Record<string, unknown> = {
    'w1@vm': [{ name: 'a' }, { name: 'b' }, { name: 'a' }],
    'w2@vm': [{ name: 'b' }, { name: 7 }, 'c', { name: 'gone' }, { name: 'x'.repeat(200) }],
    'w3@vm': { error: 'no' },
  };
  const pools: Record<string, unknown> = { 'w1@vm': { processes: [1, 2, 3, 4] }, 'w2@vm': { 'max-concurrency': 8 } };
  for (const name of Object.keys(queuesOf)) {
    await startNode(sender, name, ({ method }) => ({
      [name]: method === 'stats' ? { pool: pools[name] } : queuesOf[name],
    }));
  }
  const options = { ...receiverOptions(vhost.url), queues: () => ['d'], limit: 3, wanted: () => true };
  const lengths = async (): Promise<readonly unknown[]> => {
    const watch = new QueueWatch(options);
    const stop = new AbortController();
    const running = watch.run(stop.signal).catch(() => null);
    while (watch.lengths.length === 0) await delay(20);
    stop.abort();
    await running;
    return watch.lengths.map(({ queue, consumption }) => [queue, consumption?.workers, consumption?.processes]);
  };
  expect((await lengths()).toSorted()).toEqual([
    ['a', 1, 4],
    ['b', 2, 4],
    ['d', 0, 0],
  ]);
});
