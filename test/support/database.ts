/** A migrated database for one test, and received events to put into it. */
import type { Knex } from 'knex';
import type { Event, Json, ReceivedEvent } from '../../src/domain/event.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migrateUp } from '../../src/store/migrate.ts';
import { freshDatabase } from './services.ts';

export interface Migrated extends AsyncDisposable {
  readonly url: string;
  readonly knex: Knex;
}

export async function migratedDatabase(): Promise<Migrated> {
  const fresh = await freshDatabase();
  const database = await openDatabase({ url: fresh.url, schema: 'celerycam' });
  await migrateUp(database);
  return {
    url: fresh.url,
    knex: database.knex,
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
      await fresh[Symbol.asyncDispose]();
    },
  };
}

/** Yesterday's: what expires, is kept or has a partition goes by the age of things on the day of the test. */
export const NOON = (Math.floor(Date.now() / 86_400_000) - 0.5) * 86_400;

/** An event as the decoder gives it. */
export function received(event: Event, more: Partial<ReceivedEvent> = {}): ReceivedEvent {
  const body = JSON.stringify(event);
  return { cluster: 'default', local_received: NOON, redelivered: false, event, body, ...more };
}

let clock = 0;

/** A task event of worker `celery@one`, unlike every other. */
export function taskEvent(type: string, uuid: string, more: Readonly<Record<string, Json>> = {}): Event {
  clock += 1;
  return { type, uuid, hostname: 'celery@one', pid: 7, clock, timestamp: NOON + clock / 1000, utcoffset: 0, ...more };
}
