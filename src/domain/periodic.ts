/** A periodic task as its table has it: when it is due, and what is wrong with it where something is. */
import type { ScheduleFault } from './crontab.ts';
import type { Json, Seconds } from './event.ts';
import { nextDue, type Schedule, scheduleFault } from './schedule.ts';
import { wallTime, type Zone, zoneOf } from './zone.ts';

/** What somebody has set of a periodic task. */
export interface PeriodicDefinition {
  readonly name: string;
  readonly task: string;
  /** There should be one. Their values are whatever the tables hold. */
  readonly schedules: readonly Schedule[];
  /** JSON, or what should be; as `kwargs` and `headers`. */
  readonly args: string;
  readonly kwargs: string;
  readonly headers: string;
  readonly queue: string | null;
  readonly exchange: string | null;
  readonly routing_key: string | null;
  readonly priority: number | null;
  readonly expires: Seconds | null;
  readonly expire_seconds: number | null;
  readonly one_off: boolean;
  readonly start_time: Seconds | null;
  readonly enabled: boolean;
  readonly description: string;
  /** Of the due times that were missed the latest so many are made up. */
  readonly catch_up: number;
}

/** What its table has where nothing is said. */
export const DEFAULT_SETTINGS: Omit<PeriodicDefinition, 'name' | 'task' | 'schedules'> = {
  ...{ args: '[]', kwargs: '{}', headers: '{}', queue: null, exchange: null, routing_key: null, priority: null },
  ...{ expires: null, expire_seconds: null, one_off: false, start_time: null, enabled: true, description: '' },
  catch_up: 1,
};

/** A row of djcelery_periodictask, with the schedules that it refers to. */
export interface PeriodicRow extends PeriodicDefinition {
  readonly id: number;
  readonly last_run_at: Seconds | null;
  readonly total_run_count: number;
  readonly date_changed: Seconds;
  /** Since when it has this schedule. */
  readonly scheduled_at: Seconds;
}

/** When a task is due. */
export interface Timing {
  readonly schedule: Schedule;
  /** Nothing at or before is due. */
  readonly after: Seconds;
  /** As of `nextDue`. */
  readonly anchor: Seconds;
  /** Nothing from here on is due; null: it never ends. */
  readonly end: Seconds | null;
}

/** What is due more often would keep the beat from everything else. */
const SHORTEST: Seconds = 0.1;
/** Less than any two due times are apart, and more than a double loses of a time. */
const INSTANT: Seconds = 1e-6;
/** A frame, which AMQP's headers have to fit into, holds 128 KiB unless the broker was told otherwise. */
const MAX_HEADERS = 32_768;
/** A short text of AMQP. */
const MAX_NAME_BYTES = 255;
const YEAR_10000 = Date.UTC(10_000, 0, 1) / 1000;

/** Why it is never sent, naming the field and what was expected. Null where nothing is wrong with it. */
export function unfitReason(definition: PeriodicDefinition): string | null {
  const [fault] = faultsOf(definition);
  return fault ? `${fault.field}: ${fault.message}` : null;
}

/** Everything that is wrong with it, so that it cannot be sent; of a schedule the first thing. */
export function faultsOf(definition: PeriodicDefinition): readonly ScheduleFault[] {
  const { start_time, expires, args, kwargs, headers, priority, task, queue, exchange, routing_key } = definition;
  const faults = [
    faultOfSchedules(definition.schedules),
    timeFault('start_time', start_time),
    timeFault('expires', expires),
    jsonFault('args', args, 'a JSON array', Array.isArray),
    jsonFault('kwargs', kwargs, 'a JSON object', isObject),
    jsonFault('headers', headers, 'a JSON object whose whole numbers are below 2^53', isHeaders),
    headers.length > MAX_HEADERS ? fault('headers', `expected ${MAX_HEADERS} characters at most`) : null,
    priority !== null && priority > 255 ? fault('priority', `${priority}; expected 0 to 255`) : null,
    task === '' ? fault('task', 'it is empty; expected the name of a task') : null,
    nameFault('queue', queue),
    nameFault('exchange', exchange),
    nameFault('routing_key', routing_key),
  ];
  return faults.filter((each) => each !== null);
}

/** When a task is due by its schedule and by what its row says of start and end. Of a row that is fit. */
export function timingOf(row: Pick<PeriodicRow, 'schedules' | 'start_time' | 'scheduled_at' | 'expires'>): Timing {
  const { schedules, start_time, scheduled_at, expires } = row;
  const schedule = schedules[0] as Schedule;
  const start = start_time === null ? 0 : start_time - INSTANT;
  return {
    schedule,
    // The one time of a clocked task is due also where it was past when it was set: it is late then.
    after: schedule.kind === 'clocked' ? start : Math.max(start, scheduled_at),
    anchor: start_time ?? scheduled_at,
    end: expires,
  };
}

/** The first due time after `time`; null: never again. */
export function dueAfter({ schedule, after, anchor, end }: Timing, time: Seconds): Seconds | null {
  const due = nextDue(schedule, Math.max(time, after), anchor);
  return due === null || (end !== null && due >= end) ? null : due;
}

/** The next `count` due times after `time`; fewer where there are no more. */
export function duesAfter(timing: Timing, time: Seconds, count: number): Seconds[] {
  const dues: Seconds[] = [];
  for (let due = dueAfter(timing, time); due !== null && dues.length < count; due = dueAfter(timing, due))
    dues.push(due);
  return dues;
}

/** A due time, and what a clock on the wall then shows: in the zone of the schedule, or in UTC where it has none. */
export interface DueTime {
  readonly due_at: Seconds;
  readonly local: string;
}

/** Due times of a schedule that makes sense, as people want to see them. */
export function dueTimesAfter(timing: Timing, time: Seconds, count: number): DueTime[] {
  const { schedule } = timing;
  const zone = zoneOf(schedule.kind === 'crontab' ? schedule.timezone : 'UTC') as Zone;
  return duesAfter(timing, time, count).map((due_at) => ({ due_at, local: wallTime(zone, due_at) }));
}

/** What is wrong with when it is due; null where nothing is. */
export function faultOfSchedules(schedules: readonly Schedule[]): ScheduleFault | null {
  const [schedule, ...others] = schedules;
  const expected = 'expected exactly one of interval, crontab, solar, clocked';
  if (!schedule) return fault('schedule', `there is none; ${expected}`);
  if (others.length > 0) return fault('schedule', `${schedules.map(({ kind }) => kind).join(' and ')}; ${expected}`);
  if (!isTooOften(schedule)) return scheduleFault(schedule);
  return fault('every', `${schedule.every} ${schedule.period}; expected ${SHORTEST} seconds or more`);
}

function isTooOften(schedule: Schedule): schedule is Extract<Schedule, { kind: 'interval' }> {
  if (schedule.kind !== 'interval') return false;
  return (dueAfter({ schedule, after: 0, anchor: 0, end: null }, 0) ?? SHORTEST) < SHORTEST;
}

function timeFault(field: string, time: Seconds | null): ScheduleFault | null {
  return time === null || (time >= 0 && time < YEAR_10000) ? null : fault(field, 'expected a time from 1970 to 9999');
}

function jsonFault(field: string, text: string, expected: string, fits: (json: Json) => boolean): ScheduleFault | null {
  try {
    if (fits(JSON.parse(text) as Json)) return null;
  } catch {
    // Told below.
  }
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return fault(field, `${JSON.stringify(shown)}; expected ${expected}`);
}

function isObject(json: Json): json is { readonly [key: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

/** AMQP writes numbers by their value, so they have to be known. */
function isHeaders(json: Json): boolean {
  return isObject(json) && isExact(json);
}

/** Its whole numbers are those that were written, and not some other that is near. */
export function isExact(json: Json): boolean {
  if (typeof json === 'number') return Number.isSafeInteger(json) || !Number.isInteger(json);
  return typeof json !== 'object' || json === null || Object.values(json).every(isExact);
}

function nameFault(field: string, name: string | null): ScheduleFault | null {
  if (name === null || new TextEncoder().encode(name).length <= MAX_NAME_BYTES) return null;
  return fault(field, `expected ${MAX_NAME_BYTES} bytes at most`);
}

function fault(field: string, message: string): ScheduleFault {
  return { field, message };
}
