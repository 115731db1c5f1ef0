/** Periodic tasks as people set them: listed with what becomes of them, made, changed and deleted. */
import { isDeepStrictEqual } from 'node:util';
import type { Knex } from 'knex';
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import type {
  NewPeriodicTask,
  PeriodicRunsPage,
  PeriodicTaskChange,
  PeriodicTaskRow,
  PeriodicTasksPage,
} from '../contract/periodic.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { Seconds } from '../domain/event.ts';
import { DEFAULT_SETTINGS, faultsOf, type PeriodicDefinition, type PeriodicRow } from '../domain/periodic.ts';
import { databaseError, sqlState } from '../postgres.ts';
import { storableText } from '../postgres-text.ts';
import { columnsOf, scheduleColumns } from './periodic-columns.ts';
import { etagOf, toPeriodicTask } from './periodic-record.ts';
import { periodicRows } from './periodic-rows.ts';
import { lastRuns, runsPage } from './periodic-run-list.ts';
import type { PageQuestion } from './questions.ts';

export interface PeriodicQuestion extends PageQuestion {
  /** Part of the name, or of that of the task; null: all. */
  readonly search: string | null;
  readonly enabled: boolean | null;
}

/** Whether a thing with this `etag` is still the one that is meant. */
export type IsMeant = (etag: string) => boolean;

/** All methods throw MonitorError DATABASE_UNREACHABLE where the database fails. */
export interface PeriodicTasks {
  /** By name. */
  list(question: PeriodicQuestion): Promise<Answer<PeriodicTasksPage>>;
  one(id: number): Promise<Answer<PeriodicTaskRow>>;
  named(name: string): Promise<Answer<PeriodicTaskRow>>;
  create(settings: NewPeriodicTask): Promise<Answer<PeriodicTaskRow>>;
  /** Refused where it would be unfit by what is changed; what was wrong before is no hindrance. */
  change(id: number, change: PeriodicTaskChange, isMeant: IsMeant): Promise<Answer<PeriodicTaskRow>>;
  /** With its runs. Answers what it was. */
  remove(id: number, isMeant: IsMeant): Promise<Answer<PeriodicTaskRow>>;
  /** Newest first. */
  runs(id: number, page: PageQuestion): Promise<Answer<PeriodicRunsPage>>;
}

const TABLE = 'djcelery_periodictask';

export function createPeriodicTasks(db: Knex, clock: () => Seconds): PeriodicTasks {
  const told = async (rows: readonly PeriodicRow[]): Promise<PeriodicTaskRow[]> => {
    const runs = await lastRuns(
      db,
      rows.map(({ id }) => id),
    );
    return rows.map((row) => toPeriodicTask(row, runs.get(row.id) ?? null, clock()));
  };
  const found = async (row: PeriodicRow | undefined, which: string): Promise<Answer<PeriodicTaskRow>> => {
    const [record] = row ? await told([row]) : [];
    return record ? answer(record) : refuse('unknown', `there is no periodic task ${which}`);
  };
  const one = async (id: number): Promise<Answer<PeriodicTaskRow>> =>
    found(await periodicRows(db).where('t.id', id).first(), String(id));

  /** Does it while nobody else changes the task. Answers what the task was. */
  const locked = (
    id: number,
    isMeant: IsMeant,
    work: (trx: Knex.Transaction, row: PeriodicRow) => Promise<Refusal | undefined>,
  ): Promise<Answer<PeriodicRow>> =>
    db.transaction(async (trx) => {
      const row = await periodicRows(trx).where('t.id', id).forUpdate('t').first();
      if (!row) return refuse('unknown', `there is no periodic task ${id}`);
      if (isMeant(etagOf(row))) return (await work(trx, row)) ?? answer(row);
      const name = JSON.stringify(row.name);
      return refuse('changed', `somebody has changed ${name} since it was read; read it again, and decide anew`);
    });

  return {
    list: ({ limit, cursor, search, enabled }) =>
      guarded(async () => {
        const [after] = cursor === null ? [''] : (fromCursor(cursor, 'periodic') ?? []);
        if (typeof after !== 'string') {
          return refuse('cursor', 'this cursor is not one of this list; expected the `next` of its last page');
        }
        const rows = periodicRows(db)
          .orderBy('t.name')
          .limit(limit + 1);
        if (cursor !== null) rows.where('t.name', '>', storableText(after));
        if (enabled !== null) rows.where('t.enabled', enabled);
        if (search !== null) {
          const part = 'greatest(strpos(lower(t.name), lower(:part)), strpos(lower(t.task), lower(:part))) > 0';
          rows.whereRaw(part, { part: storableText(search) });
        }
        const all = await rows;
        const items = await told(all.slice(0, limit));
        const last = items.at(-1);
        return answer({ items, next: all.length > limit && last ? toCursor(['periodic', last.name]) : null });
      }),

    one: (id) => guarded(() => one(id)),

    named: (name) =>
      guarded(async () =>
        found(await periodicRows(db).where('t.name', storableText(name)).first(), JSON.stringify(name)),
      ),

    create: (settings) =>
      guarded(async () => {
        const { schedule, ...rest } = { ...DEFAULT_SETTINGS, ...settings };
        const fault = faultIn({ ...rest, schedules: [schedule] } as PeriodicDefinition, settings);
        if (fault) return fault;
        const id = await db.transaction(async (trx) => {
          const columns = { ...columnsOf(trx, rest), ...(await scheduleColumns(trx, schedule)) };
          const [row] = await trx(TABLE).insert(columns).returning<{ id: number }[]>('id');
          return row?.id as number;
        });
        return one(id);
      }, settings.name),

    change: (id, change, isMeant) =>
      guarded(async () => {
        const before = await locked(id, isMeant, async (trx, row) => {
          const { schedule, ...rest } = change;
          const schedules = schedule ? [schedule] : row.schedules;
          const fault = faultIn({ ...row, ...rest, schedules } as PeriodicDefinition, change);
          if (fault) return fault;
          // The same schedule goes on as if it had not been named.
          const isOther = schedule !== undefined && !isDeepStrictEqual(row.schedules, [schedule]);
          const columns = { ...columnsOf(trx, rest), ...(isOther && (await scheduleColumns(trx, schedule))) };
          if (Object.keys(columns).length > 0) await trx(TABLE).where({ id }).update(columns);
          return undefined;
        });
        return before.ok ? one(id) : before;
      }, change.name),

    remove: (id, isMeant) =>
      guarded(async () => {
        const before = await locked(id, isMeant, async (trx) => {
          await trx(TABLE).where({ id }).delete();
          return undefined;
        });
        return before.ok ? answer(toPeriodicTask(before.value, null, clock())) : before;
      }),

    runs: (id, page) =>
      guarded(async () => {
        const known = await db(TABLE).where({ id }).first('id');
        return known ? runsPage(db, id, page) : refuse('unknown', `there is no periodic task ${id}`);
      }),
  };
}

/** @param name that is wanted, and may be taken */
async function guarded<T>(work: () => Promise<Answer<T>>, name?: string): Promise<Answer<T>> {
  try {
    return await work();
  } catch (error) {
    if (sqlState(error) !== '23505') throw databaseError(error);
    return refuse('taken', `there is a periodic task called ${JSON.stringify(name)} already`, 'name');
  }
}

/** What is wrong with a field that was given. */
function faultIn(definition: PeriodicDefinition, given: PeriodicTaskChange): Refusal | null {
  for (const { field, message } of faultsOf(definition)) {
    if (Object.hasOwn(given, field)) return refuse('field', `${field}: ${message}`, field);
    if (given.schedule && Object.hasOwn(given.schedule, field)) {
      return refuse('field', `schedule.${field}: ${message}`, `schedule.${field}`);
    }
  }
  return null;
}
