import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Ended } from '../../src/domain/ended.ts';
import { createTask, type Task } from '../../src/domain/task.ts';

test('gives the task that ended first, whichever went on and ended again', () => {
  const step = fc.record({ what: fc.constantFrom('end', 'end', 'leave', 'take'), n: fc.nat(6) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const tasks = Array.from({ length: 7 }, (_, n) => createTask(`${n}`));
      const ended = new Ended();
      const wanted: Task[] = [];
      for (const { what, n } of steps) {
        const task = tasks[n] as Task;
        const place = wanted.indexOf(task);
        if (what === 'take') expect(ended.takeOldest()).toBe(wanted.shift());
        else if (what === 'end' && place < 0) ended.add(wanted[wanted.push(task) - 1] as Task);
        else if (what === 'leave' && place >= 0) ended.leave(wanted.splice(place, 1)[0] as Task);
        expect([...ended]).toEqual(wanted);
      }
    }),
  );
});

test('many that come and go, and one that goes on again and again, leave the order as it is', () => {
  const tasks = Array.from({ length: 5_000 }, (_, n) => createTask(`${n}`));
  const restless = createTask('restless');
  const ended = new Ended();
  for (const task of tasks) {
    ended.add(task);
    ended.add(restless);
    ended.leave(restless);
  }
  ended.add(restless);
  for (const task of tasks) expect(ended.takeOldest()).toBe(task);
  expect(ended.takeOldest()).toBe(restless);
  expect(ended.takeOldest()).toBeUndefined();
});
