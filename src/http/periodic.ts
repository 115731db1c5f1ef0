/** Routes about periodic tasks: what is set, what is due, what became of it. */
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import { faultIn } from '../contract/fault.ts';
import { type PeriodicRunRecord, schedule as scheduleShape } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import { dueTimesAfter, faultOfSchedules, timingOf } from '../domain/periodic.ts';
import { describeSchedule, type Schedule } from '../domain/schedule.ts';
import { MonitorError } from '../errors.ts';
import type { PeriodicTasks } from '../store/periodic-tasks.ts';
import type { Handlers } from './answers.ts';

export interface PeriodicSources {
  readonly periodic: PeriodicTasks;
  /**
   * Sends it now. Null: there is no task of that id. Throws MonitorError QUESTION_REFUSED or CONFIG_INVALID where it cannot be
   * sent as it is, BROKER_UNREACHABLE, BROKER_REFUSED, DATABASE_UNREACHABLE.
   */
  readonly sendNow: (id: number, signal: AbortSignal) => Promise<PeriodicRunRecord | null>;
  readonly clock: () => Seconds;
}

export type PeriodicRoute = Extract<keyof Handlers, `${string} /api/periodic-tasks${string}`> | 'GET /api/due-times';

/** A broker that takes longer to confirm a task is not waited for. */
const PATIENCE: Seconds = 15;

export function periodicHandlers({ periodic, sendNow, clock }: PeriodicSources): Pick<Handlers, PeriodicRoute> {
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
    'POST /api/periodic-tasks/{id}/run': ({ params }) => withId(params, (id) => run(sendNow, id)),
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

async function run(sendNow: PeriodicSources['sendNow'], id: number): Promise<Answer<PeriodicRunRecord>> {
  const signal = AbortSignal.timeout(PATIENCE * 1000);
  try {
    const sent = await sendNow(id, signal);
    return sent ? answer(sent) : refuse('unknown', `there is no periodic task ${id}`);
  } catch (error) {
    if (MonitorError.is(error, 'QUESTION_REFUSED') || MonitorError.is(error, 'CONFIG_INVALID')) {
      return refuse('unfit', error.message);
    }
    if (!signal.aborted) throw error;
    const message = `the broker did not confirm it within ${PATIENCE} seconds: whether it was sent is not known`;
    throw new MonitorError('BROKER_UNREACHABLE', message, { cause: error });
  }
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
