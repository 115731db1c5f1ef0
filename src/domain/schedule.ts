/** When a periodic task is due. docs/periodic-tasks.md says where that is not when Celery's beat would send it, and why. */
import { type Crontab, isEveryHour, nextOnWall, readCrontab, type ScheduleFault } from './crontab.ts';
import type { Seconds } from './event.ts';
import { nextSolar, SOLAR_EVENTS, type SolarEvent } from './solar.ts';
import { firstShowing, type Zone, zoneOf } from './zone.ts';

/** Fields as in Celery's `schedule`, `crontab` and `solar` and django-celery-beat's tables; degrees north and east. */
export type Schedule =
  | { readonly kind: 'interval'; readonly every: number; readonly period: Period }
  | {
      readonly kind: 'crontab';
      readonly minute: string;
      readonly hour: string;
      readonly day_of_week: string;
      readonly day_of_month: string;
      readonly month_of_year: string;
      /** Of the IANA database. */
      readonly timezone: string;
    }
  | { readonly kind: 'solar'; readonly event: SolarEvent; readonly latitude: number; readonly longitude: number }
  | { readonly kind: 'clocked'; readonly clocked_time: Seconds };

export type Period = 'days' | 'hours' | 'minutes' | 'seconds' | 'microseconds';

/** How many microseconds each is. */
const PERIODS: Readonly<Record<Period, number>> = {
  days: 86_400e6,
  hours: 3600e6,
  minutes: 60e6,
  seconds: 1e6,
  microseconds: 1,
};
/** Nothing is due in the year 10000 or later, which neither Python's dates nor ISO 8601 have. */
const END = Date.UTC(10_000, 0, 1) / 1000;
/** Longer than any clock was ever put forward or back. */
const NEAR = 2 * 86_400;

/** What is wrong with it, naming the field and what was expected; null when nothing is (30 February: "never due"). */
export function scheduleFault(schedule: Schedule): ScheduleFault | null {
  switch (schedule.kind) {
    case 'interval':
      if (!Object.hasOwn(PERIODS, schedule.period)) {
        return fault('period', schedule.period, `one of ${Object.keys(PERIODS).join(', ')}`);
      }
      return Number.isSafeInteger(schedule.every) && schedule.every >= 1
        ? null
        : fault('every', schedule.every, 'a whole number of 1 or more');
    case 'crontab': {
      const read = compile(schedule);
      return 'field' in read ? read : null;
    }
    case 'solar':
      if (!SOLAR_EVENTS.includes(schedule.event)) {
        return fault('event', schedule.event, `one of ${SOLAR_EVENTS.join(', ')}`);
      }
      return degreesFault('latitude', schedule.latitude, 90) ?? degreesFault('longitude', schedule.longitude, 180);
    case 'clocked':
      return schedule.clocked_time >= 0 && schedule.clocked_time < END
        ? null
        : fault('clocked_time', schedule.clocked_time, 'a time from 1970 to 9999');
  }
}

/**
 * The first due time strictly after `after`; null: never again, or never, because of a fault. Nothing is due before 1970.
 * All arguments and the result are epoch seconds; of intervals they count to the microsecond.
 * @param anchor from where intervals are counted, such as the start or the last due time: due is `anchor` itself and each
 *   `anchor + n × every` thereafter, so that there is no drift
 */
export function nextDue(schedule: Schedule, after: Seconds, anchor: Seconds): Seconds | null {
  if (scheduleFault(schedule) !== null || !(after < END && Math.abs(anchor) < END)) return null;
  const due = dueAfter(schedule, Math.max(after, 0), anchor);
  return due !== null && due < END ? due : null;
}

/** The next `count` due times; fewer when there are no more. */
export function nextDues(schedule: Schedule, after: Seconds, anchor: Seconds, count: number): Seconds[] {
  const dues: Seconds[] = [];
  for (let due = nextDue(schedule, after, anchor); due !== null && dues.length < count; ) {
    dues.push(due);
    due = nextDue(schedule, due, anchor);
  }
  return dues;
}

/**
 * One line for people: `every 10 seconds`; a crontab in the order of a crontab file, which is not Celery's
 * (`minute hour day_of_month month_of_year day_of_week timezone`); `sunset at 52.5, 13.4`; `once at 2026-03-01T12:00:00.000Z`.
 */
export function describeSchedule(schedule: Schedule): string {
  switch (schedule.kind) {
    case 'interval':
      return schedule.every === 1
        ? `every ${schedule.period.replace(/s$/, '')}`
        : `every ${schedule.every} ${schedule.period}`;
    case 'crontab': {
      const { minute, hour, day_of_month, month_of_year, day_of_week, timezone } = schedule;
      const fields = [minute, hour, day_of_month, month_of_year, day_of_week];
      return [...fields.map((field) => field.replace(/\s/g, '')), timezone].join(' ');
    }
    case 'solar':
      return `${schedule.event} at ${schedule.latitude}, ${schedule.longitude}`;
    case 'clocked':
      return scheduleFault(schedule) === null
        ? `once at ${new Date(schedule.clocked_time * 1000).toISOString()}`
        : `once at ${schedule.clocked_time}`;
  }
}

function dueAfter(schedule: Schedule, after: Seconds, anchor: Seconds): Seconds | null {
  switch (schedule.kind) {
    case 'interval':
      return nextOfInterval(schedule.every * PERIODS[schedule.period], after, anchor);
    case 'crontab': {
      const { crontab, zone } = compile(schedule) as Compiled;
      const second = Math.floor(after);
      return isEveryHour(crontab) ? nextInEveryHour(crontab, zone, second + 1) : nextOnce(crontab, zone, second);
    }
    case 'solar':
      return nextSolar(schedule.event, schedule.latitude, schedule.longitude, after);
    case 'clocked':
      return schedule.clocked_time > after ? schedule.clocked_time : null;
  }
}

/** In whole microseconds, as databases keep time, which seconds as doubles tell apart until the year 2106. */
function nextOfInterval(step: number, after: Seconds, anchor: Seconds): Seconds {
  const start = Math.round(anchor * 1e6);
  let n = Math.max(0, Math.floor((Math.round(after * 1e6) - start) / step) + 1);
  while ((start + n * step) / 1e6 <= after) n++;
  return (start + n * step) / 1e6;
}

/** At each time once: when a clock first shows it, or is put forward past it. */
function nextOnce(crontab: Crontab, zone: Zone, after: Seconds): Seconds | null {
  let wall = nextOnWall(crontab, after + zone.offsetAt(after) + 1);
  while (wall !== null) {
    const due = firstShowing(zone, wall);
    if (due > after) return due;
    // The clock was put back not long before, and shows what it has shown before.
    wall = nextOnWall(crontab, wall + 1);
  }
  return null;
}

/** Whenever the clock shows an allowed time, as real hours pass: again when it was put back, not when put forward past it. */
function nextInEveryHour(crontab: Crontab, zone: Zone, start: Seconds): Seconds | null {
  for (let from = start; ; ) {
    const offset = zone.offsetAt(from);
    const wall = nextOnWall(crontab, from + offset);
    if (wall === null) return null;
    const due = wall - offset;
    const change = zone.changeIn(from, Math.min(due, from + NEAR));
    if (change === null && due <= from + NEAR) return due;
    // A change brings other times with it, but none far from it.
    from = change ?? due - NEAR;
  }
}

interface Compiled {
  readonly crontab: Crontab;
  readonly zone: Zone;
}
type CrontabSchedule = Extract<Schedule, { kind: 'crontab' }>;

/** Schedules that have been read: they are asked again and again. */
const compiled = new WeakMap<CrontabSchedule, Compiled | ScheduleFault>();

function compile(schedule: CrontabSchedule): Compiled | ScheduleFault {
  const known = compiled.get(schedule);
  if (known) return known;
  const read = readParts(schedule);
  compiled.set(schedule, read);
  return read;
}

function readParts(schedule: CrontabSchedule): Compiled | ScheduleFault {
  const crontab = readCrontab(schedule);
  if ('field' in crontab) return crontab;
  const zone = zoneOf(schedule.timezone);
  if (zone) return { crontab, zone };
  return fault('timezone', schedule.timezone, 'a name of the IANA time zone database, such as Europe/Berlin');
}

function degreesFault(field: string, degrees: number, most: number): ScheduleFault | null {
  return degrees >= -most && degrees <= most ? null : fault(field, degrees, `degrees from -${most} to ${most}`);
}

function fault(field: string, value: string | number, expected: string): ScheduleFault {
  return { field, message: `${JSON.stringify(value)}; expected ${expected}` };
}
