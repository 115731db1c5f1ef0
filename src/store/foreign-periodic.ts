/** Periodic tasks in the tables of django-celery-beat, or of django-celery itself, which are only read. */
import type { Knex } from 'knex';
import type { Seconds } from '../domain/event.ts';
import { readTime } from '../domain/filter-values.ts';

export interface ForeignTable {
  readonly schema: string;
  readonly prefix: 'django_celery_beat' | 'djcelery';
}

export interface ForeignTask {
  readonly name: string;
  /** Yet to be checked as a new periodic task is. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly last_run_at: Seconds | null;
  readonly total_run_count: number;
}

const KINDS = ['interval', 'crontab', 'solar', 'clocked'] as const;

/** Where there are such tables. @param own the schema of celerycam's, which are called like django-celery's */
export async function foreignTables(db: Knex, own: string): Promise<ForeignTable[]> {
  const { rows } = await db.raw<{ rows: ForeignTable[] }>(
    `select n.nspname as schema, replace(c.relname, '_periodictask', '') as prefix
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relname in ('django_celery_beat_periodictask', 'djcelery_periodictask') and n.nspname <> ? order by 1, 2`,
    [own],
  );
  return rows;
}

type Fields = Readonly<Record<string, unknown>>;

/** By name. @param timezone of crontabs that have none: those of django-celery */
export async function readForeign(
  db: Knex,
  { schema, prefix }: ForeignTable,
  timezone: string,
): Promise<ForeignTask[]> {
  const { rows: there } = await db.raw<{ rows: { name: string }[] }>(
    'select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = ?',
    [schema],
  );
  const query = db
    .withSchema(schema)
    .from(`${prefix}_periodictask as t`)
    .select(db.raw('to_jsonb(t) as task'))
    .orderBy('t.name');
  // Older versions have fewer kinds.
  for (const kind of KINDS.filter((each) => there.some(({ name }) => name === `${prefix}_${each}schedule`))) {
    query.leftJoin(`${prefix}_${kind}schedule as ${kind}`, `${kind}.id`, `t.${kind}_id`);
    query.select(db.raw('to_jsonb(??) as ??', [kind, kind]));
  }
  return ((await query) as Readonly<Record<string, Fields | null>>[]).map((row) => toTask(row, timezone));
}

function toTask({ task, ...schedules }: Readonly<Record<string, Fields | null>>, timezone: string): ForeignTask {
  const { id: _, last_run_at, total_run_count, date_changed: _changed, ...rest } = task as Fields;
  const set = Object.fromEntries(Object.entries(rest).filter(([column]) => !column.endsWith('_id')));
  const found = KINDS.flatMap((kind) => (schedules[kind] ? [scheduleOf(kind, schedules[kind], timezone)] : []));
  return {
    name: String(set['name']),
    settings: {
      ...set,
      // Django writes '' for what is not set.
      ...Object.fromEntries(['queue', 'exchange', 'routing_key'].map((column) => [column, set[column] || null])),
      ...{ expires: timeOf(set['expires']), start_time: timeOf(set['start_time']) },
      // Which of several counts is not for us to say.
      ...(found.length === 1 && { schedule: found[0] }),
    },
    last_run_at: timeOf(last_run_at),
    total_run_count: Number(total_run_count),
  };
}

function scheduleOf(kind: (typeof KINDS)[number], { id: _, ...fields }: Fields, timezone: string): Fields {
  switch (kind) {
    case 'interval':
    case 'solar':
      return { kind, ...fields };
    case 'crontab':
      return { kind, timezone, ...fields };
    case 'clocked':
      return { kind, clocked_time: timeOf(fields['clocked_time']) };
  }
}

/** What JSON has of a time; `infinity` and the like as such, to be refused. */
function timeOf(value: unknown): Seconds | null {
  if (typeof value !== 'string') return null;
  return readTime(value, Number.NaN) ?? Number.POSITIVE_INFINITY;
}
