/** Routes about periodic tasks: what is set, what is due, what became of it. */
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import { faultIn } from '../contract/fault.ts';
import { schedule as scheduleShape } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import { dueTimesAfter, faultOfSchedules, timingOf } from '../domain/periodic.ts';
import { describeSchedule, type Schedule } from '../domain/schedule.ts';
import type { PeriodicTasks } from '../store/periodic-tasks.ts';
import type { Handlers } from './answers.ts';

export interface PeriodicSources {
  readonly periodic: PeriodicTasks;
  readonly clock: () => Seconds;
}

export type PeriodicRoute = Extract<keyof Handlers, `${string} /api/periodic-tasks${string}`> | 'GET /api/due-times';

export function periodicHandlers({ periodic, clock }: PeriodicSources): Pick<Handlers, PeriodicRoute> {
  return {
    'GET /api/periodic-tasks': ({ query, limit, database }) => {
      const { search = null, cursor = null, enabled } = query;
      return database(() =>
        periodic.list({ limit, cursor, search, enabled: enabled === undefined ? null : enabled === 'true' }),
      );
    },
    'POST /api/periodic-tasks': ({ body, database }) => database(() => periodic.create(body)),
    'GET /api/periodic-tasks/{id}': ({ params, database }) => withId(params, (id) => database(() => periodic.one(id))),
    'PATCH /api/periodic-tasks/{id}': ({ params, body, isMeant, database }) =>
      withId(params, (id) => database(() => periodic.change(id, body, isMeant))),
    'DELETE /api/periodic-tasks/{id}': ({ params, isMeant, database }) =>
      withId(params, (id) => database(() => periodic.remove(id, isMeant))),
    'GET /api/periodic-tasks/{id}/runs': ({ params, query, limit, database }) =>
      withId(params, (id) => database(() => periodic.runs(id, { limit, cursor: query.cursor ?? null }))),
    'GET /api/due-times': ({ query }) => {
      const { after = clock(), count = 10, scheduled_at = after, start_time = null, expires = null } = query;
      const schedule = readSchedule(query.schedule);
      if ('problem' in schedule) return schedule;
      const timing = timingOf({ schedules: [schedule], scheduled_at, start_time, expires });
      const items = dueTimesAfter(timing, after, count);
      return answer({ schedule: describeSchedule(schedule), items });
    },
  };
}

/** Of tasks that a table of integers can hold. */
async function withId<T>({ id }: { readonly id: string }, ask: (id: number) => Promise<Answer<T>>): Promise<Answer<T>> {
  const number = /^\d{1,10}$/.test(id) ? Number(id) : 0;
  return number > 0 && number < 2 ** 31 ? ask(number) : refuse('unknown', `there is no periodic task ${id}`);
}

function readSchedule(text = ''): Schedule | Refusal {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    const expected = 'expected JSON such as {"kind": "interval", "every": 10, "period": "seconds"}';
    return refuse('field', `schedule: ${(error as Error).message}; ${expected}`, 'schedule');
  }
  const read = scheduleShape.safeParse(given);
  if (!read.success) {
    const { error, parameter } = faultIn(read.error, ['schedule']);
    return refuse('field', error, parameter);
  }
  const fault = faultOfSchedules([read.data]);
  return fault ? refuse('field', `schedule.${fault.field}: ${fault.message}`, `schedule.${fault.field}`) : read.data;
}
