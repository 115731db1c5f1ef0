/** The dialect of docs/periodic-tasks.md, and what is due when on clocks that are changed. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CRONTAB_FIELDS, type CrontabField, readField } from '../../src/domain/crontab-field.ts';
import { nextDue, nextDues, scheduleFault } from '../../src/domain/schedule.ts';
import { firstShowing, type Zone, zoneOf } from '../../src/domain/zone.ts';
import { anyCrontab, type CrontabSchedule, changesOf, crontab, ZONES } from '../support/crontabs.ts';
import { runs } from '../support/effort.ts';

interface Vectors {
  readonly crontab: readonly {
    readonly spec: string;
    readonly tz: string;
    readonly last_run_at: string;
    readonly now: string;
    readonly results: Readonly<Record<string, readonly [boolean | 'error', number | string]>>;
  }[];
  readonly parse: readonly {
    readonly field: CrontabField;
    readonly text: string;
    readonly results: Readonly<Record<string, readonly number[] | string>>;
  }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../fixtures/celery/crontab_vectors.json', import.meta.url), 'utf8'),
);
/** To the microsecond, which `Date` does not keep. */
const epoch = (text: string): number => Date.parse(text) / 1000 + Number(/\.\d{3}(\d{3})/.exec(text)?.[1] ?? 0) / 1e6;
const iso = (instant: number): string => new Date(instant * 1000).toISOString().replace(':00.000Z', 'Z');

describe('a field', () => {
  test.each(vectors.parse)('$field $text, as Celery 5.6.3 reads it', ({ field, text, results }) => {
    const read = readField(field, text);
    const theirs = results['celery-5.6.3'];
    const expected = field === 'day_of_week' && text === '7' ? [0] : typeof theirs === 'string' ? null : theirs;
    expect(read.ok ? read.value : null).toEqual(expected);
  });

  test.each<[CrontabField, string, readonly number[]]>([
    ['day_of_week', '5-7', [0, 5, 6]],
    ['day_of_week', '0-7', [0, 1, 2, 3, 4, 5, 6]],
    ['day_of_week', '7-2', [0, 1, 2]],
    ['day_of_week', '7-7', [0]],
    ['day_of_week', 'fri-sun', [0, 5, 6]],
    ['day_of_week', '1-7/2', [0, 1, 3, 5]],
    ['month_of_year', 'nov-Feb', [1, 2, 11, 12]],
    ['minute', 'fri#2', [5]],
    ['minute', '1-5 nonsense', [1, 2, 3, 4, 5]],
  ])('%s %s', (field, text, expected) => expect(readField(field, text)).toEqual({ ok: true, value: expected }));

  test.each<[CrontabField, string, string]>([
    ['minute', '61', 'at character 1: 61 is too much; expected a number from 0 to 59'],
    ['minute', '1,20-x', 'at character 6: "x" is no number; expected a number from 0 to 59'],
    ['minute', '', 'at character 1: nothing is here; expected a number from 0 to 59, or *'],
    ['hour', '1,,2', 'at character 3: nothing is here; expected a number from 0 to 23, or *'],
    ['hour', '*/0', 'at character 3: the step is 0; expected a whole number of 1 or more'],
    ['hour', '1,8-17/', 'at character 8: no step is here; expected a whole number of 1 or more'],
    ['hour', '-1', 'at character 1: -1 is negative; expected a number from 0 to 23'],
    [
      'day_of_week',
      '8',
      'at character 1: 8 is too much; expected a number from 0 to 7 (0 and 7 are Sunday) or a name such as mon',
    ],
    ['day_of_month', '0', 'at character 1: 0 is too little; expected a number from 1 to 31'],
    ['day_of_month', 'L', 'at character 1: "L" is no number; expected a number from 1 to 31'],
    ['month_of_year', 'sun', 'at character 1: sun is too little; expected a number from 1 to 12 or a name such as jan'],
    ['minute', '1,٣', 'at character 3: "٣" is not ASCII; expected a number from 0 to 59'],
  ])('%s %s is refused', (field, text, message) => {
    const read = readField(field, text);
    expect(read.ok ? null : read.message).toBe(message);
    const schedule = { ...crontab('* * * * *'), [field]: text };
    expect(scheduleFault(schedule)).toEqual({ field, message });
    expect(nextDue(schedule, 0, 0)).toBeNull();
  });
});

/** Where Celery 5.6.3 answers otherwise: what we answer, by number of the vector. */
const DIFFERENT: Readonly<Record<number, readonly [boolean, number] | null>> = {
  29: null, // February 30: Celery's beat dies of it
  40: [false, 600], // 02:30 does not exist: due at 03:00, in ten minutes
  41: [true, 84_000],
  53: [false, 1800], // hourly: again at the second 01:00
  54: [true, 3600],
};

test.each(vectors.crontab.map((vector, n) => ({ number: n + 1, ...vector })))(
  'vector $number: $spec $tz, last $last_run_at, now $now',
  ({ number, spec, tz, last_run_at, now, results }) => {
    const schedule = crontab(spec, tz);
    const due = nextDue(schedule, epoch(last_run_at), 0);
    const isDue = due !== null && due <= epoch(now);
    const remaining = ((isDue ? nextDue(schedule, epoch(now), 0) : due) ?? Number.NaN) - epoch(now);
    const ours = due === null ? null : [isDue, Math.round(remaining * 1e6) / 1e6];
    expect(ours).toEqual(number in DIFFERENT ? DIFFERENT[number] : results['celery-5.6.3']);
  },
);

describe('far away', () => {
  test.each([
    ['0 0 * 29 2', '2096-03-01T00:00Z', ['2104-02-29T00:00Z', '2108-02-29T00:00Z']],
    ['0 0 mon 29 2', '2096-03-01T00:00Z', ['2112-02-29T00:00Z', '2140-02-29T00:00Z']],
    ['0 0 thu 29 2', '2080-02-29T00:00Z', ['2120-02-29T00:00Z']],
    ['* * mon 29 2', '2024-01-01T00:00Z', ['2044-02-29T00:00Z', '2044-02-29T00:01Z']],
    ['59 23 * 31 12', '9998-12-31T23:59Z', ['9999-12-31T23:59Z']],
  ])('%s after %s', (spec, after, expected) => {
    expect(nextDues(crontab(spec), epoch(after), 0, expected.length).map(iso)).toEqual(expected);
  });

  test.each(['0 0 * 30 2', '0 0 * 31 4,6,9,11', '* * mon 30,31 2'])('%s is never due, and that is said', (spec) => {
    expect(scheduleFault(crontab(spec))).toMatchObject({ field: 'day_of_month', message: /^never due/ });
    expect(nextDue(crontab(spec), 0, 0)).toBeNull();
  });

  test('after the year 9999 nothing is due, nor after what is no time', () => {
    expect(nextDue(crontab('* * * * *'), epoch('9999-12-31T23:59:00Z'), 0)).toBeNull();
    expect(nextDue(crontab('* * * * *'), Number.POSITIVE_INFINITY, 0)).toBeNull();
    expect(nextDue(crontab('* * * * *'), Number.NaN, 0)).toBeNull();
  });
});

// The table of docs/periodic-tasks.md. In New York clocks go from 02:00 to 03:00 on 12 March and from 02:00 to 01:00 on
// 5 November 2023, on Lord Howe from 02:00 to 02:30 on 1 October; on Samoa there was no 30 December 2011.
test.each([
  ['30 2 * * *', 'America/New_York', '2023-03-12T05:00Z', ['2023-03-12T07:00Z', '2023-03-13T06:30Z']],
  ['*/20 2,3 * * *', 'America/New_York', '2023-03-12T05:00Z', ['2023-03-12T07:00Z', '2023-03-12T07:20Z']],
  ['30 * * * *', 'America/New_York', '2023-03-12T06:00Z', ['2023-03-12T06:30Z', '2023-03-12T07:30Z']],
  ['0 */2 * * *', 'America/New_York', '2023-03-12T05:00Z', ['2023-03-12T07:00Z', '2023-03-12T08:00Z']],
  ['30 1 * * *', 'America/New_York', '2023-11-05T04:00Z', ['2023-11-05T05:30Z', '2023-11-06T06:30Z']],
  ['30 1 * * *', 'America/New_York', '2023-11-05T06:10Z', ['2023-11-06T06:30Z']],
  [
    '30 * * * *',
    'America/New_York',
    '2023-11-05T05:00Z',
    ['2023-11-05T05:30Z', '2023-11-05T06:30Z', '2023-11-05T07:30Z'],
  ],
  ['30 0-23 * * *', 'America/New_York', '2023-11-05T05:00Z', ['2023-11-05T05:30Z', '2023-11-05T06:30Z']],
  ['15 2 * * *', 'Australia/Lord_Howe', '2023-09-30T14:00Z', ['2023-09-30T15:30Z', '2023-10-01T15:15Z']],
  ['15 * * * *', 'Australia/Lord_Howe', '2023-09-30T14:00Z', ['2023-09-30T14:45Z', '2023-09-30T16:15Z']],
  ['0 12 * 30 12', 'Pacific/Apia', '2011-12-01T00:00Z', ['2011-12-30T10:00Z', '2012-12-29T22:00Z']],
  ['0 * * 30 12', 'Pacific/Apia', '2011-12-01T00:00Z', ['2012-12-29T10:00Z']],
])('%s %s after %s', (spec, timezone, after, expected) => {
  expect(nextDues(crontab(spec, timezone), epoch(after), 0, expected.length).map(iso)).toEqual(expected);
});

/** The clock on the wall as the runtime writes it. */
function wallOf(format: Intl.DateTimeFormat, instant: number): number {
  const part = Object.fromEntries(format.formatToParts(instant * 1000).map(({ type, value }) => [type, Number(value)]));
  const { year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function wallFormat(timeZone: string): Intl.DateTimeFormat {
  const digits = { month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' } as const;
  const options = { timeZone, hourCycle: 'h23', year: 'numeric', ...digits } as const;
  const format = formats.get(timeZone) ?? new Intl.DateTimeFormat('en-US', options);
  formats.set(timeZone, format);
  return format;
}

function allows(schedule: CrontabSchedule, wall: number): boolean {
  const date = new Date(wall * 1000);
  const shown = [date.getUTCMinutes(), date.getUTCHours(), date.getUTCDay(), date.getUTCDate(), date.getUTCMonth() + 1];
  return CRONTAB_FIELDS.every((field, n) => {
    const read = readField(field, schedule[field]);
    return read.ok && read.value.includes(shown[n] as number);
  });
}

/** What the documentation says, minute by minute. */
function duesByTheBook(schedule: CrontabSchedule, from: number, to: number): number[] {
  const format = wallFormat(schedule.timezone);
  const hours = readField('hour', schedule.hour);
  const isHourly = hours.ok && hours.value.length === 24;
  const dues: number[] = [];
  let latest = wallOf(format, from - 60);
  for (let instant = from; instant <= to; instant += 60) {
    const wall = wallOf(format, instant);
    let isDue = isHourly && allows(schedule, wall);
    for (let each = latest + 60; each <= wall && !isHourly && !isDue; each += 60) isDue = allows(schedule, each);
    if (isDue) dues.push(instant);
    latest = Math.max(latest, wall);
  }
  return dues;
}

test('around each change of a clock: once at each time, or, every hour, in each real hour', () => {
  const minutes = fc.integer({ min: -180, max: 180 });
  const changes = ZONES.flatMap((timezone) => changesOf(timezone).map((change) => ({ timezone, change })));
  fc.assert(
    fc.property(fc.constantFrom(...changes), anyCrontab, minutes, ({ timezone, change }, fields, shift) => {
      // Days that are free, so that something is due.
      const schedule = { ...fields, timezone, day_of_month: '*', month_of_year: '*' };
      const from = change - 5 * 3600;
      const to = change + 5 * 3600;
      const dues: number[] = [];
      for (let due = nextDue(schedule, from - 1, 0); due !== null && due <= to; due = nextDue(schedule, due, 0)) {
        dues.push(due);
      }
      expect(dues.map(iso)).toEqual(duesByTheBook(schedule, from, to).map(iso));
      // Asked at any moment, it is the next of these.
      for (const after of [change - 1, change - 0.5, change, change + shift * 60]) {
        const next = dues.find((due) => due > after);
        if (next !== undefined) expect(nextDue(schedule, after, 0)).toBe(next);
      }
    }),
    { numRuns: runs(200) },
  );
});

describe('a zone', () => {
  test('shows what the runtime says', () => {
    const names = Intl.supportedValuesOf('timeZone');
    const instant = fc.integer({ min: 0, max: Date.UTC(2100, 0, 1) / 1000 });
    fc.assert(
      fc.property(fc.constantFrom(...names), instant, (name, at) => {
        const zone = zoneOf(name) as Zone;
        expect(at + zone.offsetAt(at)).toBe(wallOf(wallFormat(name), at));
        // The first instant to show it is that one or, where the clock was put back, one before.
        const first = firstShowing(zone, at + zone.offsetAt(at));
        expect(first <= at && first + zone.offsetAt(first) === at + zone.offsetAt(at)).toBe(true);
      }),
      { numRuns: runs(1000) },
    );
  });

  test('has changes to the second', () => {
    const zone = zoneOf('Europe/Berlin') as Zone;
    const spring = epoch('2024-03-31T01:00:00Z');
    expect(zone.changeIn(epoch('2024-01-01T00:00Z'), epoch('2024-12-31T00:00Z'))).toBe(spring);
    expect(zone.changeIn(spring, epoch('2024-10-01T00:00Z'))).toBeNull();
    expect([zone.offsetAt(spring - 1), zone.offsetAt(spring)]).toEqual([3600, 7200]);
    expect((zoneOf('Africa/Monrovia') as Zone).offsetAt(0)).toBe(-2670);
  });

  test.each(['', 'Berlin', 'Europe/Berlin ', '+05:30', 'UTC+2'])('%j is none', (timezone) => {
    expect(scheduleFault(crontab('* * * * *', timezone))).toEqual({
      field: 'timezone',
      message: `${JSON.stringify(timezone)}; expected a name of the IANA time zone database, such as Europe/Berlin`,
    });
  });
});
