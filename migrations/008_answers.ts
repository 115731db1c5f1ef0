/** What keeps answers fast where rows are many: where in time the ended versions lie that held at a moment, and who lacks a value. */
import type { Knex } from 'knex';

export const name = '008_answers';

/** As in `003_questions`. */
const ENDED = `state in ('SUCCESS', 'FAILURE', 'REVOKED')`;

/** Takes a minute or two where the history has tens of millions of rows: it is read whole, once for each index. */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- Of the versions of ended tasks with a time within a stretch: at which snapshot the last of them held no more. Most that
    -- are older than a moment in the past had expired before it: a list that begins with the oldest passes over them by this.
    create table task_history_spans (
      -- which time: received, started or timestamp
      sort text not null,
      -- stretches of 64 seconds since the epoch (a power of two: no rounding)
      span double precision not null,
      until bigint not null,
      primary key (sort, span)
    );

    create function add_task_history_spans() returns trigger language plpgsql set search_path from current as $$
      begin
        insert into task_history_spans as kept (sort, span, until)
        select sort, floor(time / 64), max(until) from added
          cross join lateral (values ('received', received), ('started', started), ('timestamp', "timestamp")) as times (sort, time)
        where ${ENDED} and time is not null
        group by sort, floor(time / 64)
        on conflict (sort, span) do update set until = excluded.until where kept.until < excluded.until;
        return null;
      end
    $$;
    create trigger task_history_spans after insert on task_history
      referencing new table as added for each statement execute function add_task_history_spans();

    insert into task_history_spans (sort, span, until)
    select sort, floor(time / 64), max(until) from task_history
      cross join lateral (values ('received', received), ('started', started), ('timestamp', "timestamp")) as times (sort, time)
    where ${ENDED} and time is not null
    group by sort, floor(time / 64);

    -- Those without the value come last in every list, by their uuid.
    create index task_states_no_received on task_states (task_id, cluster) where received is null;
    create index task_states_no_started on task_states (task_id, cluster) where started is null;
    create index task_states_no_timestamp on task_states (task_id, cluster) where "timestamp" is null;
    create index task_states_no_runtime on task_states (task_id, cluster) where runtime is null;
    create index task_history_no_received on task_history (task_id, cluster) where received is null and ${ENDED};
    create index task_history_no_started on task_history (task_id, cluster) where started is null and ${ENDED};
    create index task_history_no_timestamp on task_history (task_id, cluster) where "timestamp" is null and ${ENDED};
    create index task_history_no_runtime on task_history (task_id, cluster) where runtime is null and ${ENDED};
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index task_states_no_received, task_states_no_started, task_states_no_timestamp, task_states_no_runtime,
      task_history_no_received, task_history_no_started, task_history_no_timestamp, task_history_no_runtime;
    drop trigger task_history_spans on task_history;
    drop function add_task_history_spans;
    drop table task_history_spans;
  `);
}
