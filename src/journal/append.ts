/** Appending a batch: one transaction that gives positions, leaves out what is recorded already, and finds what Postgres refuses. */
import type { Knex } from 'knex';
import type pg from 'pg';
import type { DeadLetter, Position, ReceivedEvent, Seconds } from '../domain/event.ts';
import { reasonOf } from '../errors.ts';
import { copyIn, isRefusal, transaction } from '../postgres.ts';
import { isoTime, storableText } from '../postgres-text.ts';
import { now } from '../runtime.ts';
import { leaveOutDuplicates, leaveOutRecorded } from './duplicates.ts';
import type { Appended } from './journal.ts';
import { bareLetter, bodyOf, DEAD_LETTERS, deadLetterLine, EVENTS, eventLine, refusedEvent } from './rows.ts';

/** A transaction that takes longer is cut and tried again. */
const PATIENCE: Seconds = 60;

/** A batch on its way, and what earlier attempts taught about it. */
export interface Batch {
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
export interface Redeliveries {
  /** Or that of others when this journal was first looked at, with nothing in hand. */
  ours: Seconds | null | undefined;
  others: Seconds | null;
}

/** To be called with each look at the head. */
export function noteRedeliveries(redeliveries: Redeliveries, { redelivered_at }: Head): void {
  if (redeliveries.ours === undefined) redeliveries.ours = redelivered_at;
  else if (redelivered_at !== redeliveries.ours) redeliveries.others = redelivered_at;
}

/** How far the clocks of two recorders may be apart. */
const SKEW: Seconds = 60;

interface Recorded {
  readonly done: Appended;
  /** Dead letters recorded. */
  readonly letters: readonly DeadLetter[];
  /** As it was before. */
  readonly head: Head;
}

/**
 * Records a batch in one transaction. Throws what Postgres threw, having noted in `batch` what the next attempt needs to know:
 * whether this one may have been committed after all, and that some row was refused.
 */
export async function record(
  db: Knex,
  batch: Batch,
  redeliveries: Redeliveries,
  signal: AbortSignal,
): Promise<Recorded> {
  let recorded: Recorded | null = null;
  try {
    return await transaction(db, { seconds: PATIENCE, signal }, async (client) => {
      const { rows } = await client.query<Head>('select * from journal_head for update');
      if (rows[0]) noteRedeliveries(redeliveries, rows[0]);
      const head = rows[0] ?? NO_HEAD;
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

/** The one row of `journal_head`. */
export interface Head {
  readonly position: Position;
  readonly epoch: string;
  readonly redelivered_at: Seconds | null;
  readonly dead_letters: number;
  readonly duplicates: number;
}

const NO_HEAD: Head = { position: 0, epoch: '', redelivered_at: null, dead_letters: 0, duplicates: 0 };

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
async function write(client: pg.Client, batch: Batch, before: Head, redeliveries: Redeliveries): Promise<Recorded> {
  const head = before.position;
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
  if (letters.length > 0) await copyIn(client, DEAD_LETTERS, letters.map(deadLetterLine));
  const duplicates = events.length - fresh.length;
  if (recorded.length + letters.length + duplicates > 0) {
    const redelivered_at = again && recorded.length + letters.length > 0 ? now() : null;
    if (redelivered_at !== null) redeliveries.ours = redelivered_at;
    await client.query(
      `update journal_head set position = position + $1, redelivered_at = coalesce($2, redelivered_at),
        dead_letters = dead_letters + $3, duplicates = duplicates + $4`,
      [recorded.length, redelivered_at, letters.length, duplicates],
    );
  }
  return {
    done: {
      first: head + 1,
      last: head + recorded.length,
      events: recorded,
      duplicates,
    },
    letters,
    head: before,
  };
}

async function writeAll(client: pg.Client, events: readonly ReceivedEvent[], head: Position) {
  if (events.length === 0) return events;
  await copyIn(client, EVENTS, eventLines(events, head + 1));
  return events;
}

function* eventLines(events: readonly ReceivedEvent[], first: Position): Generator<string, void, undefined> {
  for (const [n, event] of events.entries()) yield eventLine(first + n, event);
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
