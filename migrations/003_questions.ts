/** What questions need: indexes for lists of the present and the past, and figures by minute, hour and day. */
import type { Knex } from 'knex';

export const name = '003_questions';

/** Ended, as far as indexes of the history go. Others are versions of tasks under way: many, but few at any one moment. */
const ENDED = `state in ('SUCCESS', 'FAILURE', 'REVOKED')`;

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- A time of it is more than two seconds after the snapshot of \`since\`: a clock that is ahead. Lists of the past, which
    -- look at no later times than the snapshot's, look at these besides.
    alter table task_states add column ahead boolean not null default false;
    alter table task_history add column ahead boolean not null default false;
    create index on task_states (since) where ahead;
    create index on task_history (since) where ahead;

    -- Sorts. With a name, worker or state the latest are found at once; by other sorts rare ones are fetched whole.
    create index on task_states (received);
    create index on task_states (started);
    create index on task_states ("timestamp");
    create index on task_states (runtime);
    create index on task_states (name, received);
    create index on task_states (worker, received);
    create index on task_states (state, received) where state <> 'SUCCESS';
    create index on task_states (root_id) where root_id <> task_id;
    create index on task_states (parent_id) where parent_id is not null;

    -- Which versions held at a snapshot S: those of a length in snapshots from 2^n to 2^(n+1) began in the 2^(n+1) before it.
    create index task_history_held on task_history
      (state, (floor(ln(until - since) / ln(2.0::float8))::integer), since) where not (${ENDED});
    -- Those that ended come here by cleanup, far from the shutter.
    create index on task_history (received) where ${ENDED};
    create index on task_history (started) where ${ENDED};
    create index on task_history ("timestamp") where ${ENDED};
    create index on task_history (runtime) where ${ENDED};
    create index on task_history (name, received) where ${ENDED};
    create index on task_history (root_id) where root_id <> task_id;

    -- Workers are few, versions of one are many: each snapshot may have a new one.
    drop index worker_history_hostname_idx;
    create index on worker_history (cluster, hostname, since);

    -- What all rows of tasks add up to, those that were removed included: kept by each shutter.
    create table task_figures (
      -- seconds: 60, 3600 or 86400
      resolution integer not null,
      -- all, name or worker
      kind text not null,
      -- of the minute, hour or day in which the tasks were last heard of, epoch seconds
      start bigint not null,
      cluster text not null,
      -- the name or worker; '' where there is none, and for those beyond the first thousand of a day
      key text not null,
      -- how many of what: states, and lengths of time by powers of 1.2, see store/figures.ts
      codes smallint[] not null,
      counts bigint[] not null,
      primary key (resolution, kind, start, cluster, key)
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table task_figures;
    drop index worker_history_cluster_hostname_since_idx;
    create index on worker_history using hash (hostname);
    drop index task_history_held;
    drop index if exists task_states_received_idx, task_states_started_idx, task_states_timestamp_idx,
      task_states_runtime_idx, task_states_name_received_idx, task_states_worker_received_idx,
      task_states_state_received_idx, task_states_root_id_idx, task_states_parent_id_idx, task_history_received_idx,
      task_history_started_idx, task_history_timestamp_idx, task_history_runtime_idx, task_history_name_received_idx,
      task_history_root_id_idx;
    alter table task_states drop column ahead;
    alter table task_history drop column ahead;
  `);
}
