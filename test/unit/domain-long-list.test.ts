import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LongList } from '../../src/domain/long-list.ts';
import { runs } from '../support/effort.ts';

test('it is a list, whatever is done to it', () => {
  const step = fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant('insert' as const), where: fc.double({ min: 0, max: 1, noNaN: true }) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('push' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('drop' as const) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 60 }), (steps, times) => {
      const list = new LongList<number>();
      const model: number[] = [];
      let value = 0;
      // Each step many times over, so that chunks fill, split and empty.
      for (const step of steps) {
        for (let i = 0; i < times; i++) {
          value += 1;
          if (step.kind === 'push') {
            list.push(value);
            model.push(value);
          } else if (step.kind === 'drop') {
            list.dropFirst();
            model.shift();
          } else {
            const index = Math.floor(step.where * model.length);
            list.insert(index, value);
            model.splice(index, 0, value);
          }
        }
      }
      expect(Array.from({ length: list.length }, (_, i) => list.at(i))).toEqual(model);
    }),
    { numRuns: runs(60) },
  );
});

test('it empties, and fills again', () => {
  const list = new LongList<number>();
  list.dropFirst();
  for (let i = 0; i < 5000; i++) list.push(i);
  for (let i = 0; i < 5000; i++) list.dropFirst();
  expect(list.length).toBe(0);
  list.insert(0, 7);
  expect([list.length, list.at(0)]).toEqual([1, 7]);
});
