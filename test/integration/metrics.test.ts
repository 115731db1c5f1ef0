/** What was counted stays counted: over kill -9 and restarts, and where two recorders share a database. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Chance } from '../../src/broker/agenda.ts';
import type { JournalEntry } from '../../src/domain/event.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { AsyncStack } from '../../src/runtime.ts';
import { createStudio } from '../support/camera.ts';
import { crowdOf, metricsOf } from '../support/crowd.ts';
import { migratedDatabase } from '../support/database.ts';
import { type Family, parseExposition } from '../support/exposition.ts';
import { eventTexts, messagesOf, openLoad, publishAll } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { openRecord, readJournal } from '../support/record.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const OPTIONS = { queue: 'kept', prefetch: 1000, batchSize: 100, metricsMaxLabels: 20 } as const;
const SEED = 20_261_126;

async function scrape(program: Program): Promise<Map<string, Family>> {
  return parseExposition(await program.text('/metrics'));
}

/** Counters and histograms that are kept, with their labels. */
function counters(families: ReadonlyMap<string, Family>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [name, { type, samples }] of families) {
    if (type === 'gauge' || !/^(celery_task|flower|celerycam_events)/.test(name)) continue;
    for (const sample of samples) {
      counts.set(`${sample.name} ${JSON.stringify(Object.entries(sample.labels).sort())}`, sample.value);
    }
  }
  return counts;
}

test('counters of a recorder that is killed again and again are those of one that never was', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const start = (): Program => programs.use(new Program({ ...OPTIONS, broker: vhost.url, database: fresh.url }));
  const messages = messagesOf({ count: 5000, seed: SEED });
  const total = messages.flatMap(({ body }) => eventTexts(body)).length;

  let program = start();
  await program.ready();
  await using publisher = await openLoad(vhost.url);
  for (const message of messages.slice(0, 1)) publisher.publish({ ...message, body: 'no event' });
  const publishing = publishAll(publisher, messages);
  publishing.catch(() => {});
  const chance = new Chance(SEED);
  for (const part of [0.1, 0.3, 0.5, 0.8]) {
    await program.recorded(chance.between(part, part + 0.1) * total);
    const before = counters(await scrape(program));
    await program.kill();
    program = start();
    await program.ready();
    const after = counters(await scrape(program));
    // What was shown was recorded, so the next one shows as much at once.
    for (const [series, value] of before) expect(after.get(series) ?? 0, series).toBeGreaterThanOrEqual(value);
  }
  await publishing;
  await program.pictured(total);
  const shown = await scrape(program);
  expect(await program.stop()).toBe(0);

  await using database = await openRecord(fresh.url);
  const clusters = createClusters({ maxTasks: 1_000_000, maxWorkers: 1000 }, { maxLabels: OPTIONS.metricsMaxLabels });
  for (const entry of await readJournal(database)) fold(clusters, entry);
  expect(clusters.position).toBe(total);
  const exact = counters(parseExposition(metricsOf(clusters).render()));
  expect(exact.size).toBeGreaterThan(300);
  expect(rounded(counters(shown))).toEqual(rounded(exact));
  expect(shown.get('celerycam_dead_letters_total')?.samples[0]?.value).toBe(1);

  // And the next start goes on from the same numbers, duplicates and all.
  const duplicates = shown.get('celerycam_duplicates_total')?.samples[0]?.value;
  program = start();
  await program.ready();
  const again = await scrape(program);
  expect(rounded(counters(again))).toEqual(rounded(exact));
  expect(again.get('celerycam_duplicates_total')?.samples[0]?.value).toBe(duplicates);
  expect(again.get('celerycam_dead_letters_total')?.samples[0]?.value).toBe(1);
});

/** Sums of seconds to the microsecond. */
function rounded(counts: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(Array.from(counts, ([series, value]) => [series, Math.round(value * 1e6) / 1e6]));
}

test('two recorders on one database show the same, and so does whoever comes after them', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const start = (): Program => programs.use(new Program({ ...OPTIONS, broker: vhost.url, database: fresh.url }));
  const [one, other] = [start(), start()];
  await Promise.all([one.ready(), other.ready()]);
  const messages = messagesOf({ count: 2000, seed: SEED + 1 });
  const total = messages.flatMap(({ body }) => eventTexts(body)).length;
  await using publisher = await openLoad(vhost.url);
  await publishAll(publisher, messages);
  for (const program of [one, other]) {
    while ((await program.cluster()).position < total) await delay(20);
  }
  const shown = [counters(await scrape(one)), counters(await scrape(other))];
  expect(shown[0]?.size).toBeGreaterThan(300);
  expect(shown[1]).toEqual(shown[0]);
  await one.kill();
  await other.kill();
  const next = start();
  await next.ready();
  expect(counters(await scrape(next))).toEqual(shown[0]);
});

test('another reducer folds the journal anew, and what was counted counts no second time', async () => {
  await using database = await migratedDatabase();
  const limits = { maxTasks: 1000, maxWorkers: 100 };
  const entries = [...crowdOf(5, 3, 4)];
  const strict = createClusters(limits, { maxLabels: 10 });
  const studio = createStudio(database.knex, { clusters: strict });
  for (const { event, cluster, local_received } of entries) studio.say(event, cluster, local_received);
  await studio.camera.shutter();
  expect(studio.failures).toEqual([]);

  const celery = createClusters(limits, { fold: 'celery', maxLabels: 10 });
  expect(await studio.snapshots.restore(celery)).toBeNull();
  for (const entry of entries) fold(celery, entry);
  const counted = (clusters: Clusters) => counters(parseExposition(metricsOf(clusters).render()));
  expect(counted(celery)).toEqual(counted(strict));
  const position = entries.length + 1;
  fold(celery, { ...(entries.at(-1) as JournalEntry), position });
  expect(celery.tally?.position).toBe(position);
  expect(counted(celery)).not.toEqual(counted(strict));
});

test('a shutter that fails is made up for by the next, counts too', async () => {
  await using database = await migratedDatabase();
  const studio = createStudio(database.knex, {
    clusters: createClusters({ maxTasks: 1000, maxWorkers: 100 }, { maxLabels: 10 }),
  });
  const kept = async () => database.knex('metrics').where({ kind: 'events' }).select('labels', 'counts');
  studio.say({ type: 'task-sent', uuid: 'a', hostname: 'gen1@h', timestamp: 1, clock: 1, pid: 1 });
  await database.knex.raw('alter table metrics rename to hidden');
  await studio.camera.shutter();
  expect(studio.failures).toHaveLength(1);
  await database.knex.raw('alter table hidden rename to metrics');
  expect(await kept()).toEqual([]);
  await studio.camera.shutter();
  expect(await kept()).toEqual([{ labels: '["default","task-sent"]', counts: [1] }]);
  studio.say({ type: 'task-sent', uuid: 'b', hostname: 'gen1@h', timestamp: 2, clock: 2, pid: 1 });
  studio.say({ type: 'odd "type"\t\\', hostname: 'gen1@h' });
  await studio.camera.shutter();
  expect(await kept()).toEqual([
    { labels: '["default","task-sent"]', counts: [2] },
    { labels: JSON.stringify(['default', 'odd "type"\t\\']), counts: [1] },
  ]);
});
