/**
 * Periodic tasks and their runs. Names are those of django-celery's and django-celery-beat's tables; times are epoch seconds;
 * null for what is not set or not known.
 */
import { z } from 'zod';
import { SOLAR_EVENTS } from '../domain/solar.ts';

const seconds = z.number().nullable();
const text = z.string().nullable();
const count = z.number().int();

/** When it is due: one of the four kinds, as `Schedule` of domain/schedule.ts, which says what values may be. */
export const schedule = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('interval'),
    every: z.number(),
    period: z.enum(['days', 'hours', 'minutes', 'seconds', 'microseconds']),
  }),
  z.strictObject({
    kind: z.literal('crontab'),
    minute: z.string(),
    hour: z.string(),
    day_of_week: z.string(),
    day_of_month: z.string(),
    month_of_year: z.string(),
    timezone: z.string(),
  }),
  z.strictObject({
    kind: z.literal('solar'),
    event: z.enum(SOLAR_EVENTS),
    latitude: z.number(),
    longitude: z.number(),
  }),
  z.strictObject({ kind: z.literal('clocked'), clocked_time: z.number() }),
]);

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

export const periodicTask = z.strictObject({
  id: count,
  name: z.string(),
  task: z.string(),
  /** Null where it has none, or several: `unfit` says so. */
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
  date_changed: z.number(),
  description: z.string(),
  /** Of the due times that were missed the latest so many are made up: 0 none, 1 the latest, n. */
  catch_up: count,
  /** Since when it has this schedule: nothing before is due. */
  scheduled_at: z.number(),
  /** Why it is never sent, naming the field and what was expected; null where nothing is wrong with it. */
  unfit: text,
});

export type PeriodicTaskRecord = z.output<typeof periodicTask>;
export type PeriodicRunRecord = z.output<typeof periodicRun>;
