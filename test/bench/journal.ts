/** How fast events are appended, beside a bare COPY of the same rows with the same indexes; and read again. */
import { performance } from 'node:perf_hooks';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event, ReceivedEvent } from '../../src/domain/event.ts';
import { createClusters, fold } from '../../src/domain/state.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { EVENTS, eventLine } from '../../src/journal/rows.ts';
import { copyIn } from '../../src/postgres.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migrateDown, migrateUp } from '../../src/store/migrate.ts';
import { eventTexts } from './fold-events.ts';

export interface JournalFigures {
  /** Events per second. */
  readonly append: number;
  /** Events per second of one COPY after another, made of the same lines, into the same table. */
  readonly bareCopy: number;
  /** Seconds to read a million events, and to read and fold them. */
  readonly read: number;
  readonly recover: number;
}

const COUNT = 100_000;
const ROUNDS = 5;
const MILLION = 1_000_000;

/** @param url a database whose schema `celerycam_bench` may be dropped */
export async function benchJournal(url: string, batch = 4000): Promise<JournalFigures> {
  await using database = await openDatabase({ url, schema: 'celerycam_bench' });
  await migrateUp(database);
  await migrateDown(database, { all: true });
  await migrateUp(database);
  const { knex } = database;
  const journal = createJournal(knex, { retention: null, diagnostics: createDiagnostics() });
  await journal.maintain();
  const batches: ReceivedEvent[][] = [];
  const texts = eventTexts(COUNT / 3);
  for (let n = 0; n < COUNT; n += batch) {
    batches.push(
      Array.from({ length: Math.min(batch, COUNT - n) }, () => {
        const body = texts.next().value as string;
        const event = JSON.parse(body) as Event;
        return { cluster: 'default', local_received: Date.now() / 1000, redelivered: false, event, body };
      }),
    );
  }
  const { signal } = new AbortController();
  const ways = {
    append: async (events: readonly ReceivedEvent[]) => void (await journal.append(events, [], signal)),
    bareCopy: async (events: readonly ReceivedEvent[]) => {
      const client = await knex.client.acquireConnection();
      await copyIn(
        client,
        EVENTS,
        events.map((event, n) => eventLine(n, event)),
      );
      await knex.client.releaseConnection(client);
    },
  };
  const rates: Record<keyof typeof ways, number[]> = { append: [], bareCopy: [] };
  for (let round = 0; round < ROUNDS; round += 1) {
    // In turns, so that whatever else the machine does falls on both.
    for (const way of round % 2 ? (['append', 'bareCopy'] as const) : (['bareCopy', 'append'] as const)) {
      await knex.raw('truncate events');
      const began = performance.now();
      for (const events of batches) await ways[way](events);
      rates[way].push((COUNT * 1000) / (performance.now() - began));
    }
  }
  await knex.raw('truncate events');
  await knex('journal_head').update({ position: 0 });
  for (let n = 0; n < MILLION / COUNT; n += 1) for (const events of batches) await journal.append(events, [], signal);
  await knex.raw('analyze events');
  const clusters = createClusters({ maxTasks: 100_000, maxWorkers: 1000 });
  const read = await timed(journal.read({ after: 0, upTo: MILLION }), () => undefined);
  const recover = await timed(journal.read({ after: 0, upTo: MILLION }), (entry) => fold(clusters, entry));
  await migrateDown(database, { all: true });
  return { append: median(rates.append), bareCopy: median(rates.bareCopy), read, recover };
}

async function timed<T>(pages: AsyncIterable<readonly T[]>, work: (item: T) => unknown): Promise<number> {
  const began = performance.now();
  for await (const page of pages) for (const item of page) work(item);
  return (performance.now() - began) / 1000;
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
