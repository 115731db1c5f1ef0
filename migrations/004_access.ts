/** Who may look and act: tokens, of which only the hash is kept. */
import type { Knex } from 'knex';

export const name = '004_access';

export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table access_tokens (
      id bigint generated always as identity primary key,
      name text not null,
      role text not null check (role in ('viewer', 'operator')),
      -- SHA-256 of the token, which has 256 random bits: there is nothing to guess
      hash bytea not null unique,
      created_at timestamptz not null default now(),
      revoked_at timestamptz
    );
    create unique index on access_tokens (name) where revoked_at is null;
  `);
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table access_tokens');
}
