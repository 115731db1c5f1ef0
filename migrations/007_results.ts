/** Where results are kept: TaskMeta and TaskSetMeta, as Celery's database backend (SQLAlchemy) makes these tables. */
import type { Knex } from 'knex';

export const name = '007_results';

/** The comment by which tables are known that celerycam made: what is in others is not its to remove. */
export const MADE_BY_US = 'made by celerycam';

/**
 * The tables, with Celery's names, columns and sequences, in the schema that the search path begins with; one that is there
 * already stays as it is. (celery/backends/database/models.py)
 */
export const RESULT_TABLES = `
  create sequence if not exists task_id_sequence;
  create table if not exists celery_taskmeta (
    -- Whoever inserts takes it from the sequence.
    id integer not null primary key,
    task_id varchar(155) unique,
    status varchar(50),
    -- A pickle, whatever the serializer.
    result bytea,
    -- UTC.
    date_done timestamp without time zone,
    traceback text,
    -- With result_extended only.
    name varchar(155),
    args bytea,
    kwargs bytea,
    worker varchar(155),
    retries integer,
    queue varchar(155)
  );
  create sequence if not exists taskset_id_sequence;
  create table if not exists celery_tasksetmeta (
    id integer not null primary key,
    taskset_id varchar(155) unique,
    result bytea,
    date_done timestamp without time zone
  );
`;

const TABLES = ['celery_taskmeta', 'celery_tasksetmeta'] as const;

export async function up(knex: Knex): Promise<void> {
  const there = await existing(knex);
  await knex.raw(RESULT_TABLES);
  for (const table of TABLES) {
    if (there.has(table)) continue;
    await knex.raw(`comment on table ${table} is '${MADE_BY_US}'; create index on ${table} (date_done)`);
  }
}

/** Tables that a worker made stay. */
export async function down(knex: Knex): Promise<void> {
  const there = await existing(knex);
  for (const [table, sequence] of [
    ['celery_taskmeta', 'task_id_sequence'],
    ['celery_tasksetmeta', 'taskset_id_sequence'],
  ] as const) {
    if (there.get(table) === MADE_BY_US) await knex.raw(`drop table ${table}; drop sequence ${sequence}`);
  }
}

/** Those that are there, with their comments. */
async function existing(knex: Knex): Promise<ReadonlyMap<string, string | null>> {
  const { rows } = await knex.raw(
    `select relname, obj_description(oid, 'pg_class') as comment from pg_class
      where relnamespace = (select oid from pg_namespace where nspname = current_schema()) and relname = any(?)`,
    [[...TABLES]],
  );
  return new Map(
    (rows as { relname: string; comment: string | null }[]).map(({ relname, comment }) => [relname, comment]),
  );
}
