import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { QueueWatch } from '../../src/broker/queue-watch.ts';
import { isAbort } from '../../src/runtime.ts';
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
  const watch = new QueueWatch({ ...receiverOptions(proxy.url), queues, wanted: () => wanted });
  const stop = new AbortController();
  const running = watch.run(stop.signal).catch((error: unknown) => error);
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await delay(20);
  };
  await new Promise(setImmediate);
  expect(proxy.connections).toBe(0);
  wanted = true;
  const seen = [
    { cluster: 'default', queue: 'fast', messages: 3, consumers: 0 },
    { cluster: 'default', queue: 'slow', messages: 0, consumers: 1 },
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
