/** A periodic task as clients see it. */
import { createHash } from 'node:crypto';
import { type PeriodicRunRow, type PeriodicTaskRow, schedule as scheduleShape } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import { dueAfter, type PeriodicRow, timingOf, unfitReason } from '../domain/periodic.ts';

/** @param now for when it is due next */
export function toPeriodicTask(row: PeriodicRow, last_run: PeriodicRunRow | null, now: Seconds): PeriodicTaskRow {
  const { schedules, expires, start_time, last_run_at, date_changed, scheduled_at, ...rest } = row;
  const unfit = unfitReason(row);
  const [schedule] = schedules.length === 1 ? schedules : [];
  return {
    ...rest,
    schedule: scheduleShape.safeParse(schedule).data ?? null,
    expires: finite(expires),
    start_time: finite(start_time),
    last_run_at: finite(last_run_at),
    date_changed: finite(date_changed),
    scheduled_at: finite(scheduled_at),
    unfit,
    next_due: row.enabled && unfit === null ? dueAfter(timingOf(row), now) : null,
    last_run,
    etag: etagOf(row),
  };
}

/** Which version of what is set this is. */
export function etagOf(row: PeriodicRow): string {
  const { id: _, last_run_at: _last, total_run_count: _count, date_changed: _changed, scheduled_at: _at, ...set } = row;
  const text = JSON.stringify(Object.entries(set).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** Postgres' `infinity` is no time that JSON has. */
function finite(time: Seconds | null): Seconds | null {
  return Number.isFinite(time) ? time : null;
}
