/** Hears what others NOTIFY. */
import type { Knex } from 'knex';
import type pg from 'pg';
import { sleep } from '../runtime.ts';
import { ended } from './turn.ts';

/** How long to wait before connecting again, seconds. */
const AGAIN = 1;

/**
 * Calls back at each NOTIFY on the channel, and whenever some may have been missed; ends when the signal aborts. While the
 * database is away nothing is heard. Takes a connection of the pool for itself.
 */
export async function listen(db: Knex, channel: string, onNotify: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client: pg.Client | null = await db.client.acquireConnection().catch(() => null);
    if (client) {
      client.on('notification', onNotify);
      await client
        .query(`listen ${channel}`)
        .then(onNotify)
        .then(() => ended(client, signal))
        .catch(() => {});
      client.off('notification', onNotify);
      await client.query('unlisten *').catch(() => {});
      await db.client.releaseConnection(client);
    }
    await sleep(AGAIN, signal).catch(() => {});
  }
}
