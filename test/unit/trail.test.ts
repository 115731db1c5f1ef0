/** What is remembered of the latest things. */
import { expect, test } from 'vitest';
import { Trail } from '../../src/live/trail.ts';

const known = (trail: Trail<number>): number[] => Array.from(trail.between(0, 1e9), ([, item]) => item);

test('as many as it can hold, from anywhere', () => {
  const trail = new Trail<number>(3, 10);
  expect([9, 10].map((at) => trail.covers(at))).toEqual([false, true]);
  for (const position of [11, 12, 12, 13, 14]) trail.add(position, position);
  expect(known(trail)).toEqual([12, 13, 14]);
  // One of the two of position 12 is forgotten.
  expect([11, 12].map((at) => trail.covers(at))).toEqual([false, true]);
  expect([...trail.between(12, 13)]).toEqual([[13, 13]]);
  trail.clear(20);
  expect(known(trail)).toEqual([]);
  expect([19, 20].map((at) => trail.covers(at))).toEqual([false, true]);
});

test('no more than it may weigh', () => {
  const trail = new Trail<number>(100, 0, { most: 10, of: (item) => item });
  for (const [position, weight] of [4, 3, 3].entries()) trail.add(position + 1, weight);
  expect(known(trail)).toEqual([4, 3, 3]);
  trail.add(4, 1);
  expect(known(trail)).toEqual([3, 3, 1]);
  expect([0, 1].map((at) => trail.covers(at))).toEqual([false, true]);
  // What is too heavy by itself is not remembered, nor is what came before.
  trail.add(5, 11);
  expect(known(trail)).toEqual([]);
  expect([4, 5].map((at) => trail.covers(at))).toEqual([false, true]);
  trail.clear(5);
  trail.add(6, 10);
  expect(known(trail)).toEqual([10]);
});
