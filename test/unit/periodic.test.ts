import { expect, test } from 'vitest';
import { dueAfter, duesAfter, timingOf } from '../../src/domain/periodic.ts';
import type { Schedule } from '../../src/domain/schedule.ts';
import { periodicRow } from '../support/periodic.ts';

const NOON = Date.UTC(2026, 10, 24, 12) / 1000;
const MINUTELY: Schedule = { kind: 'interval', every: 1, period: 'minutes' };
const HOURLY: Schedule = {
  kind: 'crontab',
  ...{ minute: '0', hour: '*', day_of_week: '*', day_of_month: '*', month_of_year: '*', timezone: 'UTC' },
};
const ONCE: Schedule = { kind: 'clocked', clocked_time: NOON };

test('an interval is first due one interval after it was set, and no earlier than asked', () => {
  const timing = timingOf(periodicRow({ schedules: [MINUTELY], scheduled_at: NOON + 0.5 }));
  expect(duesAfter(timing, 0, 3)).toEqual([NOON + 60.5, NOON + 120.5, NOON + 180.5]);
  expect(dueAfter(timing, NOON + 120.5)).toBe(NOON + 180.5);
});

test.each([
  ['an interval', MINUTELY],
  ['a crontab', HOURLY],
  ['a clocked task', ONCE],
])('%s is due at its very start time, and not before', (_, schedule) => {
  const timing = timingOf(periodicRow({ schedules: [schedule], scheduled_at: NOON - 7200, start_time: NOON }));
  expect(dueAfter(timing, 0)).toBe(NOON);
});

test('an interval whose start is past goes on counting from there', () => {
  const timing = timingOf(periodicRow({ schedules: [MINUTELY], scheduled_at: NOON + 30, start_time: NOON - 0.25 }));
  expect(dueAfter(timing, 0)).toBe(NOON + 59.75);
});

test('a clocked task that was set after its time is due: late', () => {
  const timing = timingOf(periodicRow({ schedules: [ONCE], scheduled_at: NOON + 3600 }));
  expect(duesAfter(timing, 0, 2)).toEqual([NOON]);
});

test('nothing is due from `expires` on', () => {
  const timing = timingOf(periodicRow({ schedules: [MINUTELY], scheduled_at: NOON, expires: NOON + 120 }));
  expect(duesAfter(timing, 0, 3)).toEqual([NOON + 60]);
});
