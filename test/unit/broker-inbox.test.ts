/** The inbox: one order, batches, bounds. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { acknowledge, type Delivery, type Receipt } from '../../src/broker/delivery.ts';
import { Inbox } from '../../src/broker/inbox.ts';

function delivery(tag: number, receipt: Receipt | null = null, size = 300): Delivery {
  return {
    cluster: 'default',
    routing_key: String(tag),
    content_type: undefined,
    content_encoding: undefined,
    headers: {},
    body: Buffer.alloc(size),
    redelivered: false,
    local_received: tag,
    receipt,
  };
}

const tags = (batch: readonly Delivery[]): readonly number[] => batch.map(({ local_received }) => local_received);

test('gives everything once, in order, in batches of at most the size', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 30 })),
      fc.integer({ min: 1, max: 10 }),
      async (pushes, batchSize) => {
        const inbox = new Inbox({ batchSize, maxBytes: 1e9 });
        const stop = new AbortController();
        const batches = inbox.batches(stop.signal);
        const seen: number[] = [];
        let next = 0;
        for (const push of pushes) {
          for (let n = 0; n < push; n++) expect(inbox.push(delivery(next++))).toBe(true);
          const { value } = await batches.next();
          expect(value?.length).toBeLessThanOrEqual(batchSize);
          seen.push(...tags(value ?? []));
        }
        stop.abort();
        for await (const batch of batches) seen.push(...tags(batch));
        expect(seen).toEqual(Array.from({ length: next }, (_, n) => n));
        expect(inbox.bytes).toBe(0);
      },
    ),
  );
});

test('wakes whoever waits, and ends when the signal aborts', async () => {
  const inbox = new Inbox({ batchSize: 10, maxBytes: 1000 });
  const stop = new AbortController();
  const batches = inbox.batches(stop.signal);
  const waiting = batches.next();
  inbox.push(delivery(1));
  expect(tags((await waiting).value ?? [])).toEqual([1]);
  const end = batches.next();
  stop.abort();
  expect((await end).done).toBe(true);
});

test('when full it refuses what the broker does not keep, until half of it is free', async () => {
  const inbox = new Inbox({ batchSize: 1, maxBytes: 4000 });
  const batches = inbox.batches(new AbortController().signal);
  const accepted = [1, 2, 3, 4, 5].map((tag) => inbox.push(delivery(tag)));
  expect(accepted).toEqual([true, true, true, true, false]);
  const receipt = { tag: 6, settle: () => {} };
  expect(inbox.push(delivery(6, receipt))).toBe(true);
  await batches.next();
  await batches.next();
  expect(inbox.push(delivery(7))).toBe(false);
  await batches.next();
  expect(inbox.push(delivery(8))).toBe(true);
});

test('a long backlog is taken in linear time', async () => {
  const inbox = new Inbox({ batchSize: 10, maxBytes: 1e9 });
  const one = delivery(1, null, 0);
  for (let n = 0; n < 300_000; n++) inbox.push(one);
  const started = process.cpuUsage();
  let taken = 0;
  for await (const batch of inbox.batches(AbortSignal.abort())) taken += batch.length;
  expect(taken).toBe(300_000);
  // Quadratic, this took minutes.
  expect(process.cpuUsage(started).user).toBeLessThan(5_000_000);
});

test('acknowledges each channel once, with its last tag', () => {
  const settled: [string, number][] = [];
  const channel = (name: string) => (tag: number) => settled.push([name, tag]);
  const [a, b] = [channel('a'), channel('b')];
  acknowledge([
    delivery(1, { tag: 1, settle: a }),
    delivery(2, { tag: 7, settle: b }),
    delivery(3),
    delivery(4, { tag: 2, settle: a }),
  ]);
  expect(settled).toEqual([
    ['a', 2],
    ['b', 7],
  ]);
});
