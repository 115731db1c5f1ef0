/** Lists of what the journal keeps besides events: gaps and dead letters, newest first. */
import type { Knex } from 'knex';
import { type Answer, answer, refuse } from '../answer.ts';
import type { DeadLetterRow, DeadLettersPage, GapRow, GapsPage } from '../contract/history.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { Seconds } from '../domain/event.ts';
import { databaseError } from '../postgres.ts';
import { isoTime, storableText } from '../postgres-text.ts';

/** What to list: those that are at least in part between two moments. */
export interface Listed {
  /** Null: of every cluster. */
  readonly cluster: string | null;
  readonly from: Seconds | null;
  readonly to: Seconds | null;
  /** 1 to 1,000. */
  readonly limit: number;
  /** `next` of the page before; null: the first page. */
  readonly cursor: string | null;
}

/** Bytes of a dead letter that are shown. */
const SHOWN = 16_384;

/** @throws MonitorError where the database fails */
export async function gapsPage(db: Knex, question: Listed): Promise<Answer<GapsPage>> {
  const { from, to } = question;
  return page(
    question,
    'gaps',
    (rows) => {
      if (from !== null) rows.where('ended_at', '>=', isoTime(from));
      if (to !== null) rows.where('started_at', '<=', isoTime(to));
      return gapColumns(db, rows);
    },
    db('gaps'),
  );
}

/** The gaps that are at least in part between two moments, oldest first; at most 1,000, the latest. @throws MonitorError */
export async function gapsBetween(db: Knex, from: Seconds, to: Seconds): Promise<GapRow[]> {
  try {
    const rows = db('gaps').where('ended_at', '>=', isoTime(from)).where('started_at', '<=', isoTime(to));
    return (await gapColumns(db, rows).orderBy('id', 'desc').limit(1000)).reverse();
  } catch (error) {
    throw databaseError(error);
  }
}

function gapColumns(db: Knex, rows: Knex.QueryBuilder): Knex.QueryBuilder<object, GapRow[]> {
  return rows
    .select('id', 'cluster', 'cause', 'estimate', 'detail')
    .select(db.raw('extract(epoch from started_at)::float8 as started_at'))
    .select(db.raw('extract(epoch from ended_at)::float8 as ended_at'));
}

/** @throws MonitorError where the database fails */
export async function deadLettersPage(db: Knex, question: Listed): Promise<Answer<DeadLettersPage>> {
  const { from, to } = question;
  return page<DeadLetterRow>(
    question,
    'dead letters',
    (rows) => {
      if (from !== null) rows.where('received_at', '>=', isoTime(from));
      if (to !== null) rows.where('received_at', '<=', isoTime(to));
      return rows
        .select('id', 'cluster', 'routing_key', 'content_type', 'content_encoding', 'headers', 'reason')
        .select(db.raw('extract(epoch from received_at)::float8 as received_at'))
        .select(db.raw(`translate(encode(substr(body, 1, ${SHOWN}), 'base64'), e'\\n', '') as body`))
        .select(db.raw('octet_length(body) as body_bytes'));
    },
    db('dead_letters'),
  );
}

async function page<Row extends { readonly id: number }>(
  { cluster, limit, cursor }: Listed,
  list: string,
  narrow: (rows: Knex.QueryBuilder) => Knex.QueryBuilder,
  rows: Knex.QueryBuilder,
): Promise<Answer<{ items: Row[]; next: string | null }>> {
  const place = cursor === null ? [] : fromCursor(cursor, list);
  const [before] = place ?? [];
  if (place === null || (cursor !== null && !Number.isSafeInteger(before)))
    return refuse('cursor', `this cursor is not one of the list of ${list}; expected the \`next\` of its last page`);
  if (cluster !== null) rows.where('cluster', storableText(cluster));
  if (typeof before === 'number') rows.where('id', '<', before);
  try {
    const found: Row[] = await narrow(rows)
      .orderBy('id', 'desc')
      .limit(limit + 1);
    const items = found.slice(0, limit);
    const last = items.at(-1);
    return answer({ items, next: found.length > limit && last ? toCursor([list, last.id]) : null });
  } catch (error) {
    throw databaseError(error);
  }
}
