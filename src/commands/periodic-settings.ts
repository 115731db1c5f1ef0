/** What the flags of `celerycam periodic add`, `set` and `next` say. */
import type { z } from 'zod';
import { yes } from '../access-values.ts';
import type { Flags } from '../config.ts';
import { faultIn } from '../contract/fault.ts';
import {
  type NewPeriodicTask,
  newPeriodicTask,
  type PeriodicSchedule,
  type PeriodicTaskChange,
  periodicTaskChange,
} from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import { readTime } from '../domain/filter-values.ts';
import type { Period } from '../domain/schedule.ts';
import { MonitorError } from '../errors.ts';

type Kind = 'text' | 'optional text' | 'number' | 'optional number' | 'time' | 'yes';

interface SettingFlag {
  /** What stands for the value in the help. */
  readonly value: string;
  readonly kind: Kind;
  readonly doc: string;
}

/** By the field of a periodic task. `none` takes away what is optional. */
export const SETTING_FLAGS = {
  task: { value: 'name', kind: 'text', doc: 'task that is sent, such as proj.tasks.sweep' },
  args: { value: 'json', kind: 'text', doc: 'its arguments, a JSON array (default: [])' },
  kwargs: { value: 'json', kind: 'text', doc: 'its keyword arguments, a JSON object (default: {})' },
  headers: { value: 'json', kind: 'text', doc: 'headers of the message, a JSON object (default: {})' },
  queue: { value: 'name', kind: 'optional text', doc: 'queue that it is sent to (default: celery)' },
  exchange: { value: 'name', kind: 'optional text', doc: 'exchange that it is sent to, instead of a queue' },
  routing_key: { value: 'key', kind: 'optional text', doc: 'its routing key' },
  priority: { value: 'n', kind: 'optional number', doc: 'priority of the message, 0 to 255' },
  expires: { value: 'time', kind: 'time', doc: 'when it ends: nothing is due from then on' },
  expire_seconds: {
    value: 'n',
    kind: 'optional number',
    doc: 'seconds after which a task that was not begun is dropped',
  },
  start_time: { value: 'time', kind: 'time', doc: 'when it begins; intervals count from there' },
  one_off: { value: 'yes', kind: 'yes', doc: 'is disabled once it was sent: yes or no' },
  catch_up: {
    value: 'n',
    kind: 'number',
    doc: 'how many due times that were missed are made up, the latest (default: 1)',
  },
  description: { value: 'text', kind: 'text', doc: 'what it is for' },
} as const satisfies Readonly<Record<string, SettingFlag>>;

/** The schedule: one of these. */
export const SCHEDULE_FLAGS = {
  every: { value: 'time', doc: 'every so often: 250ms, 10s, 5m, 1h, 1d' },
  crontab: { value: 'fields', doc: "'minute hour day_of_month month_of_year day_of_week', as in a crontab file" },
  solar: { value: 'event', doc: "'event latitude longitude', such as 'sunset 52.5 13.4'" },
  clocked: { value: 'time', doc: 'once, at this time' },
} as const;

/** @throws MonitorError CONFIG_INVALID that names the flag */
export function newTaskOf(name: string, flags: Flags, now: Seconds): NewPeriodicTask {
  const enabled = flags['disabled'] !== true;
  return checked(newPeriodicTask, { name, ...settingsOf(flags, now), enabled });
}

/** What is to be changed. @throws MonitorError CONFIG_INVALID that names the flag */
export function changeOf(flags: Flags, now: Seconds): PeriodicTaskChange {
  const name = flags['name'];
  const change = checked(periodicTaskChange, { ...(name !== undefined && { name }), ...settingsOf(flags, now) });
  if (Object.keys(change).length > 0) return change;
  throw new MonitorError('CONFIG_INVALID', 'nothing is to be changed; expected one of the options of `--help`');
}

function checked<Schema extends z.ZodType>(schema: Schema, given: object): z.output<Schema> {
  const read = schema.safeParse(given);
  if (read.success) return read.data;
  const { parameter = '', expected = '' } = faultIn(read.error);
  const missing = parameter === 'schedule' && !('schedule' in given);
  const flag = missing ? Object.keys(SCHEDULE_FLAGS).map(dashed).join(', ') : nameOf(parameter);
  throw new MonitorError('CONFIG_INVALID', missing ? `when? expected one of ${flag}` : `${flag}: expected ${expected}`);
}

/** `expire_seconds` → `--expire-seconds`; the name is no flag. */
function nameOf(parameter: string): string {
  return parameter in SETTING_FLAGS ? dashed(parameter) : parameter;
}

function dashed(field: string): string {
  return `--${field.replaceAll('_', '-')}`;
}

function settingsOf(flags: Flags, now: Seconds): Record<string, unknown> {
  const settings: Record<string, unknown> = {};
  for (const [field, { kind }] of Object.entries<SettingFlag>(SETTING_FLAGS)) {
    const flag = flags[camel(field)];
    if (flag !== undefined) settings[field] = readValue(dashed(field), kind, String(flag === true ? 'yes' : flag), now);
  }
  const schedule = scheduleOf(flags, now);
  return schedule === null ? settings : { ...settings, schedule };
}

/** As commander calls a flag. */
function camel(field: string): string {
  return field.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function readValue(flag: string, kind: Kind, text: string, now: Seconds): unknown {
  switch (kind) {
    case 'text':
      return text;
    case 'optional text':
      return text === 'none' ? null : text;
    case 'optional number':
      return text === 'none' ? null : numberOf(text);
    case 'number':
      return numberOf(text);
    case 'time':
      return text === 'none' ? null : timeOf(flag, text, now);
    case 'yes': {
      const read = yes.safeParse(text);
      if (read.success) return read.data;
      throw wrong(flag, text, 'yes or no');
    }
  }
}

/** What is no number is told by whoever checks it. */
function numberOf(text: string): unknown {
  return /^-?\d+$/.test(text) ? Number(text) : text;
}

function timeOf(flag: string, text: string, now: Seconds): Seconds {
  const time = readTime(text, now);
  if (time !== undefined) return time;
  throw wrong(flag, text, 'a time such as 2026-11-24T12:00:00Z or 1795521600 (epoch seconds)');
}

const UNITS: Readonly<Record<string, readonly [Period, times: number]>> = {
  us: ['microseconds', 1],
  ms: ['microseconds', 1000],
  s: ['seconds', 1],
  m: ['minutes', 1],
  h: ['hours', 1],
  d: ['days', 1],
};

/** The schedule that flags tell; null: none. @throws MonitorError CONFIG_INVALID where it is several, or no schedule */
export function scheduleOf(flags: Flags, now: Seconds): PeriodicSchedule | null {
  const given = Object.keys(SCHEDULE_FLAGS).filter((name) => flags[name] !== undefined);
  if (given.length > 1) {
    throw new MonitorError('CONFIG_INVALID', `${given.map(dashed).join(' and ')} are given; expected one of them`);
  }
  if (flags['timezone'] !== undefined && given[0] !== 'crontab') {
    throw new MonitorError('CONFIG_INVALID', '--timezone: it is that of a crontab; expected --crontab with it');
  }
  const [name] = given as (keyof typeof SCHEDULE_FLAGS)[];
  if (name === undefined) return null;
  const text = String(flags[name]).trim();
  const parts = text.split(/\s+/);
  switch (name) {
    case 'every': {
      const [, n, unit = ''] = /^(\d+)(us|ms|s|m|h|d)$/.exec(text) ?? [];
      const [period, times = 1] = UNITS[unit] ?? [];
      if (!period) throw wrong('--every', text, 'a whole number and a unit, such as 250ms, 10s, 5m, 1h or 1d');
      return { kind: 'interval', every: Number(n) * times, period };
    }
    case 'crontab': {
      const [minute = '', hour = '', day_of_month = '', month_of_year = '', day_of_week = ''] = parts;
      if (parts.length !== 5) {
        throw wrong('--crontab', text, 'five fields: minute hour day_of_month month_of_year day_of_week');
      }
      const fields = { minute, hour, day_of_week, day_of_month, month_of_year };
      return { kind: 'crontab', ...fields, timezone: String(flags['timezone'] ?? 'UTC') };
    }
    case 'solar': {
      const [event = '', latitude, longitude] = parts;
      if (parts.length !== 3) throw wrong('--solar', text, "'event latitude longitude', such as 'sunset 52.5 13.4'");
      return { kind: 'solar', event: event as 'sunset', latitude: Number(latitude), longitude: Number(longitude) };
    }
    case 'clocked':
      return { kind: 'clocked', clocked_time: timeOf('--clocked', text, now) };
  }
}

function wrong(flag: string, text: string, expected: string): MonitorError {
  return new MonitorError('CONFIG_INVALID', `${flag}: got "${text}", expected ${expected}`);
}
