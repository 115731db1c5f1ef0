/** What `/metrics` has counted, so that it goes on after a restart. */
import type { Knex } from 'knex';

export const name = '005_metrics';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    -- Written with each snapshot, and true at its position: what the fold has counted.
    create table metrics (
      kind text not null,
      -- JSON: the values of the labels, in the order that the kind has
      labels text not null,
      counts double precision[] not null,
      primary key (kind, labels)
    );

    -- Since the journal began. Whoever appends updates them in the same transaction.
    alter table journal_head
      add column dead_letters bigint not null default 0,
      -- messages that a broker delivered again and that were left out
      add column duplicates bigint not null default 0;
    update journal_head set dead_letters = (select count(*) from dead_letters);
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table metrics; alter table journal_head drop column dead_letters, drop column duplicates');
}
