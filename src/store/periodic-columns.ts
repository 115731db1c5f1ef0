/** What is set of a periodic task as columns of its tables. */
import type { Knex } from 'knex';
import type { PeriodicTaskChange } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import type { Schedule } from '../domain/schedule.ts';

const KINDS: readonly Schedule['kind'][] = ['interval', 'crontab', 'solar', 'clocked'];

/** What is given, but for the schedule. */
export function columnsOf(db: Knex, given: Omit<PeriodicTaskChange, 'schedule'>): Record<string, unknown> {
  const { expires, start_time, ...rest } = given;
  const time = (value: Seconds | null): unknown => (value === null ? null : db.raw('to_timestamp(?)', [value]));
  return {
    ...rest,
    ...(expires !== undefined && { expires: time(expires) }),
    ...(start_time !== undefined && { start_time: time(start_time) }),
  };
}

/** Refers to a row of this schedule, and to none of the other kinds. */
export async function scheduleColumns(db: Knex, schedule: Schedule): Promise<Record<string, unknown>> {
  const id = await scheduleRow(db, schedule);
  return Object.fromEntries(KINDS.map((kind) => [`${kind}_id`, kind === schedule.kind ? id : null]));
}

/** How values are made what their columns hold. */
const CASTS: Readonly<Record<string, string>> = {
  clocked_time: 'to_timestamp(?)',
  latitude: '?::numeric(9, 6)',
  longitude: '?::numeric(9, 6)',
};

/** A row of a schedule is shared by all tasks that have it, and stays: as in django-celery-beat. */
async function scheduleRow(db: Knex, { kind, ...fields }: Schedule): Promise<number> {
  const values = Object.fromEntries(
    Object.entries(fields).map(([field, value]) => [field, db.raw(CASTS[field] ?? '?', [value])]),
  );
  const table = `djcelery_${kind}schedule`;
  const known = await db(table).where(values).orderBy('id').first<{ id: number } | undefined>('id');
  if (known) return known.id;
  const [row] = await db(table).insert(values).returning<{ id: number }[]>('id');
  return row?.id as number;
}
