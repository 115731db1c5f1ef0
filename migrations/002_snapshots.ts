/** What the camera writes: the present, its history, and the views that django-celery's tables live on in. */
import type { Knex } from 'knex';

export const name = '002_snapshots';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table snapshots (
      id bigint generated always as identity primary key,
      taken_at timestamptz not null,
      -- the journal's position that the picture corresponds to
      position bigint not null,
      -- records written
      tasks integer not null,
      workers integer not null,
      -- by cluster: counters of the fold, tasks in memory by state, workers by status
      clusters jsonb not null
    );
    create index on snapshots (taken_at);

    create table task_names (
      cluster text not null,
      name text not null,
      primary key (cluster, name)
    );

    create table worker_states (
      cluster text not null,
      hostname text not null,
      id bigint generated always as identity,
      status text not null,
      last_heartbeat timestamptz,
      pid double precision,
      freq double precision,
      heartbeats double precision[] not null,
      clock double precision,
      active double precision,
      processed double precision,
      loadavg double precision[],
      sw_ident text,
      sw_ver text,
      sw_sys text,
      extra jsonb,
      -- why it is OFFLINE: goodbye or lost; null where that is not known
      reason text,
      -- what the strict reducer knows of the process behind the name: ours alone
      incarnation jsonb,
      -- the snapshot since which it has been so (heartbeats, clock and loadavg apart)
      since bigint not null,
      primary key (cluster, hostname)
    );

    create table worker_history (
      cluster text not null,
      hostname text not null,
      since bigint not null,
      until bigint not null,
      status text not null,
      reason text,
      pid double precision,
      freq double precision,
      active double precision,
      processed double precision,
      sw_ident text,
      sw_ver text,
      sw_sys text
    );

    create table task_states (
      cluster text not null,
      task_id text not null,
      id bigint generated always as identity,
      state text not null,
      name text,
      -- time of the last event that counted; null where the sender's is not a time that Postgres knows
      tstamp timestamptz generated always as (
        case when "timestamp" > -210000000000 and "timestamp" < 9000000000000 then to_timestamp("timestamp") end
      ) stored,
      args text,
      kwargs text,
      eta timestamptz,
      expires timestamptz,
      result text,
      exception text,
      traceback text,
      runtime double precision,
      retries double precision,
      worker text,
      hidden boolean not null default false,
      "timestamp" double precision,
      sent double precision,
      received double precision,
      started double precision,
      succeeded double precision,
      failed double precision,
      retried double precision,
      revoked double precision,
      rejected double precision,
      clock double precision,
      exchange text,
      routing_key text,
      root_id text,
      parent_id text,
      client text,
      -- uuids of the tasks that name, or once named, this one as parent_id, as far as they were in memory
      children jsonb,
      -- as the event said them
      eta_sent text,
      expires_sent text,
      -- whatever else its events said, and what does not fit a column under the name of that
      extra jsonb,
      -- every run, where there was more than one
      runs jsonb,
      -- what the fold needs to go on with the task; JSON of celerycam's own
      life text,
      -- the worker that was executing it went away: when, epoch seconds, and goodbye, lost or replaced
      orphaned_at double precision,
      orphaned_reason text,
      -- it has ended: Celery's ready states, and what was rejected for good
      ready boolean not null,
      -- the earlier of "timestamp" and the shutter's time, epoch seconds: what cleanup goes by
      ages_from double precision not null,
      -- the snapshot since which it has been so (the columns that task_history has)
      since bigint not null,
      -- the task first: even before Postgres has statistics it then looks a task up by it
      primary key (task_id, cluster)
    );
    create index on task_states (ready, ages_from);

    -- Versions that hold no more: from snapshot since on, up to but not including snapshot until. Only ever inserted.
    create table task_history (
      cluster text not null,
      task_id text not null,
      since bigint not null,
      until bigint not null,
      state text not null,
      name text,
      worker text,
      "timestamp" double precision,
      sent double precision,
      received double precision,
      started double precision,
      runtime double precision,
      retries double precision,
      root_id text,
      parent_id text
    );
    create index on task_history using hash (task_id);
    create index on task_history using brin (until);
    create index on worker_history using hash (hostname);
    create index on worker_history using brin (until);

    -- Every version, the present one with until null: at snapshot S it was so where since <= S and (until > S or until is null).
    create view task_versions as
      select cluster, task_id, since, until, state, name, worker, "timestamp", sent, received, started, runtime, retries,
        root_id, parent_id from task_history
      union all
      select cluster, task_id, since, null, state, name, worker, "timestamp", sent, received, started, runtime, retries,
        root_id, parent_id from task_states;
    create view worker_versions as
      select cluster, hostname, since, until, status, reason, pid, freq, active, processed, sw_ident, sw_ver, sw_sys
        from worker_history
      union all
      select cluster, hostname, since, null, status, reason, pid, freq, active, processed, sw_ident, sw_ver, sw_sys
        from worker_states;

    create view djcelery_workerstate as
      select id, hostname, last_heartbeat from worker_states;
    create view djcelery_taskstate as
      select t.id, t.state, t.task_id, t.name, t.tstamp, t.args, t.kwargs, t.eta, t.expires,
        coalesce(nullif(t.result, ''), t.exception) as result, t.traceback, t.runtime,
        case when t.retries between 0 and 2147483647 then t.retries::integer else 0 end as retries,
        t.hidden, w.id as worker_id
      from task_states t left join worker_states w on w.cluster = t.cluster and w.hostname = t.worker;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop view djcelery_taskstate, djcelery_workerstate, worker_versions, task_versions;
    drop table task_history, task_states, worker_history, worker_states, task_names, snapshots;
  `);
}
