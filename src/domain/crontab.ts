/** When a crontab is due on the clock on a wall, which knows no zones; `zone.ts` says when such a clock shows what. */
import { CRONTAB_FIELDS, type CrontabField, readField } from './crontab-field.ts';

/** A crontab that has been read. */
export interface Crontab {
  /** Ascending, and not empty: as `hours`. */
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  /** Bit 0 is January. */
  readonly months: number;
  /** Bit 0 is the first of a month. */
  readonly days: number;
  /** For each weekday that a month may begin with (0 is Sunday) the days of that month which fall on allowed weekdays. */
  readonly weekdays: readonly number[];
}

/** What is wrong with a field of it. */
export interface ScheduleFault {
  readonly field: string;
  readonly message: string;
}

const DAY = 86_400;
const MINUTES_OF_DAY = 1440;
/** A February 29 on a given weekday comes every 28 years, but after 40 where a year such as 2100 is between. */
const MONTHS_SEARCHED = 12 * 41;
/** Days of each month in the years that have most. */
const MONTH_LENGTHS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Reads all fields; the first that cannot be read is the fault, or the days, where there is none such in any year. */
export function readCrontab(texts: Readonly<Record<CrontabField, string>>): Crontab | ScheduleFault {
  const values = {} as Record<CrontabField, readonly number[]>;
  for (const field of CRONTAB_FIELDS) {
    const read = readField(field, texts[field]);
    if (!read.ok) return { field, message: read.message };
    values[field] = read.value;
  }
  const first = values.day_of_month[0] as number;
  if (!values.month_of_year.some((month) => (MONTH_LENGTHS[month - 1] as number) >= first)) {
    const message = `never due: no month of month_of_year has a day ${first}; expected a day that there is`;
    return { field: 'day_of_month', message };
  }
  const weekdays = Array.from({ length: 7 }, (_, begins) =>
    bits(Array.from({ length: 31 }, (_, day) => day).filter((day) => values.day_of_week.includes((begins + day) % 7))),
  );
  return {
    minutes: values.minute,
    hours: values.hour,
    months: bits(values.month_of_year.map((month) => month - 1)),
    days: bits(values.day_of_month.map((day) => day - 1)),
    weekdays,
  };
}

/** Whether hours do not restrict it, however that was written. */
export function isEveryHour({ hours }: Crontab): boolean {
  return hours.length === 24;
}

/**
 * The first time on the wall at or after `wall` that all five fields allow, as both Celery's day fields must: on the 13th
 * *and* a Friday. Null beyond 41 years: of no crontab that has been read.
 * @param wall what the clock shows, as seconds since it showed 1970-01-01 00:00
 */
export function nextOnWall(crontab: Crontab, wall: number): number | null {
  const minute = Math.ceil(wall / 60);
  const day = Math.floor(minute / MINUTES_OF_DAY);
  const date = new Date(day * DAY * 1000);
  let year = date.getUTCFullYear();
  let month = date.getUTCMonth();
  let passed = date.getUTCDate();
  if (daysOf(crontab, year, month) & (1 << (passed - 1))) {
    const time = nextOfDay(crontab, minute - day * MINUTES_OF_DAY);
    if (time !== null) return day * DAY + time * 60;
  }
  for (let n = 0; n <= MONTHS_SEARCHED; n++) {
    const days = daysOf(crontab, year, month) & (-1 << passed);
    if (days !== 0) {
      const lowest = 31 - Math.clz32(days & -days);
      return Date.UTC(year, month, lowest + 1) / 1000 + (nextOfDay(crontab, 0) as number) * 60;
    }
    passed = 0;
    month = (month + 1) % 12;
    if (month === 0) year++;
  }
  return null;
}

/** The first allowed minute of a day at or after that one; null when the day has no more. */
function nextOfDay({ hours, minutes }: Crontab, from: number): number | null {
  const hour = Math.floor(from / 60);
  const firstMinute = minutes[0] as number;
  for (const allowed of hours) {
    if (allowed > hour) return allowed * 60 + firstMinute;
    if (allowed < hour) continue;
    const minute = minutes.find((candidate) => candidate >= from - hour * 60);
    if (minute !== undefined) return hour * 60 + minute;
  }
  return null;
}

/** The allowed days of a month; bit 0 is the first. */
function daysOf({ months, days, weekdays }: Crontab, year: number, month: number): number {
  if (!(months & (1 << month))) return 0;
  const first = Date.UTC(year, month, 1);
  const length = (Date.UTC(year, month + 1, 1) - first) / (DAY * 1000);
  const begins = new Date(first).getUTCDay();
  return days & (weekdays[begins] as number) & ((1 << length) - 1);
}

function bits(positions: readonly number[]): number {
  return positions.reduce((mask, position) => mask | (1 << position), 0);
}
