/** Dates and times of Python, from the bytes that pickles hold (Lib/datetime.py, `_setstate`): their text and their repr. */
import type { PythonText } from './python-value.ts';

/** An offset from UTC, or whatever else stands for a time zone. */
export interface Zone {
  readonly repr: string;
  /** What follows the time in ISO 8601: `+02:00`, or `[Europe/Berlin]`, whose offset is not known. */
  readonly suffix: string;
}

/** A length of time; null for what is none. */
export function timedelta(days: unknown, seconds: unknown, microseconds: unknown): (PythonText & Delta) | null {
  const parts = [days, seconds, microseconds].map((part) => (typeof part === 'bigint' ? Number(part) : Number.NaN));
  const [d = 0, s = 0, us = 0] = parts;
  if (!(Math.abs(d) < 1e9 && s >= 0 && s < 86_400 && us >= 0 && us < 1e6)) return null;
  const named = [
    ['days', d],
    ['seconds', s],
    ['microseconds', us],
  ] as const;
  const written = named.flatMap(([name, value]) => (value === 0 ? [] : [`${name}=${value}`]));
  const prefix = d === 0 ? '' : `${d} day${Math.abs(d) === 1 ? '' : 's'}, `;
  const text = `${prefix}${Math.floor(s / 3600)}:${two((s / 60) % 60)}:${two(s % 60)}${us === 0 ? '' : `.${six(us)}`}`;
  const repr = `datetime.timedelta(${written.join(', ') || '0'})`;
  return { kind: 'text', text, repr, seconds: d * 86_400 + s, microseconds: us };
}

interface Delta {
  readonly seconds: number;
  readonly microseconds: number;
}

/** `datetime.timezone`; null for an offset that is none. @param name null: it has none of its own */
export function timezone(offset: Delta & PythonText, nameRepr: string | null): (PythonText & Zone) | null {
  const { seconds, microseconds } = offset;
  if (Math.abs(seconds) >= 86_400) return null;
  const isUtc = seconds === 0 && microseconds === 0;
  // With a name of its own, it is told by that: as an instance of a class that is not UTC.
  const repr =
    isUtc && nameRepr === null
      ? 'datetime.timezone.utc'
      : `datetime.timezone(${offset.repr}${nameRepr === null ? '' : `, ${nameRepr}`})`;
  const total = Math.abs(seconds * 1e6 + microseconds);
  const whole = Math.floor(total / 1e6);
  const rest = [whole % 60, total % 1e6];
  const suffix =
    `${seconds < 0 ? '-' : '+'}${two(whole / 3600)}:${two((whole / 60) % 60)}` +
    `${rest[0] || rest[1] ? `:${two(rest[0] ?? 0)}` : ''}${rest[1] ? `.${six(rest[1])}` : ''}`;
  return { kind: 'text', text: `UTC${isUtc ? '' : suffix}`, repr, suffix };
}

export function date(bytes: Uint8Array): PythonText | null {
  if (bytes.length !== 4) return null;
  const parts = dateParts(bytes);
  return parts && { kind: 'text', text: isoDate(parts), repr: `datetime.date(${parts.join(', ')})` };
}

export function time(bytes: Uint8Array, zone: Zone | null): PythonText | null {
  if (bytes.length !== 6) return null;
  const [first = 0, ...rest] = bytes;
  const parts = timeParts([first & 0x7f, ...rest]);
  if (!parts) return null;
  return { kind: 'text', ...told('time', isoTime(parts), parts, first > 0x7f, zone) };
}

export function datetime(bytes: Uint8Array, zone: Zone | null): PythonText | null {
  if (bytes.length !== 10) return null;
  const month = bytes[2] ?? 0;
  const days = dateParts([bytes[0] ?? 0, bytes[1] ?? 0, month & 0x7f, bytes[3] ?? 0]);
  const times = timeParts([...bytes.subarray(4)]);
  if (!days || !times) return null;
  const text = `${isoDate(days)}T${isoTime(times)}`;
  return { kind: 'text', ...told('datetime', text, [...days, ...times], month > 0x7f, zone) };
}

function told(of: string, text: string, parts: readonly number[], fold: boolean, zone: Zone | null) {
  const shown = [...parts];
  // Microseconds, then seconds, are left out where they are 0.
  if (shown.at(-1) === 0) shown.pop();
  if (shown.length < parts.length && shown.at(-1) === 0) shown.pop();
  const more = [fold ? ', fold=1' : '', zone ? `, tzinfo=${zone.repr}` : ''];
  // The two classes write them the other way round.
  if (of === 'time') more.reverse();
  return { text: `${text}${zone?.suffix ?? ''}`, repr: `datetime.${of}(${shown.join(', ')}${more.join('')})` };
}

function dateParts([high = 0, low = 0, month = 0, day = 0]: ArrayLike<number> & Iterable<number>): number[] | null {
  const year = high * 256 + low;
  const isDate = year >= 1 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
  return isDate ? [year, month, day] : null;
}

function timeParts([hour = 0, minute = 0, second = 0, ...us]: readonly number[]): number[] | null {
  const microsecond = ((us[0] ?? 0) * 256 + (us[1] ?? 0)) * 256 + (us[2] ?? 0);
  return hour < 24 && minute < 60 && second < 60 && microsecond < 1e6 ? [hour, minute, second, microsecond] : null;
}

function isoDate([year = 0, month = 0, day = 0]: readonly number[]): string {
  return `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}`;
}

function isoTime([hour = 0, minute = 0, second = 0, microsecond = 0]: readonly number[]): string {
  return `${two(hour)}:${two(minute)}:${two(second)}${microsecond === 0 ? '' : `.${six(microsecond)}`}`;
}

function two(number: number): string {
  return String(Math.floor(number)).padStart(2, '0');
}

function six(number: number): string {
  return String(number).padStart(6, '0');
}
