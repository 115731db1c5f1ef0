/** Runs of periodic tasks, each with what is known of the task that it became. */
import type { Knex } from 'knex';
import { type Answer, answer, refuse } from '../answer.ts';
import type { PeriodicRunRow, PeriodicRunsPage } from '../contract/periodic.ts';
import { fromCursor, toCursor } from '../cursor.ts';

/** A task as the latest snapshot has it; of several clusters the one heard of last. */
function taskOf(id: string): string {
  return `(select * from task_states where task_id = ${id} order by "timestamp" desc nulls last, cluster limit 1)`;
}

/** Of runs, which are called `r`. */
const RUNS = `select r.id, r.periodic_task, extract(epoch from r.due_at)::float8 as due_at, r.outcome, r.task_id,
    extract(epoch from r.sent_at)::float8 as sent_at, r.missed, r.reason,
    extract(epoch from r.sent_at - r.due_at)::float8 as late,
    case when r.sent_at is not null then not b.ready or b."timestamp" > extract(epoch from r.sent_at) end as overlapping,
    t.cluster, t.state, t.worker, t.started, t.runtime, t.result, t.exception`;

const TASKS = `left join lateral ${taskOf('r.task_id')} as t on true
  left join lateral (select task_id from periodic_runs
    where periodic_task = r.periodic_task and id < r.id and task_id is not null order by id desc limit 1) as before on true
  left join lateral ${taskOf('before.task_id')} as b on true`;

/** The latest run of each of these tasks that has one. */
export async function lastRuns(db: Knex, ids: readonly number[]): Promise<ReadonlyMap<number, PeriodicRunRow>> {
  const { rows } = await db.raw<{ rows: PeriodicRunRow[] }>(
    `${RUNS} from unnest(?::integer[]) as task(id)
      cross join lateral (select * from periodic_runs where periodic_task = task.id order by id desc limit 1) as r
      ${TASKS}`,
    [[...ids]],
  );
  return new Map(rows.map((run) => [run.periodic_task, run]));
}

/** Newest first. */
export async function runsPage(
  db: Knex,
  task: number,
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
): Promise<Answer<PeriodicRunsPage>> {
  const [before] = cursor === null ? [Number.MAX_SAFE_INTEGER] : (fromCursor(cursor, 'periodic runs') ?? []);
  if (typeof before !== 'number' || !Number.isSafeInteger(before)) {
    return refuse('cursor', 'this cursor is not one of a list of runs; expected the `next` of its last page');
  }
  const { rows } = await db.raw<{ rows: PeriodicRunRow[] }>(
    `${RUNS} from (select * from periodic_runs where periodic_task = ? and id < ? order by id desc limit ?) as r ${TASKS}
      order by r.id desc`,
    [task, before, limit + 1],
  );
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return answer({ items, next: rows.length > limit && last ? toCursor(['periodic runs', last.id]) : null });
}
