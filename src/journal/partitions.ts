/** The days of the journal: partitions made ahead, and dropped whole when their time is over. */
import type { Knex } from 'knex';
import type { Seconds } from '../domain/event.ts';
import { databaseError, expiryTime, sqlState, transaction } from '../postgres.ts';
import { isoTime } from '../postgres-text.ts';
import { now } from '../runtime.ts';

const DAY: Seconds = 86_400;

/** Days made ahead of today: a recorder may miss so many before rows go to the default partition. */
const AHEAD = 2;

const CHECK_VIOLATION = '23514';
const LOCK_NOT_AVAILABLE = '55P03';

/** `events_20261124` for a time of that day in UTC. */
function partitionOf(time: Seconds): string {
  return `events_${isoTime(time).slice(0, 10).replaceAll('-', '')}`;
}

/** The first moment that a partition does not hold; null for a table that is not one of a day. */
function endOfPartition(name: string): Seconds | null {
  const [, year, month, day] = /^events_(\d{4})(\d\d)(\d\d)$/.exec(name) ?? [];
  return year ? Date.UTC(Number(year), Number(month) - 1, Number(day) + 1) / 1000 : null;
}

/** Creates today's partition and those ahead; drops what is older than `retention`. Safe for several recorders at once. */
export async function maintainPartitions(db: Knex, retention: Seconds | null): Promise<void> {
  try {
    const time = now();
    const existing = await partitions(db);
    for (let n = 0; n <= AHEAD; n += 1) {
      const start = Math.floor(time / DAY + n) * DAY;
      if (!existing.includes(partitionOf(start))) await createPartition(db, start);
    }
    if (retention === null) return;
    const limit = (await expiryTime(db)) - retention;
    for (const name of existing) {
      const end = endOfPartition(name);
      if (end !== null && end <= limit) await alone(db, `drop table if exists ${name}`);
    }
    await db('events_default').where('local_received', '<=', limit).delete();
    await db('dead_letters').where('received_at', '<=', isoTime(limit)).delete();
  } catch (error) {
    throw databaseError(error);
  }
}

async function partitions(db: Knex): Promise<readonly string[]> {
  const { rows }: { rows: { name: string }[] } = await db.raw(
    `select relname as name from pg_inherits join pg_class on oid = inhrelid where inhparent = 'events'::regclass`,
  );
  return rows.map(({ name }) => name);
}

async function createPartition(db: Knex, start: Seconds): Promise<void> {
  const range = `for values from (${start}) to (${start + DAY})`;
  try {
    await alone(db, `create table if not exists ${partitionOf(start)} partition of events ${range}`);
  } catch (error) {
    // The default partition holds rows of that day already. There they stay, and the rest of that day with them.
    if (sqlState(error) !== CHECK_VIOLATION) throw error;
  }
}

/**
 * One at a time among recorders, and not at any price: a lock that somebody's long query refuses would hold up every
 * append behind it. Then the next call tries again; days are made well ahead, and old ones may wait.
 */
async function alone(db: Knex, statement: string): Promise<void> {
  const start = `set local lock_timeout = '2s'; select pg_advisory_xact_lock(hashtext('celerycam partitions'))`;
  try {
    await transaction(db, { seconds: 60 }, (client) => client.query(statement), start);
  } catch (error) {
    if (sqlState(error) !== LOCK_NOT_AVAILABLE) throw error;
  }
}
