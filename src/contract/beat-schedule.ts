/**
 * Celery's `beat_schedule` as JSON, which has no `crontab(…)` and the like: name → entry. An entry's `schedule` is a number of
 * seconds, or the arguments of Celery's `crontab`, `solar` or `clocked` as an object.
 */
import { z } from 'zod';
import type { Json } from '../domain/event.ts';
import { isExact } from '../domain/periodic.ts';
import { faultIn } from './fault.ts';
import { json } from './records.ts';

const text = z.string('a text');
const number = z.number('a number');
const field = z.union([text, number], 'a text, or a number').transform(String).default('*');
const time = z.iso.datetime({ offset: true, error: 'a time such as 2026-11-24T12:00:00Z' });

const crontab = z.strictObject({
  minute: field,
  hour: field,
  day_of_week: field,
  day_of_month: field,
  month_of_year: field,
  timezone: text.default('UTC'),
});
const solar = z.strictObject({ event: text, lat: number, lon: number });
const clocked = z.strictObject({ clocked_time: time });

const entry = z.strictObject(
  {
    task: text,
    schedule: z.union(
      [number.positive(), solar, clocked, crontab],
      'a number of seconds, or an object of the fields of crontab, of solar (event, lat, lon) or of clocked (clocked_time)',
    ),
    args: z.array(json, 'a list').default([]),
    kwargs: z.record(z.string(), json, 'an object').default({}),
    options: z
      .strictObject(
        {
          queue: text.optional(),
          exchange: text.optional(),
          routing_key: text.optional(),
          priority: number.optional(),
          headers: z.record(z.string(), json, 'an object').optional(),
          /** Seconds after it was sent, or a time. */
          expires: z.union([number, time], 'a number of seconds, or a time such as 2026-11-24T12:00:00Z').optional(),
        },
        'an object',
      )
      .default({}),
  },
  'an object',
);

/** All of them; each is looked at by itself, with `fromBeatEntry`. */
export const beatSchedule = z.record(z.string(), z.unknown(), 'an object: name → entry');

/** What an entry sets, yet to be checked as a new periodic task is; or what is wrong with it, in a sentence. */
export function fromBeatEntry(name: string, given: unknown): Readonly<Record<string, unknown>> | string {
  const read = entry.safeParse(given);
  if (!read.success) return faultIn(read.error).error;
  const { task, schedule, args, kwargs, options } = read.data;
  const { expires, headers = {}, ...more } = options;
  const inexact = Object.entries({ args, kwargs, headers }).find(([, value]) => !isExact(value as Json));
  if (inexact) return `${inexact[0]}: it holds a whole number beyond 2^53, which JSON does not keep`;
  return {
    ...{ name, task, schedule: fromBeatSchedule(schedule), ...more },
    args: JSON.stringify(args),
    kwargs: JSON.stringify(kwargs),
    headers: JSON.stringify(headers),
    ...(typeof expires === 'number' && { expire_seconds: expires }),
    ...(typeof expires === 'string' && { expires: Date.parse(expires) / 1000 }),
  };
}

function fromBeatSchedule(schedule: z.output<typeof entry>['schedule']): object {
  if (typeof schedule === 'number') {
    return Number.isInteger(schedule)
      ? { kind: 'interval', every: schedule, period: 'seconds' }
      : { kind: 'interval', every: Math.round(schedule * 1e6), period: 'microseconds' };
  }
  if ('lat' in schedule) {
    // As many digits as the table keeps.
    const [latitude, longitude] = [schedule.lat, schedule.lon].map((degrees) => Number(degrees.toFixed(6)));
    return { kind: 'solar', event: schedule.event, latitude, longitude };
  }
  if ('clocked_time' in schedule) return { kind: 'clocked', clocked_time: Date.parse(schedule.clocked_time) / 1000 };
  return { kind: 'crontab', ...schedule };
}
