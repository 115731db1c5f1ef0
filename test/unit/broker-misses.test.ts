/** What becomes a gap, and what does not. */
import { expect, test, vi } from 'vitest';
import { Misses, type MissesOptions } from '../../src/broker/misses.ts';
import type { Gap } from '../../src/domain/gap.ts';
import { now } from '../../src/runtime.ts';

const GUEST: MissesOptions = { cluster: 'eu', queue: null, queueType: 'quorum', queueTtl: 5 };
const DURABLE: MissesOptions = { ...GUEST, queue: 'recorder' };

function watch(options: MissesOptions): { readonly misses: Misses; readonly gaps: Gap[] } {
  const gaps: Gap[] = [];
  return { misses: new Misses(options, (gap) => gaps.push(gap)), gaps };
}

test('the time before the first connection is no gap of the receiver', () => {
  for (const options of [GUEST, DURABLE]) {
    const { misses, gaps } = watch(options);
    misses.sawQueue(false);
    misses.consuming(10);
    expect(gaps).toEqual([]);
  }
});

test('a guest’s outage is one gap, however often it fails to come back', () => {
  const { misses, gaps } = watch(GUEST);
  misses.consuming(10);
  misses.lost(20);
  misses.lost(25);
  misses.consuming(30);
  misses.consuming(35);
  const [gap] = gaps;
  expect(gaps).toHaveLength(1);
  expect(gap).toMatchObject({ cluster: 'eu', cause: 'disconnect', started_at: 20, ended_at: 30, estimate: null });
});

test('a durable queue that is still there misses nothing', () => {
  const { misses, gaps } = watch(DURABLE);
  misses.consuming(10);
  misses.lost(20);
  misses.sawQueue(true);
  misses.consuming(30);
  expect(gaps).toEqual([]);
});

test('a durable queue that was gone once is a gap, though it is there again when consuming succeeds', () => {
  const { misses, gaps } = watch(DURABLE);
  misses.consuming(10);
  misses.lost(20);
  misses.sawQueue(false);
  misses.sawQueue(true);
  misses.consuming(30);
  expect(gaps).toMatchObject([{ cause: 'queue-lost', started_at: 20, ended_at: 30 }]);
  misses.lost(40);
  misses.sawQueue(true);
  misses.consuming(50);
  expect(gaps).toHaveLength(1);
});

test('a classic queue may have been emptied in each outage', () => {
  const { misses, gaps } = watch({ ...DURABLE, queueType: 'classic' });
  misses.consuming(10);
  misses.lost(20);
  misses.sawQueue(true);
  misses.consuming(30);
  expect(gaps).toMatchObject([{ cause: 'disconnect', detail: expect.stringContaining('classic') }]);
});

test('refused messages are one gap, up to the first that is accepted, or to the loss of the connection', () => {
  const { misses, gaps } = watch(GUEST);
  misses.consuming(10);
  misses.accepted(11);
  misses.refused(12);
  misses.refused(13);
  misses.accepted(14);
  misses.accepted(15);
  expect(gaps).toMatchObject([{ cause: 'buffer-full', started_at: 12, ended_at: 14, estimate: 2 }]);
  misses.refused(16);
  misses.lost(16);
  expect(gaps[1]).toMatchObject({ cause: 'buffer-full', started_at: 16, estimate: 1 });
});

test('refused messages are told when there is room again, though no message comes', () => {
  vi.useFakeTimers();
  try {
    const { misses, gaps } = watch(GUEST);
    let hasRoom = false;
    const timer = misses.watch(() => hasRoom);
    misses.refused(now());
    vi.advanceTimersByTime(5000);
    expect(gaps).toEqual([]);
    hasRoom = true;
    vi.advanceTimersByTime(5000);
    expect(gaps).toMatchObject([{ cause: 'buffer-full', estimate: 1 }]);
    clearInterval(timer);
  } finally {
    vi.useRealTimers();
  }
});

test('a clock that was set back makes no gap that ends before it starts', () => {
  const { misses, gaps } = watch(GUEST);
  misses.consuming(10);
  misses.lost(20);
  misses.consuming(15);
  expect(gaps).toMatchObject([{ started_at: 20, ended_at: 20 }]);
});
