/** Periodic tasks as tests need them. */
import type { PeriodicRow } from '../../src/domain/periodic.ts';

/** A task every ten seconds, but for what is given. */
export function periodicRow(given: Partial<PeriodicRow> = {}): PeriodicRow {
  return {
    ...{ id: 1, name: 'one', task: 'app.add', description: '', date_changed: 0, scheduled_at: 0 },
    schedules: [{ kind: 'interval', every: 10, period: 'seconds' }],
    ...{ args: '[]', kwargs: '{}', headers: '{}', queue: null, exchange: null, routing_key: null, priority: null },
    ...{ expires: null, expire_seconds: null, one_off: false, start_time: null, enabled: true, catch_up: 1 },
    ...{ last_run_at: null, total_run_count: 0, ...given },
  };
}
