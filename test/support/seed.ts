/** A large record made up inside the database: tasks of the last day, and the history of those of the day before. */
import type { Knex } from 'knex';
import { addFigures } from '../../src/store/figures.ts';

export interface SeedOptions {
  /** Rows of `task_states`. Of `task_history` there are three times as many. */
  readonly tasks: number;
  /** Epoch seconds of the latest snapshot. */
  readonly end: number;
}

/** Snapshots: one in ten seconds, over two days. */
const SNAPSHOTS = 17_280;
const DAY = 86_400;

/**
 * Fills an empty, migrated database: 40 names, 50 workers, 90 % SUCCESS, one task in a thousand still under way. Each task
 * of the last day was STARTED before; each of the day before was RECEIVED, STARTED and ended, and has expired.
 */
export async function seed(db: Knex, { tasks, end }: SeedOptions): Promise<void> {
  const indexes = await dropIndexes(db);
  const begin = end - 2 * DAY;
  await db.raw('alter table task_states set unlogged; alter table task_history set unlogged');
  await db.raw(`insert into snapshots (taken_at, position, tasks, workers, clusters)
    select to_timestamp(${begin} + n * 10.0), n * 100, 0, 50,
      '{"default": {"event_count": 0, "task_count": 0, "tasks": {}, "workers": {}}}'::jsonb
        || jsonb_build_object('default', jsonb_build_object('event_count', n * 100, 'task_count', n, 'tasks',
          '{}'::jsonb, 'workers', '{"ONLINE": 50}'::jsonb))
    from generate_series(1, ${SNAPSHOTS}) n`);
  await db.raw(`insert into worker_states (cluster, hostname, status, heartbeats, active, since)
    select 'default', 'celery@web' || n, 'ONLINE', array[${end}], 4, 1 from generate_series(0, 49) n`);
  await db.raw(`insert into task_states (cluster, task_id, state, name, args, kwargs, result, exception, traceback, runtime,
      retries, worker, "timestamp", sent, received, started, succeeded, failed, clock, root_id, parent_id, life, ready,
      ages_from, since)
    select 'default', id, state, name, '(' || n || ', ''user-' || n % 100003 || ''')', '{''depth'': ' || n % 7 || '}',
      case state when 'SUCCESS' then '''done ' || n || '''' end,
      case state when 'FAILURE' then 'ValueError(''no such user ' || n || ''')' end,
      case state when 'FAILURE' then repeat('  File "/srv/proj/tasks.py", line 12, in run' || chr(10), 20) end,
      case state when 'SUCCESS' then runtime end, n % 3, worker,
      least(received + 0.01 + runtime, ${end}), received - 0.02, received, case when state <> 'RECEIVED' then received + 0.01 end,
      case state when 'SUCCESS' then received + 0.01 + runtime end,
      case state when 'FAILURE' then received + 0.01 + runtime end, n * 5,
      case when n % 10 = 0 then md5('' || (n - 1))::uuid::text else id end,
      case when n % 10 = 0 then md5('' || (n - 1))::uuid::text end,
      '{"facts":[' || case when state <> 'RECEIVED' then '["started","' || worker || '",7,0,5,' || received + 0.01 || ',' || received + 0.02 || ',0],' else '' end
        || '["received","' || worker || '",7,0,4,' || received || ',' || received + 0.01 || ',0]]}', state in ('SUCCESS', 'FAILURE', 'REVOKED'), least(received + 0.01 + runtime, ${end}),
      least(${SNAPSHOTS}, ceil((received + 0.01 + runtime - ${begin}) / 10)::int)
    from (select n, ${end - DAY} + n * ${DAY}::float8 / ${tasks} as received, ${made('')} from generate_series(1::bigint, ${tasks}) n) as made`);
  await db.raw(`insert into task_history (cluster, task_id, since, until, state, name, worker, "timestamp", sent, received,
      started, runtime, retries, root_id, parent_id)
    select cluster, task_id, greatest(1, since - 1), since, 'STARTED', name, worker, started, sent, received, started, null,
      retries, root_id, parent_id
    from task_states where started is not null and ready`);
  await db.raw(past("'RECEIVED'", 0, 1));
  await db.raw(past("'STARTED'", 1, 2));
  await db.raw(past('state', 2, 8642));
  for (const index of indexes) await db.raw(`set maintenance_work_mem = '512MB'; ${index}`);
  for (const table of ['task_states', 'task_history', 'snapshots', 'worker_states'])
    await db.raw(`vacuum analyze ${table}`);
  await fillFigures(db, end);

  /** The versions of the tasks of the day before that held for so many snapshots after they were received. */
  function past(state: string, since: number, until: number): string {
    const ended = since === 2;
    return `insert into task_history (cluster, task_id, since, until, state, name, worker, "timestamp", sent, received, started,
        runtime, retries, root_id, parent_id)
      select 'default', id, at + ${since}, least(at + ${until}, ${SNAPSHOTS} + 1), ${state}, name, worker,
        ${ended ? 'received + 0.01 + runtime' : 'received'}, received - 0.02, received,
        ${since > 0 ? 'received + 0.01' : 'null'}, ${ended ? "case state when 'SUCCESS' then runtime end" : 'null'}, n % 3, id, null
      from (select n, ${begin} + n * ${DAY}::float8 / ${tasks} as received, ceil(n * 8640::float8 / ${tasks})::int as at, ${made('p')}
        from generate_series(1::bigint, ${Math.floor((tasks * 2) / 3)}) n) as made`;
  }
}

/** Adds up what is in `task_states`, as if each hour of it had been one shutter. */
async function fillFigures(db: Knex, end: number): Promise<void> {
  const nothing = 'from (select * from task_states where false) o';
  for (let hour = end - DAY; hour <= end; hour += 3600) {
    await db.raw(
      `create view added as select * from task_states where ages_from >= ${hour} and ages_from < ${hour + 3600}`,
    );
    await db.raw(addFigures('added', end).replace('from task_states o', nothing));
    await db.raw('drop view added');
  }
  await db.raw('vacuum analyze task_figures');
}

/** Columns made of `n`. */
function made(prefix: string): string {
  return `md5('${prefix}' || n)::uuid::text as id,
    case when n % 20 = 0 then 'FAILURE' when n % 10007 = 0 then 'REVOKED' when n % 1000 = 7 then 'STARTED'
      when n % 1000 = 8 then 'RECEIVED' else 'SUCCESS' end as state,
    'proj.tasks.t' || floor(40 * power((n * 0.6180339887) % 1, 2)) as name, 'celery@web' || (n * 7919) % 50 as worker,
    0.001 * exp(7 * ((n * 0.7548776662) % 1))::float8 as runtime`;
}

/** Takes the indexes off the large tables, but for the keys, and returns how to make them again. */
async function dropIndexes(db: Knex): Promise<string[]> {
  const { rows } =
    await db.raw(`select i.indexrelid::regclass as name, pg_get_indexdef(i.indexrelid) as made from pg_index i
    where indrelid in ('task_states'::regclass, 'task_history'::regclass) and not indisprimary`);
  for (const { name } of rows) await db.raw(`drop index ${name}`);
  return rows.map(({ made }: { made: string }) => made);
}
