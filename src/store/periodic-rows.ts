/** Rows of the tables of periodic tasks, as the domain reads them. */
import type { Knex } from 'knex';
import type { PeriodicRow } from '../domain/periodic.ts';

const AS_THEY_ARE = [
  ...(['id', 'name', 'task', 'args', 'kwargs', 'headers', 'queue', 'exchange', 'routing_key', 'priority'] as const),
  ...(['expire_seconds', 'one_off', 'enabled', 'total_run_count', 'description', 'catch_up'] as const),
];
const TIMES = ['expires', 'start_time', 'last_run_at', 'date_changed', 'scheduled_at'] as const;

/** A `Schedule` for each schedule that a task refers to. */
const SCHEDULES = `to_jsonb(array_remove(array[
    case when i.id is not null then to_jsonb(i) - 'id' || '{"kind": "interval"}' end,
    case when c.id is not null then to_jsonb(c) - 'id' || '{"kind": "crontab"}' end,
    case when s.id is not null then to_jsonb(s) - 'id' || '{"kind": "solar"}' end,
    case when k.id is not null
      then jsonb_build_object('kind', 'clocked', 'clocked_time', extract(epoch from k.clocked_time)) end
  ], null)) as schedules`;

/** All periodic tasks, to be narrowed and sorted; the table is called `t`. */
export function periodicRows(db: Knex): Knex.QueryBuilder<object, PeriodicRow[]> {
  return db('djcelery_periodictask as t')
    .leftJoin('djcelery_intervalschedule as i', 'i.id', 't.interval_id')
    .leftJoin('djcelery_crontabschedule as c', 'c.id', 't.crontab_id')
    .leftJoin('djcelery_solarschedule as s', 's.id', 't.solar_id')
    .leftJoin('djcelery_clockedschedule as k', 'k.id', 't.clocked_id')
    .select(AS_THEY_ARE.map((column) => `t.${column}`))
    .select(TIMES.map((column) => db.raw(`extract(epoch from t.${column})::float8 as ${column}`)))
    .select(db.raw(SCHEDULES));
}
