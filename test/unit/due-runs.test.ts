import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type DueRun, dueRuns, IN_TIME, MOST_MISSED } from '../../src/domain/due-runs.ts';
import { type Timing, timingOf } from '../../src/domain/periodic.ts';
import { periodicRow } from '../support/periodic.ts';

const NOON = Date.UTC(2026, 10, 24, 12) / 1000;

function every(seconds: number, more: Partial<Timing> = {}): Timing {
  const schedule = { kind: 'interval', every: seconds, period: 'seconds' } as const;
  return { ...timingOf(periodicRow({ schedules: [schedule], scheduled_at: NOON })), ...more };
}

function sends(...dues: readonly number[]): DueRun[] {
  return dues.map((due) => ({ due, outcome: 'send', missed: 0 }));
}

test('what is due now, or was up to 30 s ago, is sent whatever the policy', () => {
  expect(dueRuns(every(10), NOON, NOON + 9, 0)).toEqual([]);
  expect(dueRuns(every(10), NOON, NOON + 10, 0)).toEqual(sends(NOON + 10));
  expect(dueRuns(every(10), NOON, NOON + 39.9, 0)).toEqual(sends(NOON + 10, NOON + 20, NOON + 30));
});

test('skip: later than that, the latest is skipped, and tells of how many before it', () => {
  expect(dueRuns(every(3600), NOON, NOON + 3 * 3600 + 31, 0)).toEqual([
    { due: NOON + 3 * 3600, outcome: 'skip', missed: 2 },
  ]);
});

test('once: the latest is sent, and where another is in time that will do', () => {
  expect(dueRuns(every(3600), NOON, NOON + 3 * 3600 + 31, 1)).toEqual([
    { due: NOON + 3 * 3600, outcome: 'send', missed: 2 },
  ]);
  expect(dueRuns(every(60), NOON, NOON + 605, 1)).toEqual([{ due: NOON + 600, outcome: 'send', missed: 9 }]);
});

test('all up to n: the latest n', () => {
  expect(dueRuns(every(60), NOON, NOON + 605, 3)).toEqual([
    { due: NOON + 480, outcome: 'send', missed: 7 },
    ...sends(NOON + 540, NOON + 600),
  ]);
  expect(dueRuns(every(60), NOON, NOON + 125, 1000)).toEqual(sends(NOON + 60, NOON + 120));
});

test('of what has ended meanwhile nothing is sent', () => {
  expect(dueRuns(every(60, { end: NOON + 150 }), NOON, NOON + 155, 10)).toEqual([
    { due: NOON + 120, outcome: 'skip', missed: 1 },
  ]);
});

test('years without a beat are passed over at once', () => {
  const [run, ...others] = dueRuns(every(1, { end: NOON + 5e8 }), NOON, NOON + 1e9, 1);
  expect(run).toEqual({ due: NOON + 5e8 - 1, outcome: 'skip', missed: MOST_MISSED });
  expect(others).toEqual([]);
});

test('each due time has exactly one end, however often one looks and whatever the policy', () => {
  const looks = fc.array(fc.double({ min: 0.01, max: 500, noNaN: true }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 0, max: 5 }), looks, (seconds, catchUp, pauses) => {
      const timing = every(seconds);
      let since = NOON;
      let time = NOON;
      let settled = 0;
      for (const pause of pauses) {
        time += pause;
        const runs = dueRuns(timing, since, time, catchUp);
        for (const { due, missed } of runs) {
          settled += missed + 1;
          expect(due).toBe(NOON + settled * seconds);
        }
        expect(settled).toBe(Math.floor((time - NOON) / seconds));
        for (const { due, outcome } of runs) if (time - due < IN_TIME) expect(outcome).toBe('send');
        since = runs.at(-1)?.due ?? since;
      }
    }),
  );
});
