/** Crontabs and moments of every kind, made up. */
import fc from 'fast-check';
import { CRONTAB_FIELDS, type CrontabField } from '../../src/domain/crontab-field.ts';
import type { Schedule } from '../../src/domain/schedule.ts';
import { zoneOf } from '../../src/domain/zone.ts';

export type CrontabSchedule = Extract<Schedule, { kind: 'crontab' }>;

/** With daylight saving in either half of the year, of half an hour, of a day that never was, and without any. */
export const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Pacific/Apia',
  'America/Sao_Paulo',
] as const;

/** In Celery's order, `minute hour day_of_week day_of_month month_of_year`. */
export function crontab(spec: string, timezone = 'UTC'): CrontabSchedule {
  const [minute = '', hour = '', day_of_week = '', day_of_month = '', month_of_year = ''] = spec.split(' ');
  return { kind: 'crontab', minute, hour, day_of_week, day_of_month, month_of_year, timezone };
}

const BOUNDS: Readonly<Record<CrontabField, readonly [number, number]>> = {
  minute: [0, 59],
  hour: [0, 23],
  day_of_week: [0, 6],
  day_of_month: [1, 31],
  month_of_year: [1, 12],
};
const DAY_NAMES = ['sun', 'Mon', 'TUESDAY', 'wednes', 'thu', 'friday', 'Sat'];

function part(field: CrontabField): fc.Arbitrary<string> {
  const [min, max] = BOUNDS[field];
  const number = fc.integer({ min, max }).map(String);
  const value = field === 'day_of_week' ? fc.oneof(number, fc.constantFrom(...DAY_NAMES)) : number;
  const range = fc.tuple(value, value).map(([from, to]) => `${from}-${to}`);
  const step = fc.integer({ min: 1, max: max + 2 });
  return fc.oneof(
    { arbitrary: value, weight: 4 },
    range,
    fc.tuple(range, step).map(([each, n]) => `${each}/${n}`),
    step.map((n) => `*/${n}`),
  );
}

/** A field in each form of the dialect. */
function field(name: CrontabField): fc.Arbitrary<string> {
  const list = fc.array(part(name), { minLength: 2, maxLength: 4 }).map((parts) => parts.join(','));
  // More than two restricted day fields leave little to be due at.
  const free = name === 'minute' ? 1 : 4;
  return fc.oneof({ arbitrary: fc.constant('*'), weight: free }, { arbitrary: part(name), weight: 3 }, list);
}

export const anyCrontab: fc.Arbitrary<CrontabSchedule> = fc
  .tuple(fc.constantFrom(...ZONES), ...CRONTAB_FIELDS.map(field))
  .map(([timezone, ...fields]) => crontab(fields.join(' '), timezone));

/** Good and bad texts of a field, made of what such texts are made of. */
export const anyFieldText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: fc.constantFrom(...'0123456789-/*, '), maxLength: 8 }),
  fc
    .array(
      fc.oneof(
        { arbitrary: fc.integer({ min: -2, max: 70 }).map(String), weight: 3 },
        fc.constantFrom(...'-/*,', '-', '/', ',', '*/'),
        fc.constantFrom(
          ...DAY_NAMES,
          'jan',
          'December',
          'may',
          'x',
          '',
          ' ',
          '\t',
          '\n',
          '+',
          '_',
          '#',
          'é',
          '٣',
          '05',
          '1_0',
        ),
      ),
      { maxLength: 6 },
    )
    .map((parts) => parts.join('')),
);

const FROM = Date.UTC(2000, 0, 1) / 1000;
const TO = Date.UTC(2037, 0, 1) / 1000;

/** When the clocks of a zone are put forward or back in those years. */
export function changesOf(timezone: string): readonly number[] {
  const changes: number[] = [];
  const zone = zoneOf(timezone);
  for (let change = zone?.changeIn(FROM, TO); change; change = zone?.changeIn(change, TO)) changes.push(change);
  return changes;
}

const CHANGES: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  ZONES.map((timezone) => [timezone, changesOf(timezone)]),
);

/** Moments from 2000 to 2036, many of them at the ends of days and years, in leap days and where the clock is changed. */
export function momentIn(timezone: string): fc.Arbitrary<number> {
  const hours = fc.integer({ min: -26 * 3600, max: 26 * 3600 });
  const year = fc.integer({ min: 2001, max: 2036 });
  const leapYear = fc.constantFrom(2000, 2004, 2008, 2012, 2016, 2020, 2024, 2028, 2032, 2036);
  const changes = CHANGES[timezone] ?? [];
  const near = [
    year.map((y) => Date.UTC(y, 0, 1) / 1000),
    leapYear.map((y) => Date.UTC(y, 1, 29) / 1000),
    ...(changes.length > 0 ? [fc.constantFrom(...changes)] : []),
  ];
  const seconds = fc.oneof(
    fc.integer({ min: FROM, max: TO }),
    fc.tuple(fc.oneof(...near), hours).map(([at, by]) => Math.max(at + by, FROM)),
  );
  return fc.tuple(seconds, fc.constantFrom('none', 'minute', 'half')).map(([at, round]) => {
    if (round === 'minute') return at - (at % 60);
    return round === 'half' ? at + 0.5 : at;
  });
}
