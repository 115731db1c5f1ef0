/** A large record made up inside the database: tasks of the last day, and the history of those of the day before. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Seconds } from '../../src/domain/event.ts';
import { withClient } from '../../src/postgres.ts';
import { Figures } from '../../src/store/figures-write.ts';

export interface SeedOptions {
  /** Rows of `task_states`. Of `task_history` there are three times as many. */
  readonly tasks: number;
  /** Epoch seconds of the latest snapshot. */
  readonly end: Seconds;
}

/** Snapshots: one in ten seconds, over two days. */
export const SNAPSHOTS = 17_280;
const DAY = 86_400;

type Day = 'before' | 'today';

/** Of each of the two connections. A processor each is enough. */
const MEMORY = `set work_mem = '256MB'; set maintenance_work_mem = '1GB'; set max_parallel_maintenance_workers = 0`;
const PATIENCE = { seconds: 7200 };

/**
 * Fills an empty, migrated database: 40 names, 50 workers, 90 % SUCCESS, one task in a thousand still under way. Each task
 * of the last day was STARTED before; each of the day before was RECEIVED, STARTED and ended, and has expired.
 *
 * Two connections fill a table each. Its indexes, the key included, are made afterwards: those of random texts, once larger
 * than the server's memory, would take longer to keep than all else.
 */
export async function seed(db: Knex, { tasks, end }: SeedOptions): Promise<void> {
  const begin = end - 2 * DAY;
  const days = {
    before: { first: begin, count: Math.floor((tasks * 2) / 3), prefix: 'p' },
    today: { first: end - DAY, count: tasks, prefix: '' },
  };
  await db.raw(`insert into snapshots (taken_at, position, tasks, workers, clusters)
    select to_timestamp(${begin} + n * 10.0), n * 100, 0, 50,
      '{"default": {"event_count": 0, "task_count": 0, "tasks": {}, "workers": {}}}'::jsonb
        || jsonb_build_object('default', jsonb_build_object('event_count', n * 100, 'task_count', n, 'tasks',
          '{}'::jsonb, 'workers', '{"ONLINE": 50}'::jsonb))
    from generate_series(1, ${SNAPSHOTS}) n`);
  await db.raw(`insert into worker_states (cluster, hostname, status, heartbeats, active, since)
    select 'default', 'celery@web' || n, 'ONLINE', array[${end}], 4, 1 from generate_series(0, 49) n`);
  await db.raw('vacuum analyze snapshots, worker_states');
  await Promise.all([
    withClient(db, PATIENCE, async (client) => {
      await fill(client, 'task_states', [present()]);
      await fillFigures(client, end);
    }),
    withClient(db, PATIENCE, (client) =>
      fill(client, 'task_history', [
        versions({ of: 'before', state: "'RECEIVED'", since: 'at', until: 'at + 1' }),
        versions({ of: 'before', state: "'STARTED'", since: 'at + 1', until: 'at + 2' }),
        versions({ of: 'before', state: 'state', since: 'at + 2', until: `least(at + 8642, ${SNAPSHOTS} + 1)` }),
        versions({ of: 'today', state: "'STARTED'", since: 'greatest(1, ended - 1)', until: 'ended' }),
      ]),
    ),
  ]);

  function present(): string {
    return `insert into task_states (cluster, task_id, state, name, args, kwargs, result, exception, traceback, runtime,
        retries, worker, "timestamp", sent, received, started, succeeded, failed, clock, root_id, parent_id, life, ready,
        ages_from, since)
      select 'default', id, state, name, '(' || n || ', ''user-' || n % 100003 || ''')', '{''depth'': ' || n % 7 || '}',
        case state when 'SUCCESS' then '''done ' || n || '''' end,
        case state when 'FAILURE' then 'ValueError(''no such user ' || n || ''')' end,
        case state when 'FAILURE' then repeat('  File "/srv/proj/tasks.py", line 12, in run' || chr(10), 20) end,
        case state when 'SUCCESS' then runtime end, n % 3, worker,
        least(received + 0.01 + runtime, ${end}), received - 0.02, received, case when state <> 'RECEIVED' then received + 0.01 end,
        case state when 'SUCCESS' then received + 0.01 + runtime end,
        case state when 'FAILURE' then received + 0.01 + runtime end, n * 5, root_id, parent_id,
        '{"processes":[["' || worker || '",7]],"facts":[["received",0,4,' || received || ',' || received + 0.01 || ',1]' ||
          case when state <> 'RECEIVED' then ',["started",0,5,' || received + 0.01 || ',' || received + 0.02 || ',0]' else '' end || ']}',
        state in ('SUCCESS', 'FAILURE', 'REVOKED'), least(received + 0.01 + runtime, ${end}), ended
      from (${made('today')}) as made`;
  }

  /** A version of each task of a day that has ended. */
  function versions(version: { of: Day; state: string; since: string; until: string }): string {
    const { of, state, since, until } = version;
    const began = state === "'RECEIVED'" ? 'null' : 'received + 0.01';
    const ended = state === 'state';
    return `insert into task_history (cluster, task_id, since, until, state, name, worker, "timestamp", sent, received, started,
        runtime, retries, root_id, parent_id)
      select 'default', id, ${since}, ${until}, ${state}, name, worker,
        ${ended ? 'received + 0.01 + runtime' : `coalesce(${began}, received)`}, received - 0.02, received, ${began},
        ${ended ? "case state when 'SUCCESS' then runtime end" : 'null'}, n % 3, root_id, parent_id
      from (${made(of)}) as made where state not in ('STARTED', 'RECEIVED')`;
  }

  /** What all rows of a task are made of: numbered tasks, spread over a day. */
  function made(day: Day): string {
    const { first, count, prefix } = days[day];
    const id = (n: string): string => `md5('${prefix}' || ${n})::uuid::text`;
    return `select *, ceil((received - ${begin}) / 10)::integer as at,
        least(${SNAPSHOTS}, ceil((received + 0.01 + runtime - ${begin}) / 10)::integer) as ended,
        ${day === 'today' ? `case when n % 10 = 0 then ${id('(n - 1)')} end` : 'null::text'} as parent_id,
        ${day === 'today' ? `case when n % 10 = 0 then ${id('(n - 1)')} else id end` : 'id'} as root_id
      from (select n, ${id('n')} as id, ${first} + n * ${DAY}::float8 / ${count} as received,
        case when n % 20 = 0 then 'FAILURE' when n % 10007 = 0 then 'REVOKED' when n % 1000 = 7 then 'STARTED'
          when n % 1000 = 8 then 'RECEIVED' else 'SUCCESS' end as state,
        'proj.tasks.t' || floor(40 * power((n * 0.6180339887) % 1, 2)) as name,
        'celery@web' || (n * 7919) % 50 as worker, 0.001 * exp(7 * ((n * 0.7548776662) % 1))::float8 as runtime
      from generate_series(1::bigint, ${count}) n offset 0) as numbered`;
  }
}

/** Fills an empty table by some statements, then makes its indexes. */
async function fill(client: pg.Client, table: string, inserts: readonly string[]): Promise<void> {
  await client.query(`${MEMORY}; alter table ${table} set unlogged`);
  const { rows } = await client.query<{ drop: string; make: string }>(`
    select case when contype = 'p' then format('alter table %s drop constraint %I', indrelid::regclass, conname)
        else format('drop index %s', indexrelid::regclass) end as drop,
      case when contype = 'p' then format('alter table %s add %s', indrelid::regclass, pg_get_constraintdef(c.oid))
        else pg_get_indexdef(indexrelid) end as make
    from pg_index left join pg_constraint c on conindid = indexrelid where indrelid = '${table}'::regclass`);
  for (const { drop } of rows) await client.query(drop);
  for (const insert of inserts) await client.query(insert);
  // Before there are indexes, which it would read as well.
  await client.query(`vacuum ${table}`);
  for (const { make } of rows) await client.query(make);
  await client.query(`analyze ${table}`);
}

/** Adds up what is in `task_states`, as if each hour of it had been one shutter. */
async function fillFigures(client: pg.Client, end: Seconds): Promise<void> {
  for (let hour = end - DAY; hour <= end; hour += 3600) {
    const figures = new Figures(end);
    const isOfHour = `ready in (true, false) and ages_from >= ${hour} and ages_from < ${hour + 3600}`;
    await figures.countRows(client, `task_states t where ${isOfHour}`, 1);
    await figures.save(client);
  }
  await client.query('vacuum analyze task_figures');
}
