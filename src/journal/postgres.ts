/** The journal in Postgres. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { Diagnostics } from '../diagnostics.ts';
import type { DeadLetter, JournalEntry, Position, ReceivedEvent, Seconds } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { reasonOf } from '../errors.ts';
import { CopyLines, copyIn, copyOut, databaseError, isRefusal, transaction } from '../postgres.ts';
import { isoTime, storableText } from '../postgres-text.ts';
import { now, persist } from '../runtime.ts';
import { leaveOutDuplicates, leaveOutRecorded } from './duplicates.ts';
import type { Appended, Journal } from './journal.ts';
import { maintainPartitions } from './partitions.ts';
import {
  bareLetter,
  bodyOf,
  DEAD_LETTERS,
  deadLetterLine,
  EVENTS,
  eventLine,
  refusedEvent,
  timestampOf,
} from './rows.ts';

export interface JournalOptions {
  /** How long events and dead letters are kept, in whole days of UTC; null: for ever. */
  readonly retention: Seconds | null;
  readonly diagnostics: Diagnostics;
}

/** A transaction that takes longer is cut and tried again. */
const PATIENCE: Seconds = 60;

/** Entries asked for at a time. */
const PAGE = 10_000;

/** Bytes of bodies asked for at a time, so that memory stays bounded whatever was sent. */
const PAGE_BYTES = 16_000_000;

/** Bytes parsed at a time. */
const PARSE_BYTES = 131_072;

export function createJournal(db: Knex, { retention, diagnostics }: JournalOptions): Journal {
  const redeliveries: Redeliveries = { ours: undefined, others: null };
  const lookAtHead = async (): Promise<Head> => {
    const head = await headOf(db);
    noteRedeliveries(redeliveries, head);
    return head;
  };
  const failed = (error: unknown, retryIn: Seconds): void => {
    diagnostics.emit('journal:failed', { reason: reasonOf(error), retryIn });
  };
  return {
    async append(events, deadLetters, signal) {
      const batch: Batch = { events, deadLetters, careful: false, bare: false, uncertain: null };
      const { done, letters } = await persist(signal, () => record(db, batch, redeliveries, signal), failed);
      diagnostics.emit('journal:appended', {
        events: done.events.length,
        deadLetters: letters.length,
        duplicates: done.duplicates,
        position: done.last,
        timestamp: timestampOf(done.events.at(-1)?.event),
      });
      return done;
    },

    read: (range) => readPages(db, range),

    head: async () => (await lookAtHead()).position,

    epoch: async () => (await lookAtHead()).epoch,

    async recordGap(gap, signal) {
      await persist(signal, async () => db('gaps').insert(gapRow(gap)).onConflict().ignore(), failed);
      diagnostics.emit('gap', gap);
    },

    maintain: () => maintainPartitions(db, retention),
  };
}

async function headOf(db: Knex): Promise<Head> {
  try {
    return await db('journal_head').first('position', 'epoch', 'redelivered_at');
  } catch (error) {
    throw databaseError(error);
  }
}

function gapRow(gap: Gap): Record<string, unknown> {
  return {
    ...gap,
    cluster: storableText(gap.cluster),
    started_at: isoTime(gap.started_at),
    ended_at: isoTime(gap.ended_at),
    detail: storableText(gap.detail),
  };
}

/** A batch on its way, and what earlier attempts taught about it. */
interface Batch {
  readonly events: readonly ReceivedEvent[];
  readonly deadLetters: readonly DeadLetter[];
  /** Postgres refused some row: find out which. */
  careful: boolean;
  /** It was a dead letter: record them without headers and body. */
  bare: boolean;
  /** What an attempt would have done that ended while it was being committed. */
  uncertain: Recorded | null;
}

/**
 * When a broker's second deliveries were last recorded, by this recorder and by others on the same database. What others
 * recorded then may be what we have in hand from before, where the broker was out of our reach and has given it to them:
 * our copies bear no mark, so for a while all are looked up.
 */
interface Redeliveries {
  /** Or that of others when this journal was first looked at, with nothing in hand. */
  ours: Seconds | null | undefined;
  others: Seconds | null;
}

function noteRedeliveries(redeliveries: Redeliveries, { redelivered_at }: Head): void {
  if (redeliveries.ours === undefined) redeliveries.ours = redelivered_at;
  else if (redelivered_at !== redeliveries.ours) redeliveries.others = redelivered_at;
}

/** How far the clocks of two recorders may be apart. */
const SKEW: Seconds = 60;

interface Recorded {
  readonly done: Appended;
  /** Dead letters recorded. */
  readonly letters: readonly DeadLetter[];
}

async function record(db: Knex, batch: Batch, redeliveries: Redeliveries, signal: AbortSignal): Promise<Recorded> {
  let recorded: Recorded | null = null;
  try {
    return await transaction(db, { seconds: PATIENCE, signal }, async (client) => {
      const { rows } = await client.query<Head>('select * from journal_head for update');
      if (rows[0]) noteRedeliveries(redeliveries, rows[0]);
      const head = rows[0]?.position ?? 0;
      if (batch.uncertain && (await isRecorded(client, batch.uncertain))) return batch.uncertain;
      recorded = await write(client, batch, head, redeliveries);
      return recorded;
    });
  } catch (error) {
    if (recorded) batch.uncertain = recorded;
    else if (isRefusal(error)) {
      batch.bare = batch.careful;
      batch.careful = true;
    }
    throw error;
  }
}

interface Head {
  readonly position: Position;
  readonly epoch: string;
  readonly redelivered_at: Seconds | null;
}

/** Whether the attempt was committed after all: one row of it tells for all. */
async function isRecorded(client: pg.Client, { done, letters }: Recorded): Promise<boolean> {
  const [event] = done.events;
  const [letter] = letters;
  if (event) {
    const values = [done.first, event.cluster, event.local_received, bodyOf(event)];
    const where = 'position = $1 and cluster = $2 and local_received = $3 and body = $4';
    return (await client.query(`select from events where ${where}`, values)).rowCount !== 0;
  }
  if (!letter) return false;
  const values = [isoTime(letter.local_received), letter.cluster, storableText(letter.routing_key)];
  const where = 'received_at = $1 and cluster = $2 and routing_key = $3';
  return (await client.query(`select from dead_letters where ${where} limit 1`, values)).rowCount !== 0;
}

/** The rows of a batch, after `head`, inside the transaction that holds it. */
async function write(client: pg.Client, batch: Batch, head: Position, redeliveries: Redeliveries): Promise<Recorded> {
  const { events, deadLetters, careful, bare } = batch;
  const isAgain = ({ redelivered }: ReceivedEvent | DeadLetter): boolean => redelivered;
  const again = events.some(isAgain) || deadLetters.some(isAgain);
  const received = (events[0] ?? deadLetters[0])?.local_received ?? 0;
  const overtaken = redeliveries.others !== null && received < redeliveries.others + SKEW;
  const fresh = again || overtaken ? await leaveOutDuplicates(client, events, overtaken) : events;
  const refused: DeadLetter[] = [];
  const recorded = careful ? await writeEach(client, fresh, head, refused) : await writeAll(client, fresh, head);
  const given = await leaveOutRecorded(client, deadLetters, overtaken);
  const letters = bare ? given.map((letter) => bareLetter(letter, 'Postgres refused it')) : [...given];
  letters.push(...(await leaveOutRecorded(client, refused, overtaken)));
  if (letters.length > 0) {
    const lines = new CopyLines();
    for (const letter of letters) lines.add(deadLetterLine(letter));
    await copyIn(client, DEAD_LETTERS, lines.chunks());
  }
  if (recorded.length > 0 || (again && letters.length > 0)) {
    if (again) redeliveries.ours = now();
    const values = [head + recorded.length, again ? redeliveries.ours : null];
    await client.query('update journal_head set position = $1, redelivered_at = coalesce($2, redelivered_at)', values);
  }
  return {
    done: {
      first: head + 1,
      last: head + recorded.length,
      events: recorded,
      duplicates: events.length - fresh.length,
    },
    letters,
  };
}

async function writeAll(client: pg.Client, events: readonly ReceivedEvent[], head: Position) {
  if (events.length === 0) return events;
  const lines = new CopyLines();
  let position = head;
  for (const received of events) {
    position += 1;
    lines.add(eventLine(position, received));
  }
  await copyIn(client, EVENTS, lines.chunks());
  return events;
}

/** As `writeAll`, halving what is refused until the one event is found that is the cause. */
async function writeEach(
  client: pg.Client,
  events: readonly ReceivedEvent[],
  head: Position,
  refused: DeadLetter[],
): Promise<readonly ReceivedEvent[]> {
  await client.query('savepoint slice');
  try {
    await writeAll(client, events, head);
    await client.query('release slice');
    return events;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    await client.query('rollback to slice');
    const [first] = events;
    if (events.length === 1 && first) {
      refused.push(refusedEvent(first, reasonOf(error)));
      return [];
    }
  }
  const middle = events.length >> 1;
  const left = await writeEach(client, events.slice(0, middle), head, refused);
  const right = await writeEach(client, events.slice(middle), head + left.length, refused);
  return [...left, ...right];
}

async function* readPages(
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
 * Entries as one JSON text without brackets, a line each:
 * `position,cluster,local_received,size,event,`. In CSV with a quote
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
