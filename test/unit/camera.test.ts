import { expect, test } from 'vitest';
import { createBucket } from '../../src/camera/bucket.ts';

test('a bucket gives one token at once and one per interval, however long it was idle', () => {
  const bucket = createBucket(0.5);
  expect([100, 100, 101, 101.9, 102, 102, 500, 500, 501, 502].map((time) => bucket.take(time))).toEqual([
    ...[true, false, false, false, true, false],
    ...[true, false, false, true],
  ]);
});

test('no rate, no limit', () => {
  const bucket = createBucket(null);
  expect([1, 1, 1].map((time) => bucket.take(time))).toEqual([true, true, true]);
});
