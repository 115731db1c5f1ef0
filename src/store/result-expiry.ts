/** Removes results that are older than they may be, as django-celery and Celery's `backend_cleanup` do. */
import type { Knex } from 'knex';
import type { Seconds } from '../domain/event.ts';
import { transaction, withClient } from '../postgres.ts';
import { quoted, resultTables } from './result-tables.ts';

/** Celery's own `result_expires`. */
const DEFAULT: Seconds = 86_400;

export interface ResultExpiry {
  /** Schemas in which tables are looked for. */
  readonly schemas: readonly string[];
  /** Of every table; Infinity: never. Null, where nobody has said: a day in those that celerycam made, and never in others. */
  readonly expires: Seconds | null;
}

/** Rows to a transaction, so that none holds its locks for long. */
const CHUNK = 10_000;

/**
 * Removes what is older, and returns how many rows that were. Those without `date_done`, of tasks that have not ended, stay, as in
 * Celery; tables of Django's backends are left to these.
 */
export async function expireResults(
  db: Knex,
  { schemas, expires }: ResultExpiry,
  time: Seconds,
  signal?: AbortSignal,
): Promise<number> {
  if (expires === Infinity) return 0;
  const tables = await withClient(db, { seconds: 10 }, (client) => resultTables(client, schemas));
  const expiring = tables.filter(
    ({ kind, isOurs, isReadable }) => kind === 'celery' && isReadable && (isOurs || expires !== null),
  );
  let total = 0;
  for (const table of expiring.map(quoted)) {
    for (let count = CHUNK; count === CHUNK && !signal?.aborted; total += count) {
      count = await transaction(db, { seconds: 120, signal }, async (client) => {
        const { rowCount } = await client.query(`delete from ${table} where ctid = any(array(select ctid from ${table}
          where date_done < to_timestamp(${time - (expires ?? DEFAULT)}) at time zone 'utc' limit ${CHUNK}))`);
        return rowCount ?? 0;
      });
    }
  }
  return total;
}
