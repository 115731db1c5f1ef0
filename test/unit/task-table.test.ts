/** The table of tasks is a Map to whoever uses it, whatever the uuids are. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTask, type Task } from '../../src/domain/task.ts';
import { TaskTable } from '../../src/domain/task-table.ts';
import { runs } from '../support/effort.ts';

/** Some with the same ends, more of them than one chain takes. */
const uuids = fc.oneof(
  fc.integer({ min: 0, max: 60 }).map((n) => `abcdef-${n}-abcdef`),
  fc.integer({ min: 0, max: 3_000 }).map((n) => `${n}`),
  fc.string({ unit: 'binary', maxLength: 3 }),
);
/** Enough of them for the table to grow, and to close its gaps. */
const steps = fc.array(fc.tuple(fc.constantFrom('add', 'add', 'delete', 'evict'), uuids), {
  maxLength: 5_000,
  size: 'max',
});

function step(table: TaskTable, model: Map<string, Task>, what: string, uuid: string): void {
  const [oldest] = model.values();
  const foundBefore = [table.oldest(), table.get(uuid)];
  const expected = [oldest, model.get(uuid)];
  if (what === 'evict') {
    if (oldest) table.delete(oldest.uuid);
    if (oldest) model.delete(oldest.uuid);
  } else if (what === 'delete') {
    table.delete(uuid);
    model.delete(uuid);
  } else if (!model.has(uuid)) {
    const task = createTask(uuid);
    table.add(task);
    model.set(uuid, task);
  }
  const found = [...foundBefore, table.has(uuid), table.size];
  // Asked of vitest only where it is not so: that takes longer than all else here.
  if (found.some((value, i) => value !== [...expected, model.has(uuid), model.size][i]))
    expect(found).toEqual([...expected, model.has(uuid), model.size]);
}

test('it holds what a Map would hold, in the same order', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const table = new TaskTable();
      const model = new Map<string, Task>();
      for (const [what, uuid] of all) step(table, model, what, uuid);
      expect([...table]).toEqual([...model]);
      expect([...table.keys()]).toEqual([...model.keys()]);
      for (const [uuid, task] of model) expect(table.get(uuid)).toBe(task);
    }),
    { numRuns: runs(50), endOnFailure: true },
  );
});

test('whoever goes through it while tasks come and go sees what a Map would show', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 30 }), (all, pace) => {
      const table = new TaskTable();
      const model = new Map<string, Task>();
      const next = all.values();
      const go = (count: number): void => {
        for (let n = 0; n < count; n++) {
          const { done, value } = next.next();
          if (!done) step(table, model, ...value);
        }
      };
      go(all.length / 2);
      const [ours, theirs] = [table.values(), model.values()];
      for (;;) {
        const told = ours.next();
        expect(told).toEqual(theirs.next());
        if (told.done) break;
        go(pace);
      }
    }),
    { numRuns: runs(50), endOnFailure: true },
  );
});

test('a table that is gone through while it closes its gaps tells each task once', () => {
  const table = new TaskTable();
  const told: string[] = [];
  for (let n = 0; n < 500; n++) table.add(createTask(`old ${n}`));
  let added = 0;
  for (const { uuid } of table.values()) {
    told.push(uuid);
    if (!uuid.startsWith('old')) continue;
    // Each old one goes when it is told, and for it come ten that go at once, and one that stays.
    table.delete(uuid);
    for (let n = 0; n < 10; n++) {
      table.add(createTask('passing'));
      table.delete('passing');
    }
    table.add(createTask(`new ${added++}`));
  }
  expect(told).toEqual([
    ...Array.from({ length: 500 }, (_, n) => `old ${n}`),
    ...Array.from({ length: 500 }, (_, n) => `new ${n}`),
  ]);
});

// Were they all compared with one another, this would take minutes.
test('uuids that were chosen to have the same hash are found as fast as others', () => {
  const table = new TaskTable();
  const nameOf = (n: number): string => `abcdef-${n}-abcdef`;
  for (let n = 0; n < 200_000; n++) table.add(createTask(nameOf(n)));
  let wrong = 0;
  for (let n = 0; n < 200_000; n++) wrong += Number(table.get(nameOf(n))?.uuid !== nameOf(n));
  for (let n = 0; n < 200_000; n += 2) table.delete(nameOf(n));
  for (let n = 0; n < 200_000; n++) wrong += Number(table.has(nameOf(n)) !== (n % 2 === 1));
  expect(wrong).toBe(0);
}, 10_000);
