/**
 * Periodic tasks and their runs. Names are those of django-celery's and django-celery-beat's tables; times are epoch seconds;
 * null for what is not set or not known.
 */
import { z } from 'zod';
import { SOLAR_EVENTS } from '../domain/solar.ts';

const seconds = z.number().nullable();
const text = z.string().nullable();
const count = z.number().int();

/** A text that Postgres can hold. @param most characters, as wide as its column is */
function line(most: number) {
  return z
    .string('a text')
    .max(most, `a text of ${most} characters at most`)
    .refine((given) => given.isWellFormed() && !given.includes('\0'), 'a text without NUL and lone surrogates');
}

function named(most: number) {
  return line(most).min(1, 'a text that is not empty');
}

function whole(least: number, most: number) {
  const expected = `a whole number from ${least} to ${most}`;
  return z.int(expected).min(least, expected).max(most, expected);
}

/** Of an `integer` in Postgres. */
const LARGEST = 2 ** 31 - 1;
/** No request holds more. */
const LONGEST = 65_536;
const number = z.number('a number');

/** When it is due: one of the four kinds, as `Schedule` of domain/schedule.ts, which says what values may be. */
export const schedule = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('interval'),
      every: whole(-LARGEST, LARGEST),
      period: z.enum(
        ['days', 'hours', 'minutes', 'seconds', 'microseconds'],
        'days, hours, minutes, seconds or microseconds',
      ),
    }),
    z.strictObject({
      kind: z.literal('crontab'),
      minute: line(240),
      hour: line(96),
      day_of_week: line(64),
      day_of_month: line(124),
      month_of_year: line(64),
      timezone: line(63),
    }),
    z.strictObject({
      kind: z.literal('solar'),
      event: z.enum(SOLAR_EVENTS, `one of ${SOLAR_EVENTS.join(', ')}`),
      latitude: number,
      longitude: number,
    }),
    z.strictObject({ kind: z.literal('clocked'), clocked_time: number }),
  ],
  'an object whose kind is interval, crontab, solar or clocked',
);

/** What can be set of a periodic task. domain/periodic.ts says what values make sense. */
const settings = z.strictObject(
  {
    name: named(200),
    task: named(200),
    schedule,
    /** JSON, as text: so whole numbers of any size are sent as they are written. As `kwargs` and `headers`. */
    args: line(LONGEST),
    kwargs: line(LONGEST),
    headers: line(LONGEST),
    queue: named(200).nullable(),
    exchange: named(200).nullable(),
    routing_key: named(200).nullable(),
    priority: whole(0, 255).nullable(),
    expires: number.nullable(),
    expire_seconds: whole(0, LARGEST).nullable(),
    one_off: z.boolean('true or false'),
    start_time: number.nullable(),
    enabled: z.boolean('true or false'),
    description: line(LONGEST),
    catch_up: whole(0, 1000),
  },
  'an object',
);

/** A new one; what is left out is as the table has it by default. */
export const newPeriodicTask = z.strictObject(
  {
    ...settings.partial().shape,
    name: settings.shape.name,
    task: settings.shape.task,
    schedule: settings.shape.schedule,
  },
  'an object',
);

/** What is left out stays as it is. */
export const periodicTaskChange = settings.partial();

/** What became of one due time, or of sending by hand. */
export const periodicRun = z.strictObject({
  id: count,
  periodic_task: count,
  /** When it was due; null: sent by hand. */
  due_at: seconds,
  /**
   * `sent`: the broker has it. `skipped`: more than 30 s late, and not to be made up. `unroutable`: the broker had no queue
   * for it, or refused it; `reason` says why.
   */
  outcome: z.enum(['sent', 'skipped', 'unroutable']),
  /** The task that it became; null where it was skipped. */
  task_id: text,
  sent_at: seconds,
  /** Due times before this one that were passed over together with it. */
  missed: count,
  reason: text,
});

/** A run, and what is known of the task that it became. */
export const periodicRunRow = z.strictObject({
  ...periodicRun.shape,
  /** Seconds from `due_at` to `sent_at`. */
  late: seconds,
  /** The task of the run before had not ended when this one was sent; null where that is not known. */
  overlapping: z.boolean().nullable(),
  cluster: text,
  state: text,
  worker: text,
  started: seconds,
  runtime: seconds,
  result: text,
  exception: text,
});

/** Newest first. */
export const periodicRunsPage = z.strictObject({ items: z.array(periodicRunRow), next: text });

export const periodicTaskRow = z.strictObject({
  id: count,
  name: z.string(),
  task: z.string(),
  /** Null where it has none, several, or one that cannot be: `unfit` says so. */
  schedule: schedule.nullable(),
  /** JSON, as the text that the table holds. */
  args: z.string(),
  kwargs: z.string(),
  headers: z.string(),
  queue: text,
  exchange: text,
  routing_key: text,
  priority: z.number().nullable(),
  expires: seconds,
  expire_seconds: z.number().nullable(),
  one_off: z.boolean(),
  start_time: seconds,
  enabled: z.boolean(),
  last_run_at: seconds,
  total_run_count: count,
  date_changed: seconds,
  description: z.string(),
  /** Of the due times that were missed the latest so many are made up: 0 none, 1 the latest, n. */
  catch_up: count,
  /** Since when it has this schedule: nothing before is due. */
  scheduled_at: seconds,
  /** Why it is never sent, naming the field and what was expected; null where nothing is wrong with it. */
  unfit: text,
  /** When it is due next; null: never again, or not while it is disabled or unfit. */
  next_due: seconds,
  /** The latest; null where there is none. */
  last_run: periodicRunRow.nullable(),
  /** Changes when somebody changes what is set, and not when it runs: for `If-Match`. */
  etag: z.string(),
});

/** By name. */
export const periodicTasksPage = z.strictObject({ items: z.array(periodicTaskRow), next: text });

/** Due times of a schedule. */
export const dueTimes = z.strictObject({
  /** In a few words. */
  schedule: z.string(),
  items: z.array(
    z.strictObject({
      due_at: z.number(),
      /** The same on a clock on the wall in the schedule's zone (UTC where it has none), ISO 8601. */
      local: z.string(),
    }),
  ),
});

export type PeriodicSchedule = z.output<typeof schedule>;
export type NewPeriodicTask = z.output<typeof newPeriodicTask>;
export type PeriodicTaskChange = z.output<typeof periodicTaskChange>;
export type PeriodicTaskRow = z.output<typeof periodicTaskRow>;
export type PeriodicTasksPage = z.output<typeof periodicTasksPage>;
export type PeriodicRunRecord = z.output<typeof periodicRun>;
export type PeriodicRunRow = z.output<typeof periodicRunRow>;
export type PeriodicRunsPage = z.output<typeof periodicRunsPage>;
export type DueTimes = z.output<typeof dueTimes>;
