/** What flags and entries of a beat_schedule say of a periodic task. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { changeOf, newTaskOf, scheduleOf } from '../../src/commands/periodic-settings.ts';
import type { Flags } from '../../src/config.ts';
import { fromBeatEntry } from '../../src/contract/beat-schedule.ts';
import { newPeriodicTask } from '../../src/contract/periodic.ts';

const NOW = 1_800_000_000;
const TEN = { task: 't', every: '10s' };

describe('flags', () => {
  test.each<[Flags, object]>([
    [{ every: '250ms' }, { kind: 'interval', every: 250_000, period: 'microseconds' }],
    [{ every: '10s' }, { kind: 'interval', every: 10, period: 'seconds' }],
    [{ every: '5m' }, { kind: 'interval', every: 5, period: 'minutes' }],
    [{ every: '1h' }, { kind: 'interval', every: 1, period: 'hours' }],
    [{ every: '2d' }, { kind: 'interval', every: 2, period: 'days' }],
    [
      { crontab: ' 30 4 1,15 * mon-fri ' },
      {
        ...{
          kind: 'crontab',
          minute: '30',
          hour: '4',
          day_of_month: '1,15',
          month_of_year: '*',
          day_of_week: 'mon-fri',
        },
        timezone: 'UTC',
      },
    ],
    [
      { crontab: '* * * * *', timezone: 'Asia/Kolkata' },
      { kind: 'crontab', minute: '*', timezone: 'Asia/Kolkata' },
    ],
    [{ solar: 'sunset 52.5 -13.4' }, { kind: 'solar', event: 'sunset', latitude: 52.5, longitude: -13.4 }],
    [{ clocked: '2026-11-24T12:00:00.5Z' }, { kind: 'clocked', clocked_time: Date.UTC(2026, 10, 24, 12) / 1000 + 0.5 }],
  ])('%j is a schedule', (flags, schedule) => {
    expect(scheduleOf(flags, NOW)).toMatchObject(schedule);
  });

  test('everything of a task', () => {
    const text = { args: '[1]', kwargs: '{"a": 1}', headers: '{}', queue: 'q', exchange: 'none', routingKey: 'k' };
    const more = {
      priority: '5',
      expires: '2026-11-24',
      expireSeconds: '30',
      startTime: 'none',
      oneOff: 'yes',
      catchUp: '0',
    };
    expect(newTaskOf('n', { ...TEN, ...text, ...more, description: 'd', disabled: true, database: 'x' }, NOW)).toEqual({
      ...{
        name: 'n',
        task: 't',
        schedule: { kind: 'interval', every: 10, period: 'seconds' },
        args: '[1]',
        headers: '{}',
      },
      ...{ kwargs: '{"a": 1}', queue: 'q', exchange: null, routing_key: 'k', priority: 5, expire_seconds: 30 },
      ...{ expires: Date.UTC(2026, 10, 24) / 1000, start_time: null, one_off: true, catch_up: 0, description: 'd' },
      enabled: false,
    });
    expect(changeOf({ queue: 'none', name: 'other' }, NOW)).toEqual({ queue: null, name: 'other' });
  });

  test.each<[Flags, RegExp]>([
    [{ every: '1s' }, /^--task: expected a text$/],
    [{ task: 't' }, /^when\? expected one of --every, --crontab, --solar, --clocked$/],
    [{ ...TEN, clocked: '2080-01-01' }, /^--every and --clocked are given; expected one of them$/],
    [{ ...TEN, every: '1 fortnight' }, /^--every: got "1 fortnight", expected a whole number and a unit/],
    [{ ...TEN, every: '1.5s' }, /^--every: got "1.5s"/],
    [{ ...TEN, every: '99999999999s' }, /^schedule.every: expected a whole number from -2147483647/],
    [{ task: 't', crontab: '* * * *' }, /^--crontab: got .* expected five fields/],
    [{ ...TEN, timezone: 'UTC' }, /^--timezone: it is that of a crontab/],
    [{ task: 't', solar: 'sunset 52' }, /^--solar: got .* expected 'event latitude longitude'/],
    [{ task: 't', solar: 'sunset north 1' }, /^schedule.latitude: expected a number/],
    [{ task: 't', solar: 'moonrise 52 13' }, /^schedule.event: expected one of dawn_astronomical/],
    [{ task: 't', clocked: 'soon' }, /^--clocked: got "soon", expected a time such as/],
    [{ ...TEN, priority: 'high' }, /^--priority: expected a whole number from 0 to 255$/],
    [{ ...TEN, catchUp: 'none' }, /^--catch-up: expected a whole number from 0 to 1000$/],
    [{ ...TEN, expireSeconds: '-1' }, /^--expire-seconds: expected/],
    [{ ...TEN, oneOff: 'perhaps' }, /^--one-off: got "perhaps", expected yes or no$/],
    [{ ...TEN, queue: '' }, /^--queue: expected a text that is not empty$/],
  ])('%j say no task', (flags, error) => {
    expect(() => newTaskOf('n', flags, NOW)).toThrow(error);
  });

  test('a change changes something', () => {
    expect(() => changeOf({ database: 'x' }, NOW)).toThrow(/^nothing is to be changed/);
    expect(() => newTaskOf('', TEN, NOW)).toThrow(/^name: expected a text that is not empty$/);
  });
});

describe('entries of a beat_schedule', () => {
  test('those of the documentation', () => {
    const docs = readFileSync(new URL('../../docs/periodic-tasks.md', import.meta.url), 'utf8');
    const [, json = ''] = /```json\n(.*?)```/s.exec(docs) ?? [];
    const entries = Object.entries(JSON.parse(json) as object);
    expect(entries).toHaveLength(4);
    for (const [name, entry] of entries) {
      expect(newPeriodicTask.parse(fromBeatEntry(name, entry))).toMatchObject({ name });
    }
  });

  test.each<[object, object]>([
    [{ schedule: 30 }, { schedule: { kind: 'interval', every: 30, period: 'seconds' }, args: '[]', kwargs: '{}' }],
    [{ schedule: 0.25 }, { schedule: { kind: 'interval', every: 250_000, period: 'microseconds' } }],
    [
      { schedule: { minute: 5, hour: '*/2' } },
      { schedule: { kind: 'crontab', minute: '5', hour: '*/2', timezone: 'UTC' } },
    ],
    [
      { schedule: { event: 'sunset', lat: 52.12345678, lon: 1 } },
      { schedule: { kind: 'solar', event: 'sunset', latitude: 52.123457, longitude: 1 } },
    ],
    [
      { schedule: { clocked_time: '2026-11-24T12:00:00+01:00' } },
      { schedule: { kind: 'clocked', clocked_time: Date.UTC(2026, 10, 24, 11) / 1000 } },
    ],
    [
      { schedule: 1, args: [1, 'a'], options: { expires: 60 } },
      { args: '[1,"a"]', expire_seconds: 60 },
    ],
    [
      { schedule: 1, options: { expires: '1970-01-02T00:00:00Z', queue: 'q' } },
      { expires: 86_400, queue: 'q' },
    ],
  ])('%j', (entry, settings) => {
    expect(fromBeatEntry('n', { task: 't', ...entry })).toMatchObject({ name: 'n', task: 't', ...settings });
  });

  test.each<[unknown, RegExp]>([
    [5, /expected an object/],
    [{ schedule: 10 }, /^task: expected a text$/],
    [{ task: 't' }, /^schedule: expected a number of seconds, or an object of the fields of crontab/],
    [{ task: 't', schedule: -1 }, /^schedule: expected/],
    [{ task: 't', schedule: { minute: '1', seconds: '1' } }, /^there is no field "schedule.seconds" here$/],
    [{ task: 't', schedule: { clocked_time: 'soon' } }, /^schedule/],
    [{ task: 't', schedule: 10, args: 'abc' }, /^args: expected a list$/],
    [{ task: 't', schedule: 10, kwargs: { a: [2 ** 60] } }, /^kwargs: it holds a whole number beyond 2\^53/],
    [{ task: 't', schedule: 10, relative: true }, /^there is no field "relative" here$/],
    [{ task: 't', schedule: 10, options: { countdown: 1 } }, /^there is no field "options.countdown" here$/],
  ])('%j is none, and it is said why', (entry, reason) => {
    expect(fromBeatEntry('n', entry)).toMatch(reason);
  });
});
