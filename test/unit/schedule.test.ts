import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { describeSchedule, nextDue, nextDues, type Schedule, scheduleFault } from '../../src/domain/schedule.ts';
import { crontab } from '../support/crontabs.ts';
import { runs } from '../support/effort.ts';

const MICROSECONDS = { days: 86_400e6, hours: 3600e6, minutes: 60e6, seconds: 1e6, microseconds: 1 } as const;
const interval = fc.record({
  kind: fc.constant('interval' as const),
  every: fc.integer({ min: 1, max: 100_000 }),
  period: fc.constantFrom(...(Object.keys(MICROSECONDS) as (keyof typeof MICROSECONDS)[])),
});
/** Whole microseconds, as databases keep times; seconds as doubles tell them apart until 2106. */
const EXACT = 2 ** 32 * 1e6;
const microseconds = fc.integer({ min: 0, max: 4e15 });

describe('an interval', () => {
  test('is due at anchor + n × every, to the microsecond, however long it has been running', () => {
    fc.assert(
      fc.property(interval, microseconds, microseconds, (schedule, after, anchor) => {
        const step = BigInt(schedule.every) * BigInt(MICROSECONDS[schedule.period]);
        const passed = BigInt(after) - BigInt(anchor);
        const n = passed < 0n ? 0n : passed / step + 1n;
        const expected = BigInt(anchor) + n * step;
        const due = nextDue(schedule, after / 1e6, anchor / 1e6) ?? Number.POSITIVE_INFINITY;
        if (expected < EXACT) expect(BigInt(Math.round(due * 1e6))).toBe(expected);
        else expect(due).toBeGreaterThan(EXACT / 1e6 - 1);
      }),
      { numRuns: runs(5000) },
    );
  });

  test('asked from due to due it does not drift, and never stands still', () => {
    fc.assert(
      fc.property(interval, microseconds, (schedule, anchor) => {
        const dues = nextDues(schedule, anchor / 1e6, anchor / 1e6, 50);
        const step = schedule.every * MICROSECONDS[schedule.period];
        for (const [n, due] of dues.entries()) {
          const expected = anchor + (n + 1) * step;
          if (expected < EXACT) expect(Math.round(due * 1e6)).toBe(expected);
          expect(due).toBeGreaterThan(dues[n - 1] ?? anchor / 1e6);
        }
        expect(dues.length === 50 || anchor + 51 * step >= Date.UTC(10_000, 0, 1) * 1000).toBe(true);
      }),
      { numRuns: runs(500) },
    );
  });

  test('is not due before its anchor, and first at it', () => {
    const schedule: Schedule = { kind: 'interval', every: 10, period: 'seconds' };
    expect(nextDues(schedule, 100, 1003, 2)).toEqual([1003, 1013]);
    expect(nextDues(schedule, 1003, 1003, 1)).toEqual([1013]);
  });

  test.each([Number.NaN, -1e300, Number.POSITIVE_INFINITY])('is never due from %d on', (anchor) => {
    expect(nextDue({ kind: 'interval', every: 1, period: 'microseconds' }, 0, anchor)).toBeNull();
  });

  test('of two hours takes two hours when the clocks change, of which an interval knows nothing', () => {
    const anchor = Date.parse('2023-03-12T06:30Z') / 1000; // 01:30 in New York, half an hour before
    expect(nextDue({ kind: 'interval', every: 2, period: 'hours' }, anchor, anchor)).toBe(anchor + 7200);
  });
});

test('a clocked time is due once', () => {
  const schedule: Schedule = { kind: 'clocked', clocked_time: 1_700_000_000.5 };
  expect(nextDues(schedule, 0, 0, 3)).toEqual([1_700_000_000.5]);
  expect(nextDue(schedule, 1_700_000_000.5, 0)).toBeNull();
});

test('a sunrise is due each day', () => {
  const dues = nextDues({ kind: 'solar', event: 'sunrise', latitude: 52.52, longitude: 13.405 }, 1_700_000_000, 0, 3);
  expect(dues.map((due) => new Date(due * 1000).toISOString().slice(0, 16))).toEqual([
    '2023-11-15T06:27',
    '2023-11-16T06:29',
    '2023-11-17T06:31',
  ]);
});

test.each<[Schedule, string]>([
  [{ kind: 'interval', every: 10, period: 'seconds' }, 'every 10 seconds'],
  [{ kind: 'interval', every: 1, period: 'days' }, 'every day'],
  [crontab('0 4 1 * *', 'Europe/Berlin'), '0 4 * * 1 Europe/Berlin'],
  [{ ...crontab('0 4 * 1 6'), minute: '0, 30' }, '0,30 4 1 6 * UTC'],
  [{ kind: 'solar', event: 'sunset', latitude: 52.5, longitude: 13.4 }, 'sunset at 52.5, 13.4'],
  [{ kind: 'clocked', clocked_time: 1_700_000_000 }, 'once at 2023-11-14T22:13:20.000Z'],
  [{ kind: 'clocked', clocked_time: Number.NaN }, 'once at NaN'],
])('%j is %s', (schedule, expected) => expect(describeSchedule(schedule)).toBe(expected));

test.each<[Schedule, string, string]>([
  [{ kind: 'interval', every: 0, period: 'days' }, 'every', '0; expected a whole number of 1 or more'],
  [{ kind: 'interval', every: 1.5, period: 'days' }, 'every', '1.5; expected a whole number of 1 or more'],
  [
    { kind: 'interval', every: 1, period: 'weeks' as 'days' },
    'period',
    '"weeks"; expected one of days, hours, minutes, seconds, microseconds',
  ],
  [
    { kind: 'solar', event: 'noon' as 'sunset', latitude: 0, longitude: 0 },
    'event',
    '"noon"; expected one of dawn_astronomical, dawn_nautical, dawn_civil, sunrise, solar_noon, sunset, dusk_civil, dusk_nautical, dusk_astronomical',
  ],
  [{ kind: 'solar', event: 'sunset', latitude: 91, longitude: 0 }, 'latitude', '91; expected degrees from -90 to 90'],
  [
    { kind: 'solar', event: 'sunset', latitude: 0, longitude: -181 },
    'longitude',
    '-181; expected degrees from -180 to 180',
  ],
  [{ kind: 'clocked', clocked_time: Number.NaN }, 'clocked_time', 'null; expected a time from 1970 to 9999'],
])('%j: %s', (schedule, field, message) => {
  expect(scheduleFault(schedule)).toEqual({ field, message });
  expect(nextDue(schedule, 0, 0)).toBeNull();
});

test('hundreds of thousands of due times take a second', () => {
  // Not how fast, which depends on the machine: that it is no search minute by minute, of which no machine does as many.
  const schedule = crontab('0 0 fri 13 5', 'Europe/Berlin');
  let count = 0;
  for (let due: number | null = 0; due !== null && count < 100_000; due = nextDue(schedule, due % 4e9, 0)) count++;
  expect(count).toBe(100_000);
});
