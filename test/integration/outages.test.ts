/** What is promised when the database, the broker, the network or the recorder itself is away for a while, under load. */
import { expect, test } from 'vitest';
import type { JournalEntry } from '../../src/domain/event.ts';
import { AsyncStack, now } from '../../src/runtime.ts';
import type { Database } from '../../src/store/database.ts';
import { openBrokerNode } from '../support/broker-node.ts';
import { Flood, numbered, openLoad, publishAll } from '../support/load.ts';
import { openPostgresServer } from '../support/postgres-server.ts';
import { Program } from '../support/program.ts';
import { openProxyTo } from '../support/proxy.ts';
import {
  compare,
  expectEachOnce,
  expectPictured,
  foldAll,
  holdJournal,
  openRecord,
  readJournal,
} from '../support/record.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const MB = 1_000_000;

interface GapRow {
  readonly cause: string;
  readonly started_at: Date;
  readonly ended_at: Date;
  readonly estimate: number | null;
}

async function gapsOf({ knex }: Database): Promise<GapRow[]> {
  return knex('gaps').select('cause', 'started_at', 'ended_at', 'estimate').orderBy('started_at');
}

/** Publishes these events, each in a message of its own. */
async function publish(url: string, texts: readonly string[]): Promise<void> {
  await using publisher = await openLoad(url);
  const message = { at: 0, routing_key: 'task.succeeded', hostname: 'w1@vm', events: 1 };
  await publishAll(
    publisher,
    texts.map((body) => ({ ...message, body })),
  );
}

/** Publishes a last event and waits until each program has it, and with it whatever was in its queue before. */
async function drain(programs: readonly Program[], flood: Flood, broker: string, database: string): Promise<void> {
  const last = numbered(1e9);
  flood.sent.push(last);
  await publish(broker, [last]);
  for (const [n, program] of programs.entries()) {
    await using record = await openRecord(database, n === 0 ? 'durable' : 'guest');
    while (true) {
      const from = program.lines.length;
      if (await record.knex('events').where('uuid', 'u1000000000').first()) break;
      await program.until('the last event', ({ msg }) => msg === 'recorded', from);
    }
  }
}

/** Fails unless all that was confirmed and is not in the journal was sent while there was a gap. */
function expectTold(gaps: readonly GapRow[], journal: readonly JournalEntry[], flood: Flood): void {
  const { missing, surplus } = compare(journal, flood.sent);
  expect(surplus).toEqual([]);
  const untold = missing.filter((text) => {
    const at = flood.confirmed.get(text);
    return at !== undefined && !gaps.some((gap) => covers(gap, at));
  });
  expect({ untold: untold.length, some: untold.slice(0, 3), gaps }).toEqual({ untold: 0, some: [], gaps });
}

/** Seconds that a message may be on its way: the broker confirms it before it delivers it. */
const ON_THE_WAY = 2;

function covers({ started_at, ended_at }: GapRow, at: number): boolean {
  return started_at.getTime() / 1000 - ON_THE_WAY <= at && at <= ended_at.getTime() / 1000 + ON_THE_WAY;
}

/** Fails unless each confirmed event is in the journal, none twice, and none that nobody sent. */
function expectNoneLost(journal: readonly JournalEntry[], flood: Flood): void {
  const { missing, surplus } = compare(journal, flood.sent);
  expect(surplus).toEqual([]);
  expect(missing.filter((text) => flood.confirmed.has(text))).toEqual([]);
}

/** Waits until a program has lost its broker, and after `repair` until it has found it again and records what comes. */
async function outage(programs: readonly Program[], damage: () => unknown, repair: () => unknown): Promise<void> {
  const marks = programs.map(({ lines }) => lines.length);
  const each = (wait: (program: Program, mark: number) => Promise<unknown>) =>
    Promise.all(programs.map((program, n) => wait(program, marks[n] ?? 0)));
  await damage();
  await each((program, mark) => program.until('the loss of the broker', ({ msg }) => msg === 'not consuming', mark));
  await repair();
  await each((program, mark) => program.ready(mark));
  await each((program) => program.until('more events', ({ msg }) => msg === 'recorded', program.lines.length));
}

/** Waits until recording has failed again and again, and so for some seconds. */
async function failsToRecord(program: Program): Promise<void> {
  for (let n = 0, from = 0; n < 5; n++) {
    await program.until('a failure to record', ({ msg }) => msg === 'cannot record', from);
    from = program.lines.findIndex(({ msg }, at) => at >= from && msg === 'cannot record') + 1;
  }
}

function numberOf(text: string): unknown {
  return JSON.parse(text).clock;
}

/** What is sent while Postgres is away: far more than a program may hold. Bytes, and how many in all. */
const LARGE = 16_000;
const [EARLY, ALL] = [200, 6000];
const GROWTH = 64 * MB;

test('Postgres stopped under load: memory is bounded; a queue keeps everything, and a guest tells what it dropped', async () => {
  await using postgres = await openPostgresServer();
  await using vhost = await freshVhost();
  const options = { broker: vhost.url, database: postgres.url, prefetch: 200, bufferSize: '4MB', batchSize: 20 };
  await using durable = new Program({ ...options, schema: 'durable', queue: 'kept' });
  await using guest = new Program({ ...options, schema: 'guest' });
  const both = [durable, guest];
  await Promise.all(both.map((program) => program.ready()));
  const sent = Array.from({ length: ALL }, (_, n) => numbered(n, LARGE));
  await publish(vhost.url, sent.slice(0, EARLY));
  await Promise.all(both.map((program) => program.pictured(EARLY)));

  const stopped = now();
  await postgres.stop();
  const before = both.map((program) => program.memory('VmRSS'));
  await publish(vhost.url, sent.slice(EARLY));
  await Promise.all(both.map(failsToRecord));
  for (const [n, program] of both.entries()) {
    expect(program.memory('VmRSS') - (before[n] ?? 0)).toBeLessThan(GROWTH);
    const reasons = [expect.stringMatching(/^not recording: /)];
    expect(await program.get('/readyz')).toMatchObject({ ready: false, reasons });
  }
  const started = now();
  await postgres.start();
  await durable.pictured(ALL);
  const { estimate } = await guest.until('a gap', ({ msg }) => msg === 'events may be missing');
  await guest.pictured(ALL - Number(estimate));
  for (const program of both) {
    expect(await program.get('/readyz')).toEqual({ ready: true, reasons: [] });
    expect(await program.stop()).toBe(0);
  }

  await using kept = await openRecord(postgres.url, 'durable');
  const journal = await readJournal(kept);
  expectEachOnce(journal, sent);
  await expectPictured(kept, foldAll(journal));
  expect(await gapsOf(kept)).toEqual([]);

  await using dropped = await openRecord(postgres.url, 'guest');
  const { missing, surplus } = compare(await readJournal(dropped), sent);
  expect(surplus).toEqual([]);
  // What was dropped came last, and in one piece. A few batches were under way when the buffer began to fill.
  const buffered = ALL - EARLY - missing.length;
  expect(missing.map(numberOf)).toEqual(sent.slice(EARLY + buffered).map(numberOf));
  expect(buffered * LARGE).toBeGreaterThan(3.5 * MB);
  expect(buffered * LARGE).toBeLessThan(6 * MB);
  const gaps = await gapsOf(dropped);
  expect(gaps).toMatchObject([{ cause: 'buffer-full', estimate: missing.length }]);
  for (const { started_at, ended_at } of gaps) {
    expect(started_at.getTime() / 1000).toBeGreaterThan(stopped);
    expect(ended_at.getTime() / 1000).toBeGreaterThan(started);
  }
});

/** What the two hold at the end, against what was sent through outages of the broker. */
async function expectPromises(url: string, flood: Flood, causes: readonly string[]): Promise<void> {
  await using kept = await openRecord(url, 'durable');
  expectNoneLost(await readJournal(kept), flood);
  expect(await gapsOf(kept)).toEqual([]);
  await using partial = await openRecord(url, 'guest');
  const gaps = await gapsOf(partial);
  expectTold(gaps, await readJournal(partial), flood);
  expect(gaps.map(({ cause }) => cause)).toEqual(causes);
}

test('RabbitMQ restarted and killed under load: a queue keeps what was confirmed, a guest tells what it missed', async () => {
  await using broker = await openBrokerNode();
  await using fresh = await freshDatabase();
  await using durable = new Program({ broker: broker.url, database: fresh.url, schema: 'durable', queue: 'kept' });
  await using guest = new Program({ broker: broker.url, database: fresh.url, schema: 'guest' });
  const both = [durable, guest];
  await Promise.all(both.map((program) => program.ready()));
  await using flood = new Flood(broker.url);
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await Promise.all(both.map((program) => program.recorded(1000)));
    await outage(
      both,
      () => broker.stop(signal),
      () => broker.start(),
    );
  }
  await flood.end();
  await drain(both, flood, broker.url, fresh.url);
  for (const program of both) expect(await program.stop()).toBe(0);
  await expectPromises(fresh.url, flood, ['disconnect', 'disconnect']);
});

test('connections cut and half-open under load: a queue keeps everything, a guest tells what it missed', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using proxy = await openProxyTo(vhost.url);
  const options = { broker: proxy.url, database: fresh.url, heartbeat: '1s' };
  await using durable = new Program({ ...options, schema: 'durable', queue: 'kept' });
  await using guest = new Program({ ...options, schema: 'guest' });
  const both = [durable, guest];
  await Promise.all(both.map((program) => program.ready()));
  await using flood = new Flood(vhost.url);
  for (const fault of ['cut', 'freeze', 'cut'] as const) {
    await Promise.all(both.map((program) => program.recorded(500)));
    await outage(
      both,
      () => proxy[fault](),
      () => proxy.pass(),
    );
  }
  await flood.end();
  await drain(both, flood, vhost.url, fresh.url);
  for (const program of both) expect(await program.stop()).toBe(0);
  await expectPromises(fresh.url, flood, ['disconnect', 'disconnect', 'disconnect']);
});

test.each(['stop', 'kill'] as const)(
  'a recorder that was away after a %s: a queue kept everything, a guest tells what it missed',
  async (end) => {
    await using vhost = await freshVhost();
    await using fresh = await freshDatabase();
    const start = () => {
      const options = { broker: vhost.url, database: fresh.url };
      return [
        new Program({ ...options, schema: 'durable', queue: 'kept' }),
        new Program({ ...options, schema: 'guest' }),
      ] as const;
    };
    const texts = Array.from({ length: 30 }, (_, n) => numbered(n));
    await using programs = new AsyncStack();
    const first = start();
    for (const program of first) programs.use(program);
    await Promise.all(first.map((program) => program.ready()));
    await publish(vhost.url, texts.slice(0, 10));
    await Promise.all(first.map((program) => program.recorded(10)));
    const seen = now();
    await Promise.all(first.map((program) => program[end]()));
    await publish(vhost.url, texts.slice(10, 20));
    const sent = now();
    const second = start();
    for (const program of second) programs.use(program);
    await Promise.all(second.map((program) => program.ready()));
    await publish(vhost.url, texts.slice(20));
    const [durable, guest] = second;
    await Promise.all([durable.recorded(30), guest.recorded(20)]);
    for (const program of second) expect(await program.stop()).toBe(0);

    await using kept = await openRecord(fresh.url, 'durable');
    expectEachOnce(await readJournal(kept), texts);
    expect(await gapsOf(kept)).toEqual([]);
    await using partial = await openRecord(fresh.url, 'guest');
    expectEachOnce(await readJournal(partial), [...texts.slice(0, 10), ...texts.slice(20)]);
    const gaps = await gapsOf(partial);
    expect(gaps).toMatchObject([{ cause: 'recorder-down', estimate: null }]);
    for (const { started_at, ended_at } of gaps) {
      expect(started_at.getTime() / 1000).toBeLessThanOrEqual(seen);
      expect(ended_at.getTime() / 1000).toBeGreaterThanOrEqual(sent);
    }
  },
);

test('of two recorders on one queue, one is cut off from broker and database for a while: nothing is recorded twice', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using toBroker = await openProxyTo(vhost.url);
  await using toDatabase = await openProxyTo(fresh.url);
  const options = { queue: 'kept', prefetch: 300, batchSize: 50 };
  await using away = new Program({ ...options, broker: toBroker.url, database: toDatabase.url });
  await away.ready();
  await using other = new Program({ ...options, broker: vhost.url, database: fresh.url });
  await other.ready();
  await using database = await openRecord(fresh.url);
  const texts = Array.from({ length: 2000 }, (_, n) => numbered(n));

  const held = await holdJournal(database);
  await publish(vhost.url, texts);
  await held.waiting(2);
  for (const proxy of [toDatabase, toBroker]) {
    proxy.refuse();
    proxy.cut();
  }
  await away.until('the loss of the broker', ({ msg }) => msg === 'not consuming');
  await held.release();
  await other.recorded(texts.length);
  // Now the one that was away is back, with what it had in hand when it was cut off.
  const from = away.lines.length;
  for (const proxy of [toDatabase, toBroker]) proxy.pass();
  await away.ready(from);
  await away.until('what it had in hand', ({ msg, duplicates }) => msg === 'recorded' && Number(duplicates) > 0, from);
  for (const program of [away, other]) expect(await program.stop()).toBe(0);
  expectEachOnce(await readJournal(database), texts);
});

test.each([
  ['durable', 'kept', 'once it is noticed'],
  ['guest', '', 'at once'],
])('connections to Postgres gone without a word (%s): it soon records again, and ends in order %s', async (...how) => {
  const [, queue, when] = how;
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using proxy = await openProxyTo(fresh.url);
  await using program = new Program({ broker: vhost.url, database: proxy.url, ...(queue && { queue }) });
  await program.ready();
  await using database = await openRecord(fresh.url);
  const texts = Array.from({ length: 300 }, (_, n) => numbered(n));
  await publish(vhost.url, texts.slice(0, 100));
  await program.recorded(100);

  // Its session is given the journal in the end, and has nobody to tell.
  const held = await holdJournal(database);
  await publish(vhost.url, texts.slice(100, 200));
  await held.waiting(1);
  proxy.freeze();
  await held.release();
  proxy.pass();
  const back = now();
  await program.recorded(200);
  expect(now() - back).toBeLessThan(25);
  await publish(vhost.url, texts.slice(200));
  await program.pictured(300);
  expect(program.said('consuming')).toHaveLength(1);
  expect(program.said('events may be missing')).toEqual([]);

  texts.push(numbered(300));
  const from = program.lines.length;
  if (when === 'at once') {
    await publish(vhost.url, texts.slice(300));
    await program.recorded(301);
  }
  proxy.freeze();
  if (when !== 'at once') {
    await publish(vhost.url, [numbered(301)]);
    await program.until('a failure to record', ({ msg }) => msg === 'cannot record', from);
  }
  expect(await program.stop()).toBe(0);
  expectEachOnce(await readJournal(database), when === 'at once' ? texts : texts.slice(0, 300));
});
