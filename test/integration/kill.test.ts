/** kill -9 in durable mode: each event in the journal exactly once, and the state as if nothing had happened. */
import { expect, test } from 'vitest';
import { Chance } from '../../src/broker/agenda.ts';
import { AsyncStack } from '../../src/runtime.ts';
import { eventTexts, messagesOf, openLoad, publishAll } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { openProxyTo } from '../support/proxy.ts';
import { event, openSender } from '../support/receiving.ts';
import {
  expectEachOnce,
  expectPictured,
  expectRows,
  expectShown,
  foldAll,
  holdJournal,
  openRecord,
  readJournal,
} from '../support/record.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

/** Small batches and a small prefetch, so that there is a commit every few milliseconds. */
const OPTIONS = { queue: 'kept', prefetch: 1000, batchSize: 100 } as const;
const SEED = 20_261_124;
/** Milliseconds: a busy machine takes a minute or two. */
const TIMEOUT = 300_000;

/** The moments of a kill, each several times, in an order that the seed makes. */
const MOMENTS = ['anywhere', 'before the commit', 'before the acknowledgement'] as const;

test('a recorder that is killed again and again in the middle of 100,000 events', { timeout: TIMEOUT }, async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using proxy = await openProxyTo(vhost.url);
  await using programs = new AsyncStack();
  const start = (): Program => programs.use(new Program({ ...OPTIONS, broker: proxy.url, database: fresh.url }));
  const messages = messagesOf({ count: 23_000, seed: SEED });
  const published = messages.flatMap(({ body }) => eventTexts(body));
  const total = published.length;
  expect(total).toBeGreaterThan(100_000);

  const killed: Program[] = [];
  let program = start();
  await program.ready();
  await using database = await openRecord(fresh.url);
  await using publisher = await openLoad(vhost.url);
  const publishing = publishAll(publisher, messages);
  publishing.catch(() => {});
  const chance = new Chance(SEED);
  const positions = Array.from({ length: 6 }, () => chance.between(0.02, 0.9) * total).sort((a, b) => a - b);
  for (const [n, position] of positions.entries()) {
    await program.recorded(position);
    const moment = MOMENTS[n % MOMENTS.length];
    if (moment !== 'anywhere') {
      const held = await holdJournal(database);
      await held.waiting(1);
      if (moment === 'before the acknowledgement') {
        proxy.freeze();
        const from = program.lines.length;
        await held.release();
        await program.recorded(0, from);
      }
      await program.kill();
      await held.release();
      proxy.cut();
      proxy.pass();
    } else await program.kill();
    killed.push(program);
    program = start();
  }
  await publishing;
  await program.pictured(total);
  const shown = await program.cluster();
  expect(await program.stop()).toBe(0);
  expect([...killed, program].flatMap(({ noise }) => noise)).toEqual([]);

  const journal = await readJournal(database);
  expectEachOnce(journal, published);
  const clusters = foldAll(journal);
  expectShown(shown, clusters);
  await expectPictured(database, clusters);
  expect(await database.knex('gaps')).toEqual([]);
  expect(await database.knex('dead_letters')).toEqual([]);
  // What was recorded and not acknowledged came again, and was recognised.
  expect([...killed, program].reduce((sum, each) => sum + each.sum('recorded', 'duplicates'), 0)).toBeGreaterThan(0);
});

test('dead letters recorded by one that is killed before the acknowledgement are recorded once', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using proxy = await openProxyTo(vhost.url);
  const options = { ...OPTIONS, broker: proxy.url, database: fresh.url };
  await using first = new Program(options);
  await first.ready();
  await using database = await openRecord(fresh.url);
  await using sender = await openSender(vhost.url);
  const bodies = Array.from({ length: 10 }, (_, n) => `no JSON, ${n}`);
  const held = await holdJournal(database);
  for (const body of bodies) sender.publish(Buffer.from(body));
  await held.waiting(1);
  proxy.freeze();
  await held.release();
  const told = 'some messages could not be decoded: see dead_letters';
  await first.until('all of them', () => first.sum(told, 'deadLetters') === bodies.length);
  await first.kill();
  proxy.cut();
  proxy.pass();
  await using second = new Program(options);
  await second.ready();
  sender.publish(Buffer.from(JSON.stringify(event(1))));
  await second.pictured(1);
  expect(await second.stop()).toBe(0);
  const letters: { body: Buffer }[] = await database.knex('dead_letters').select('body');
  expect(letters.map(({ body }) => String(body)).sort()).toEqual(bodies);
});

test('a memory far too small for what goes on, and kills: each row holds everything all the same', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const start = (): Program =>
    programs.use(new Program({ ...OPTIONS, broker: vhost.url, database: fresh.url, maxTasks: 200 }));
  // Some 100 tasks run at any time, and a batch tells of more than there is room for.
  const messages = messagesOf({ count: 4000, seed: SEED + 2, rate: 2000 });
  const published = messages.flatMap(({ body }) => eventTexts(body));
  const total = published.length;

  let program = start();
  await program.ready();
  await using publisher = await openLoad(vhost.url);
  const publishing = publishAll(publisher, messages);
  publishing.catch(() => {});
  for (const share of [1 / 3, 2 / 3]) {
    await program.recorded(share * total);
    await program.kill();
    program = start();
  }
  await publishing;
  await program.pictured(total);
  expect(await program.stop()).toBe(0);

  await using database = await openRecord(fresh.url);
  const journal = await readJournal(database);
  expectEachOnce(journal, published);
  await expectRows(database, foldAll(journal));
});

test('texts far too long for the memory, and a kill: each row holds everything all the same', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const start = (): Program =>
    programs.use(new Program({ ...OPTIONS, broker: vhost.url, database: fresh.url, maxTaskBytes: '500KB' }));
  const tasks = 300;
  const say = (type: string, n: number, text: object): string =>
    JSON.stringify({ ...event(n), type, clock: 1 + n, uuid: `u${n % tasks}`, ...text });
  const long = 'x'.repeat(20_000);
  const texts = Array.from({ length: 2 * tasks }, (_, n) =>
    n < tasks
      ? say('task-received', n, { args: `${n} ${long}` })
      : say('task-succeeded', n, { result: `${n} ${long}` }),
  );
  let program = start();
  await program.ready();
  await using sender = await openSender(vhost.url);
  for (const text of texts.slice(0, tasks)) sender.publish(Buffer.from(text));
  await program.pictured(tasks);
  await program.kill();
  program = start();
  await program.ready();
  for (const text of texts.slice(tasks)) sender.publish(Buffer.from(text));
  await program.pictured(2 * tasks);
  const [shown] = (await program.cluster()).clusters;
  expect(Object.values(shown?.tasks ?? {}).reduce((sum, n) => sum + n, 0)).toBeLessThan(500 / 20);
  expect(await program.stop()).toBe(0);

  await using database = await openRecord(fresh.url);
  const journal = await readJournal(database);
  expectEachOnce(journal, texts);
  await expectRows(database, foldAll(journal));
});

test('two recorders share a queue and a database; one is killed, and the other has everything', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using programs = new AsyncStack();
  const start = (): Program => programs.use(new Program({ ...OPTIONS, broker: vhost.url, database: fresh.url }));
  const messages = messagesOf({ count: 4000, seed: SEED + 1, lists: false });
  const published = messages.flatMap(({ body }) => eventTexts(body));
  const total = published.length;

  const both = [start(), start()] as const;
  for (const program of both) await program.ready();
  const [first, second] = both;
  await using database = await openRecord(fresh.url);
  await using publisher = await openLoad(vhost.url);
  const publishing = publishAll(publisher, messages);
  publishing.catch(() => {});
  await Promise.all(both.map((program) => program.recorded(total / 4)));
  await first.kill();
  const third = start();
  await Promise.all([second, third].map((program) => program.recorded(total / 2)));
  await second.kill();
  await publishing;
  await third.pictured(total);
  const shown = await third.cluster();
  expect(await third.stop()).toBe(0);

  const journal = await readJournal(database);
  expectEachOnce(journal, published);
  const clusters = foldAll(journal);
  expectShown(shown, clusters);
  await expectPictured(database, clusters);
  for (const program of [first, second, third]) expect(program.sum('recorded', 'events')).toBeGreaterThan(0);
});
