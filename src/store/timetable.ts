/** What the beat reads and writes: the tasks that are enabled, and what became of each due time. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { PeriodicRunRecord } from '../contract/periodic.ts';
import type { Seconds } from '../domain/event.ts';
import type { PeriodicRow } from '../domain/periodic.ts';
import { databaseError, transaction } from '../postgres.ts';
import { periodicRows } from './periodic-rows.ts';

/** An enabled task, and how far it is known what became of its due times. */
export interface TimetableRow extends PeriodicRow {
  /** The latest due time up to now of which that is known; null: of none. */
  readonly settled: Seconds | null;
  /** It is known of later ones, too: a clock was put back since. */
  readonly ahead: boolean;
}

/** What became of one due time, before it is recorded. */
export type Run = Readonly<Omit<PeriodicRunRecord, 'id'>>;

/** All methods throw MonitorError DATABASE_UNREACHABLE where the database fails. */
export interface Timetable {
  /** Another one after each change that matters. */
  marker(): Promise<string>;
  /** The tasks that are enabled. @param time what the clock shows */
  read(time: Seconds): Promise<readonly TimetableRow[]>;
  /** Of these due times those of which it is known what became of them. */
  settled(dues: readonly Due[]): Promise<readonly Due[]>;
  /** Records runs and counts them. What is recorded already counts once; what was deleted meanwhile is left out. */
  record(runs: readonly Run[]): Promise<void>;
  /** The task of that id, enabled or not; null: there is none. */
  find(id: number): Promise<PeriodicRow | null>;
  /** Records a run that was sent by hand, which counts for nothing. */
  recordByHand(run: Run): Promise<PeriodicRunRecord>;
  /** Removes runs from before `limit`, but for the latest of each task: from it the next due time is counted. */
  prune(limit: Seconds): Promise<number>;
}

type Due = Pick<Run, 'periodic_task' | 'due_at'>;

/** The turn of the beat that leads, as of `createTurn`. */
export const BEAT_TURN = 'beat';

/** Longer than any of it takes. */
const PATIENCE: Seconds = 30;

export function createTimetable(db: Knex): Timetable {
  return {
    async marker() {
      const rows = db('djcelery_periodictasks').where({ ident: 1 }).select(db.raw('last_update::text'));
      const [row] = await rows.catch(rethrow);
      return row?.last_update ?? '';
    },

    async read(time) {
      const known = 'from periodic_runs r where r.periodic_task = t.id and r.due_at';
      const settled = `(select extract(epoch from max(due_at))::float8 ${known} <= to_timestamp(?)) as settled`;
      const ahead = `exists (select ${known} > to_timestamp(?)) as ahead`;
      const rows = periodicRows(db).where('t.enabled', true);
      return rows.select<TimetableRow[]>(db.raw(settled, [time]), db.raw(ahead, [time])).catch(rethrow);
    },

    async settled(dues) {
      const query = `select r.periodic_task, due.due_at
        from jsonb_to_recordset(?) due (periodic_task integer, due_at float8)
        join periodic_runs r on r.periodic_task = due.periodic_task and r.due_at = to_timestamp(due.due_at)`;
      return (await db.raw(query, [JSON.stringify(dues)]).catch(rethrow)).rows;
    },

    async record(runs) {
      const work = (client: pg.Client): Promise<unknown> => client.query(RECORD, [JSON.stringify(runs)]);
      await transaction(db, { seconds: PATIENCE }, work).catch(rethrow);
    },

    async find(id) {
      const [row] = await periodicRows(db).where('t.id', id).catch(rethrow);
      return row ?? null;
    },

    async recordByHand(run) {
      const { periodic_task, outcome, task_id, sent_at, reason } = run;
      const row = { periodic_task, outcome, task_id, sent_at: db.raw('to_timestamp(?)', [sent_at]), reason };
      const [recorded] = await db('periodic_runs').insert(row).returning('id').catch(rethrow);
      return { id: recorded.id, ...run };
    },

    async prune(limit) {
      const latest = 'select max(due_at) from periodic_runs l where l.periodic_task = r.periodic_task';
      return db('periodic_runs as r')
        .whereRaw('coalesce(due_at, sent_at) < to_timestamp(?)', [limit])
        .whereRaw(`(due_at is null or due_at < (${latest}))`)
        .delete()
        .catch(rethrow);
    },
  };
}

function rethrow(error: unknown): never {
  throw databaseError(error);
}

/** One that was skipped by a beat which did not know that another had sent it was sent. */
const RECORD = `
  with run as (
    select periodic_task, to_timestamp(due_at) as due_at, outcome, task_id, to_timestamp(sent_at) as sent_at, missed, reason
      from jsonb_to_recordset($1) run (periodic_task integer, due_at float8, outcome text, task_id text, sent_at float8,
        missed integer, reason text)
  ), recorded as (
    insert into periodic_runs (periodic_task, due_at, outcome, task_id, sent_at, missed, reason)
      select run.* from run join djcelery_periodictask t on t.id = run.periodic_task for key share of t
      on conflict (periodic_task, due_at) do update
        set (outcome, task_id, sent_at, reason) = (excluded.outcome, excluded.task_id, excluded.sent_at, excluded.reason)
        where periodic_runs.outcome = 'skipped' and excluded.outcome <> 'skipped'
      returning periodic_task, outcome, sent_at
  )
  update djcelery_periodictask t
    set last_run_at = sent.at, total_run_count = total_run_count + sent.count, enabled = enabled and not one_off
    from (select periodic_task, max(sent_at) as at, count(*) from recorded where outcome = 'sent' group by 1) sent
    where t.id = sent.periodic_task`;
