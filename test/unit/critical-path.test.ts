import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { criticalPath } from '../../src/ui/critical-path.ts';

type Timed = Parameters<typeof criticalPath>[0][number];

/** @param end null: it has not ended */
function task(task_id: string, parent_id: string | null, begin: number | null, end: number | null): Timed {
  const state = end === null ? 'STARTED' : 'SUCCESS';
  return { task_id, parent_id, state, sent: null, received: begin, started: begin, timestamp: end ?? begin };
}

describe('the critical path', () => {
  test.each<[string, readonly Timed[], readonly string[]]>([
    ['of a chain is the chain', [task('a', null, 0, 1), task('b', 'a', 1, 2), task('c', 'b', 2, 3)], ['a', 'b', 'c']],
    [
      'of a chord leads through the slowest of its group, whoever called the body',
      [task('a', null, 0, 1), task('fast', 'a', 1, 2), task('slow', 'a', 1, 8), task('body', 'fast', 8.1, 9)],
      ['a', 'slow', 'body'],
    ],
    [
      'goes up to a caller that was still executing',
      [task('a', null, 0, 9), task('early', null, 0, 2), task('b', 'a', 3, 12)],
      ['a', 'b'],
    ],
    [
      'of what is under way leads to what was called first',
      [task('a', null, 0, 1), task('done', 'a', 1, 5), task('late', 'a', 4, null), task('waits', 'a', 1, null)],
      ['a', 'waits'],
    ],
    ['goes by the caller where there is no time', [task('a', null, 0, 1), task('b', 'a', null, 5)], ['a', 'b']],
    ['of a ring ends', [task('a', 'b', 0, 9), task('b', 'a', 0, 9)], ['b', 'a']],
    ['of tasks without times is none', [task('a', null, null, null), task('b', 'a', null, null)], []],
    ['of nothing is none', [], []],
  ])('%s', (_name, tasks, ids) => expect(criticalPath(tasks)).toEqual(ids));

  test('never names one twice, whatever the times', () => {
    const id = fc.constantFrom('a', 'b', 'c', 'd', 'e');
    const time = fc.option(fc.integer({ min: 0, max: 9 }));
    const tasks = fc.uniqueArray(fc.record({ id, parent: fc.option(id), begin: time, end: time }), {
      selector: (each) => each.id,
    });
    fc.assert(
      fc.property(tasks, (all) => {
        const path = criticalPath(all.map((each) => task(each.id, each.parent, each.begin, each.end)));
        expect(new Set(path).size).toBe(path.length);
      }),
    );
  });
});
