/** The small parts of the domain by themselves. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareCodePoints } from '../../src/domain/code-points.ts';
import { precedence } from '../../src/domain/states.ts';
import { createTask, type Task } from '../../src/domain/task.ts';
import { Texts } from '../../src/domain/texts.ts';
import { TimeOrder } from '../../src/domain/time-order.ts';
import { addHeartbeat, createWorker, heartbeatExpires, isAlive, statusOf } from '../../src/domain/worker.ts';

test('states rank as in Celery, custom ones between FAILURE and REVOKED', () => {
  const ranked = ['SUCCESS', 'FAILURE', 'PROGRESS', 'REVOKED', 'STARTED', 'RECEIVED', 'REJECTED', 'RETRY', 'PENDING'];
  expect(ranked.map(precedence)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
});

describe('a worker', () => {
  test('drops the first of four heartbeats, then puts the new one where it belongs', () => {
    const times = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 12 });
    fc.assert(
      fc.property(times, (all) => {
        const worker = createWorker('w@h');
        let model: number[] = [];
        for (const time of all) {
          addHeartbeat(worker, time);
          model = [...(model.length === 4 ? model.slice(1) : model), time].sort((a, b) => a - b);
          expect(worker.heartbeats).toEqual(model);
        }
      }),
    );
  });

  test('is alive for twice its frequency after the latest heartbeat, that moment excluded', () => {
    const worker = { ...createWorker('w@h'), freq: 2, heartbeats: [90, 100] };
    expect(heartbeatExpires(worker)).toBe(104);
    expect([isAlive(worker, 103.9), isAlive(worker, 104)]).toEqual([true, false]);
    expect([statusOf(worker, 103.9), statusOf(worker, 104)]).toEqual(['ONLINE', 'OFFLINE']);
  });

  test('that never told its frequency has a minute, and without heartbeats is not alive', () => {
    expect(heartbeatExpires({ ...createWorker('w@h'), heartbeats: [100] })).toBe(220);
    expect(heartbeatExpires({ ...createWorker('w@h'), freq: null, heartbeats: [100] })).toBe(220);
    expect(heartbeatExpires(createWorker('w@h'))).toBe(null);
    expect(isAlive(createWorker('w@h'), 0)).toBe(false);
  });
});

test('texts compare by code point', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (a, b) => {
      const [x, y] = [a, b].map((text) =>
        Array.from(text, (c) => (c.codePointAt(0) ?? 0).toString(16).padStart(6, '0')).join(''),
      );
      expect(Math.sign(compareCodePoints(a, b))).toBe(x === y ? 0 : (x as string) < (y as string) ? -1 : 1);
    }),
  );
  expect(compareCodePoints('\u{1f600}', '\uffee')).toBeGreaterThan(0); // where JavaScript says otherwise
});

test('shared texts are equal to what was given, also where two want one place', () => {
  const texts = new Texts();
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 0, maxLength: 3 })), (all) => {
      for (const text of [...all, ...all, 'x'.repeat(100_000)]) expect(texts.share(text)).toBe(text);
    }),
  );
});

describe('tasks by time', () => {
  const tasks = new Map(['a', 'b', 'c', 'd'].map((uuid) => [uuid, createTask(uuid)]));
  const of = (uuid: string): Task => tasks.get(uuid) as Task;

  test('are ordered by clock, equal clocks by sender, and by time where there is no clock', () => {
    const order = new TimeOrder(10);
    order.add(5, 100, 'w1', of('a'));
    order.add(3, 200, 'w1', of('b'));
    order.add(5, 50, 'w0', of('c'));
    expect(order.tasksByTime(tasks)).toEqual(['a', 'c', 'b']);
    expect(order.tasksByTime(tasks, { reverse: false })).toEqual(['b', 'c', 'a']);
    order.add(0, 300, 'w1', of('d'));
    expect(order.tasksByTime(tasks)[0]).toBe('d');
  });

  test('come once, and a limit counts events', () => {
    const order = new TimeOrder(10);
    for (const [clock, uuid] of ['a', 'b', 'b', 'c'].entries()) order.add(clock + 1, 0, 'w', of(uuid));
    expect(order.tasksByTime(tasks)).toEqual(['c', 'b', 'a']);
    expect(order.tasksByTime(tasks, { limit: 3 })).toEqual(['c', 'b']);
  });

  test('are forgotten four times the number of tasks ago, and when they are not in memory', () => {
    const order = new TimeOrder(1);
    for (const [clock, uuid] of ['a', 'b', 'c', 'd', 'b', 'b'].entries()) order.add(clock + 1, 0, 'w', of(uuid));
    expect(order.tasksByTime(tasks)).toEqual(['b', 'd', 'c']);
    expect(
      order.tasksByTime(
        new Map([
          ['c', of('c')],
          ['d', createTask('d')],
        ]),
      ),
    ).toEqual(['c']);
  });
});
