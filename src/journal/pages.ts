/** Reading the journal in order, in pages that are bounded in rows and bytes. */
import type { Knex } from 'knex';
import type { JournalEntry, Position, Seconds } from '../domain/event.ts';
import { copyOut, databaseError, transaction } from '../postgres.ts';
import type { Journal } from './journal.ts';

/** A page that takes longer is given up. */
const PATIENCE: Seconds = 60;

/** Entries asked for at a time. */
const PAGE = 10_000;

/** Bytes of bodies asked for at a time, so that memory stays bounded whatever was sent. */
const PAGE_BYTES = 16_000_000;

/** Bytes parsed at a time. */
const PARSE_BYTES = 131_072;

/** Entries in order, some hundred at a time; the next page is fetched while one is worked on. @throws MonitorError */
export async function* readPages(
  db: Knex,
  { after, upTo, signal }: Parameters<Journal['read']>[0],
): AsyncGenerator<readonly JournalEntry[], void, undefined> {
  const fetch = (from: Position): Promise<Buffer> | null => {
    const page = from < upTo ? fetchPage(db, from, Math.min(from + PAGE, upTo), signal) : null;
    // Where nobody waits for it any more, its failure concerns nobody.
    page?.catch(() => undefined);
    return page;
  };
  try {
    let from = after;
    let next = fetch(from);
    while (next) {
      const page: Buffer = await next;
      // What was dropped by retention leaves a page empty: its range was read all the same.
      from = page.length > 0 ? lastPosition(page) : from + PAGE;
      // Asked for before this one is parsed and folded, so that Postgres and we work at the same time.
      next = fetch(from);
      yield* parsePage(page);
    }
  } catch (error) {
    throw databaseError(error);
  }
}

/**
 * Entries as one JSON text without brackets, a line each: `position,cluster,local_received,size,event,`. In CSV with a quote
 * and a delimiter that JSON never has, Postgres writes each value as it is. At most `PAGE_BYTES`, but one entry at least.
 */
async function fetchPage(db: Knex, after: Position, upTo: Position, signal: AbortSignal | undefined): Promise<Buffer> {
  const query = `select position || ',' || to_json(cluster) || ',' || local_received || ',' || octet_length(body) || ',' || body || ','
    from (select *, sum(octet_length(body)) over (order by position rows unbounded preceding) - octet_length(body) as before
      from events where position > ${after} and position <= ${upTo}) as page
    where before < ${PAGE_BYTES} order by position`;
  return transaction(db, { seconds: PATIENCE, signal }, async (client) => {
    const chunks: Buffer[] = [];
    for await (const chunk of copyOut(client, query, `(format csv, quote e'\\x01', delimiter e'\\x02')`))
      chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

/** The position that the latest events come after, of so many events and bytes at most. Their bodies are not read. */
export async function startOfLatest(
  db: Knex,
  { upTo, events, bytes }: Parameters<Journal['latest']>[0],
): Promise<Position> {
  const after = Math.max(0, upTo - events);
  const query = `select coalesce(max(position), ?) as start
    from (select position, sum(octet_length(body)) over (order by position desc rows unbounded preceding) as bytes
      from events where position > ? and position <= ?) as latest
    where bytes > ?`;
  try {
    const { rows } = await db.raw<{ rows: { start: Position }[] }>(query, [after, after, upTo, bytes]);
    return Number(rows[0]?.start);
  } catch (error) {
    throw databaseError(error);
  }
}

/** The position at the start of the last line. */
function lastPosition(page: Buffer): Position {
  const start = page.lastIndexOf(10, page.length - 2) + 1;
  return Number(page.toString('latin1', start, page.indexOf(',', start)));
}

/** The entries of a page, some hundred at a time: what lives for a moment only costs the garbage collection nothing. */
function* parsePage(page: Buffer): Generator<readonly JournalEntry[], void, undefined> {
  for (let start = 0; start < page.length; ) {
    const end = page.indexOf(10, start + PARSE_BYTES) + 1 || page.length;
    yield parseLines(page.toString('utf8', start, end));
    start = end;
  }
}

function parseLines(lines: string): readonly JournalEntry[] {
  const flat: readonly unknown[] = JSON.parse(`[${lines}0]`);
  const entries: JournalEntry[] = [];
  for (let n = 0; n + 4 < flat.length; n += 5) {
    entries.push({
      position: flat[n] as Position,
      cluster: flat[n + 1] as string,
      local_received: flat[n + 2] as Seconds,
      size: flat[n + 3] as number,
      event: flat[n + 4] as JournalEntry['event'],
    });
  }
  return entries;
}
