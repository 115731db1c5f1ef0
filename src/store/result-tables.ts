/** The tables that results may be kept in: those of Celery's database backend, of django-celery-results, of django-celery. */
import type pg from 'pg';
import { MADE_BY_US } from '../../migrations/007_results.ts';

export interface ResultTable {
  readonly schema: string;
  readonly name: string;
  readonly kind: 'celery' | 'django-celery-results' | 'django-celery';
  readonly holds: 'tasks' | 'groups';
  readonly columns: ReadonlySet<string>;
  /** A migration of ours made it. */
  readonly isOurs: boolean;
  /** False: our login lacks the right. */
  readonly isReadable: boolean;
}

const NAMES: Readonly<Record<string, Pick<ResultTable, 'kind' | 'holds'>>> = {
  celery_taskmeta: { kind: 'celery', holds: 'tasks' },
  celery_tasksetmeta: { kind: 'celery', holds: 'groups' },
  django_celery_results_taskresult: { kind: 'django-celery-results', holds: 'tasks' },
  django_celery_results_groupresult: { kind: 'django-celery-results', holds: 'groups' },
};

interface Row {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly string[];
  readonly comment: string | null;
  readonly readable: boolean;
}

/** Those that are there, in these schemas. They may be made at any time: by the first worker that needs one. */
export async function resultTables(client: pg.Client, schemas: readonly string[]): Promise<readonly ResultTable[]> {
  const { rows } = await client.query<Row>(
    `select n.nspname as schema, c.relname as name, obj_description(c.oid, 'pg_class') as comment,
        has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select') as readable,
        array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname = any($1) and n.nspname = any($2) and c.relkind in ('r', 'p', 'v', 'm', 'f')
      order by n.nspname, c.relname`,
    [Object.keys(NAMES), schemas],
  );
  return rows.flatMap(({ schema, name, columns, comment, readable }) => {
    const known = NAMES[name];
    if (!known) return [];
    // django-celery gave its tables the same names; its rows can be hidden.
    const kind = columns.includes('hidden') ? 'django-celery' : known.kind;
    const isOurs = comment === MADE_BY_US;
    return [{ ...known, kind, schema, name, columns: new Set(columns), isOurs, isReadable: readable }];
  });
}

/** Why nothing is known of what a table holds. */
export function unreadable({ schema, name }: ResultTable): string {
  return `${schema}.${name} may not be read: grant usage on its schema, and select on it, to the login of celerycam`;
}

/** As SQL has it. */
export function quoted({ schema, name }: Pick<ResultTable, 'schema' | 'name'>): string {
  return [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}
