/** The journal: events in partitions, the head that gives positions, dead letters and gaps. */
import type { Knex } from 'knex';

export const name = '001_journal';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- One row. Whoever appends updates it first: that takes the lock and the positions in one.
    -- The epoch names this journal: a position means nothing in another one.
    create table journal_head (
      position bigint not null,
      epoch text not null,
      -- when some recorder last recorded what a broker had delivered to another one before, epoch seconds of its clock
      redelivered_at double precision
    );
    insert into journal_head values (0, md5(random()::text || clock_timestamp()::text));

    create table events (
      position bigint not null,
      cluster text not null,
      -- when the monitor received the message, epoch seconds
      local_received double precision not null,
      type text not null,
      -- worker and other events: who sent it and when; task events: null
      hostname text,
      "timestamp" double precision,
      -- task events: the task
      uuid text,
      -- the event as JSON
      body text not null
    ) partition by range (local_received);
    create table events_default partition of events default;

    create index on events (position);
    -- Both find again what a broker delivers a second time. A hash has no limit of length and is cheaper to keep.
    create index on events using hash (uuid) where uuid is not null;
    create index on events (hostname, "timestamp") where uuid is null;

    create table dead_letters (
      id bigint generated always as identity primary key,
      cluster text not null,
      received_at timestamptz not null,
      routing_key text not null,
      content_type text,
      content_encoding text,
      headers jsonb not null,
      body bytea not null,
      reason text not null
    );
    create index on dead_letters (received_at);

    create table gaps (
      id bigint generated always as identity primary key,
      cluster text not null,
      cause text not null,
      started_at timestamptz not null,
      ended_at timestamptz not null,
      -- how many events are believed missing; null where nobody can know
      estimate double precision,
      detail text not null,
      -- a gap recorded again after an uncertain commit is the same gap
      unique (cluster, cause, started_at, ended_at)
    );
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table gaps, dead_letters, events, journal_head');
}
