/** Whether a database is one that can be recorded in. */
import type { Database } from './database.ts';

interface Rights {
  readonly standby: boolean;
  readonly read_only: boolean;
  readonly temporary: boolean;
  readonly schema_exists: boolean;
  readonly make: boolean;
  readonly user: string;
  readonly database: string;
}

/** What it lacks, a sentence with the remedy for each; nothing where it is fit. Changes nothing. */
export async function lackingIn({ knex, schema }: Database): Promise<readonly string[]> {
  const { rows }: { rows: Rights[] } = await knex.raw(
    `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') = 'on' as read_only,
      has_database_privilege(current_database(), 'temporary') as temporary, oid is not null as schema_exists,
      case when oid is null then has_database_privilege(current_database(), 'create')
        else has_schema_privilege(oid, 'create') and has_schema_privilege(oid, 'usage') end as make,
      quote_ident(current_user) as user, quote_ident(current_database()) as database
      from (select to_regnamespace(quote_ident(?))::oid as oid) as here`,
    [schema],
  );
  const [rights] = rows;
  if (!rights) return [];
  const { standby, read_only, temporary, schema_exists, make, user, database } = rights;
  if (standby) return ['the server is a standby, which nobody can write to; name the primary'];
  const lacking: string[] = [];
  if (read_only) lacking.push(`everything is read-only for ${user} (default_transaction_read_only)`);
  // The camera copies its rows to one and merges them from there.
  if (!temporary) {
    const remedy = `grant temporary on database ${database} to ${user}`;
    lacking.push(`${user} may not make temporary tables in the database ${database}; ${remedy}`);
  }
  if (!make) {
    const what = schema_exists ? `tables in the schema "${schema}"` : `the schema "${schema}"`;
    const remedy = schema_exists
      ? `alter schema "${schema}" owner to ${user}`
      : `create schema "${schema}" authorization ${user}`;
    lacking.push(`${user} may not create ${what}; ${remedy}`);
  }
  return lacking;
}
