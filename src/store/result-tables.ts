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
}

const NAMES: Readonly<Record<string, Pick<ResultTable, 'kind' | 'holds'>>> = {
  celery_taskmeta: { kind: 'celery', holds: 'tasks' },
  celery_tasksetmeta: { kind: 'celery', holds: 'groups' },
  django_celery_results_taskresult: { kind: 'django-celery-results', holds: 'tasks' },
  django_celery_results_groupresult: { kind: 'django-celery-results', holds: 'groups' },
};

/** Those that are there, and may be read, in these schemas. They may be made at any time: by the first worker that needs one. */
export async function resultTables(client: pg.Client, schemas: readonly string[]): Promise<readonly ResultTable[]> {
  const { rows } = await client.query<{ schema: string; name: string; columns: string[]; comment: string | null }>(
    `select n.nspname as schema, c.relname as name, obj_description(c.oid, 'pg_class') as comment,
        array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped) as columns
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname = any($1) and n.nspname = any($2) and c.relkind in ('r', 'p', 'v', 'm', 'f')
        and has_schema_privilege(n.oid, 'usage') and has_table_privilege(c.oid, 'select')
      order by n.nspname, c.relname`,
    [Object.keys(NAMES), schemas],
  );
  return rows.flatMap(({ schema, name, columns, comment }) => {
    const known = NAMES[name];
    if (!known) return [];
    // django-celery gave its tables the same names; its rows can be hidden.
    const kind = columns.includes('hidden') ? 'django-celery' : known.kind;
    return [{ ...known, kind, schema, name, columns: new Set(columns), isOurs: comment === MADE_BY_US }];
  });
}

/** As SQL has it. */
export function quoted({ schema, name }: Pick<ResultTable, 'schema' | 'name'>): string {
  return [schema, name].map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}
