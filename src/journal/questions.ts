/** What can be asked of the journal about one task. */
import type { Knex } from 'knex';
import type { JournalEntry, Position, Seconds } from '../domain/event.ts';
import type { Gap } from '../domain/gap.ts';
import { databaseError } from '../postgres.ts';
import { storableText } from '../postgres-text.ts';

/**
 * All recorded events of a task, in order; of every cluster where none is named.
 * @param limit read so many at most, the first ones; null: all @throws MonitorError
 */
export async function eventsOf(
  db: Knex,
  cluster: string | null,
  uuid: string,
  limit: number | null = null,
): Promise<JournalEntry[]> {
  try {
    const query: Knex.QueryBuilder<object, Row[]> = db('events')
      .select('position', 'cluster', 'local_received', 'body')
      .where({ uuid: storableText(uuid), ...(cluster === null ? {} : { cluster }) })
      .orderBy('position');
    const rows = await (limit === null ? query : query.limit(limit));
    return rows.map(({ position, cluster, local_received, body }) => ({
      ...{ position: Number(position), cluster, local_received },
      event: JSON.parse(body) as JournalEntry['event'],
    }));
  } catch (error) {
    throw databaseError(error);
  }
}

/** A task that something was heard of. */
export interface Touched {
  readonly cluster: string;
  readonly uuid: string;
}

/**
 * The tasks of which something was recorded beyond `after` and up to `upTo`, each once; null where not all events of that
 * range are kept any more. @param cluster null: of all @throws MonitorError
 */
export async function touchedBetween(
  db: Knex,
  { after, upTo, cluster }: { readonly after: Position; readonly upTo: Position; readonly cluster: string | null },
): Promise<readonly Touched[] | null> {
  try {
    const range = (): Knex.QueryBuilder => db('events').where('position', '>', after).where('position', '<=', upTo);
    // Positions have no holes: fewer rows than positions means that retention took some.
    const [kept] = await range().count({ count: '*' });
    if (Number(kept?.count) < upTo - after) return null;
    const tasks = range().distinct('cluster', 'uuid').whereNotNull('uuid');
    return await (cluster === null ? tasks : tasks.where('cluster', storableText(cluster)));
  } catch (error) {
    throw databaseError(error);
  }
}

interface Row {
  readonly position: number | string;
  readonly cluster: string;
  readonly local_received: Seconds;
  readonly body: string;
}

/** The gaps of a cluster that ended after some moment, oldest first. @throws MonitorError */
export async function gapsOf(db: Knex, cluster: string, since: Seconds): Promise<Gap[]> {
  try {
    const rows = await db('gaps')
      .select('cluster', 'cause', 'estimate', 'detail')
      .select(db.raw('extract(epoch from started_at)::float8 as started_at'))
      .select(db.raw('extract(epoch from ended_at)::float8 as ended_at'))
      .where({ cluster })
      .whereRaw('ended_at > to_timestamp(?)', [since])
      .orderBy('started_at');
    return rows as Gap[];
  } catch (error) {
    throw databaseError(error);
  }
}
