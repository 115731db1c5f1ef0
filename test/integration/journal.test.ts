import { type AddressInfo, connect, createServer } from 'node:net';
import { expect, test, vi } from 'vitest';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { DeadLetter, Event, JournalEntry, Json, ReceivedEvent } from '../../src/domain/event.ts';
import type { Journal } from '../../src/journal/journal.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { openDatabase } from '../../src/store/database.ts';
import { migratedDatabase, NOON, received, taskEvent } from '../support/database.ts';

const diagnostics = createDiagnostics();
const never = new AbortController().signal;

async function all(journal: Journal, after = 0): Promise<JournalEntry[]> {
  const entries: JournalEntry[] = [];
  for await (const page of journal.read({ after, upTo: await journal.head() })) entries.push(...page);
  return entries;
}

function letter(more: Partial<DeadLetter> = {}): DeadLetter {
  return {
    cluster: 'default',
    local_received: NOON,
    redelivered: false,
    routing_key: 'task.multi',
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: { hostname: 'celery@one' },
    body: Buffer.from([0, 1, 255]),
    reason: 'not JSON',
    ...more,
  };
}

const events = (n: number, more: Partial<ReceivedEvent> = {}): ReceivedEvent[] =>
  Array.from({ length: n }, (_, k) => received(taskEvent('task-received', `uuid-${k}`), more));

test('what is appended is read again, in order and in pages', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  expect(await journal.head()).toBe(0);
  expect(await all(journal)).toEqual([]);
  const batch = events(25_000);
  const done = await journal.append(batch, [], never);
  expect(done).toMatchObject({ first: 1, last: 25_000, duplicates: 0 });
  expect(done.events).toBe(batch);
  const one = received(
    { type: 'worker-online', hostname: 'w', timestamp: 1 },
    { cluster: 'two', local_received: 5.25 },
  );
  expect(await journal.append([one], [], never)).toMatchObject({ first: 25_001, last: 25_001 });
  const expected = [...batch, one].map(({ cluster, local_received, event }, n) => ({
    position: n + 1,
    cluster,
    local_received,
    size: JSON.stringify(event).length,
    event,
  }));
  expect(await all(journal)).toEqual(expected);
  expect(await all(journal, 24_990)).toEqual(expected.slice(24_990));
});

test('dead letters and duplicates are counted with what they came with, whoever recorded them', async () => {
  await using database = await migratedDatabase();
  const one = createJournal(database.knex, { retention: null, diagnostics });
  const other = createJournal(database.knex, { retention: null, diagnostics });
  const batch = events(3);
  await one.append(batch, [letter()], never);
  await other.append([], [letter(), letter()], never);
  await one.append(
    batch.map((each) => ({ ...each, redelivered: true })),
    [],
    never,
  );
  expect(one.totals).toEqual({ deadLetters: 3, duplicates: 3 });
  expect(other.totals).toEqual({ deadLetters: 3, duplicates: 0 });
  expect(await other.head()).toBe(3);
  expect(other.totals).toEqual(one.totals);
  const next = createJournal(database.knex, { retention: null, diagnostics });
  await next.head();
  expect(next.totals).toEqual(one.totals);
});

test('gaps are counted by cluster and cause', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const gap = { cluster: 'c', cause: 'ttl', started_at: 1, ended_at: 2, estimate: null, detail: '' } as const;
  for (const each of [gap, gap, { ...gap, ended_at: 3 }, { ...gap, cause: 'disconnect' } as const]) {
    await journal.recordGap(each, never);
  }
  const totals = await journal.gapTotals();
  expect(totals.toSorted((a, b) => a.gaps - b.gaps)).toEqual([
    { cluster: 'c', cause: 'disconnect', gaps: 1 },
    { cluster: 'c', cause: 'ttl', gaps: 2 },
  ]);
});

test('an empty batch and a batch of dead letters only take no position', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  expect(await journal.append([], [], never)).toEqual({ first: 1, last: 0, events: [], duplicates: 0 });
  await journal.append(events(2), [], never);
  expect(await journal.append([], [letter()], never)).toEqual({ first: 3, last: 2, events: [], duplicates: 0 });
  const [row] = await database.knex('dead_letters');
  expect(row).toMatchObject({ routing_key: 'task.multi', reason: 'not JSON', headers: { hostname: 'celery@one' } });
  expect(row.body).toEqual(Buffer.from([0, 1, 255]));
  expect(row.received_at).toEqual(new Date(NOON * 1000));
});

test('four appenders leave no hole, and whoever reads up to the head has seen all', async () => {
  await using database = await migratedDatabase();
  const journals = Array.from({ length: 4 }, () => createJournal(database.knex, { retention: null, diagnostics }));
  const seen: number[] = [];
  let appending = true;
  const tail = (async () => {
    const journal = createJournal(database.knex, { retention: null, diagnostics });
    for (let position = 0; appending || position < (await journal.head()); ) {
      for await (const page of journal.read({ after: position, upTo: await journal.head() })) {
        for (const entry of page) seen.push(entry.position);
      }
      position = seen.at(-1) ?? 0;
    }
  })();
  const sizes = [1, 7, 100, 3, 50];
  await Promise.all(
    journals.map(async (journal, n) => {
      for (let k = 0; k < 20; k += 1) {
        const size = sizes[(k + n) % sizes.length] ?? 1;
        const batch = Array.from({ length: size }, () => received(taskEvent('task-sent', `u${n}-${k}`)));
        const { first, last } = await journal.append(batch, [], never);
        expect(last - first + 1).toBe(size);
      }
    }),
  );
  appending = false;
  await tail;
  const total = 20 * sizes.reduce((sum, size) => sum + size, 0) * (4 / sizes.length);
  expect(seen).toEqual(Array.from({ length: total }, (_, n) => n + 1));
});

test('hostile text survives in the body, and keys longer than an index fails nothing', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const long = Array.from({ length: 100_000 }, (_, n) => String.fromCodePoint(0x1000 + ((n * 7919) % 0x9000))).join('');
  const hostile: Event[] = [
    { type: 'task-\0received', uuid: 'a\0b', hostname: 'x' },
    {
      type: 'task-received',
      uuid: '\ud800',
      text: '\\N \\. \t tab \n line \r \x01\x02 "quote" \u2028 \udfff',
      hostname: '',
    },
    { type: 'worker-online', hostname: long, timestamp: 1.5 },
    { type: 'task-received', uuid: long, name: long },
    { type: 'worker-heartbeat', hostname: '\\', timestamp: 1e300 },
    { type: '', uuid: 7, hostname: { a: [1] }, timestamp: 'now' },
    { type: 'task-x', uuid: '', __proto__x: 1, constructor: null },
    { type: 'mything' },
  ];
  const batch = hostile.map((event) => received(event));
  const spaced = received({ type: 'task-sent', uuid: 'u' }, { body: '{\n\t"type": "task-sent",\r\n "uuid": "u"}' });
  const { events: recorded } = await journal.append([...batch, spaced], [], never);
  expect(recorded).toHaveLength(9);
  expect((await all(journal)).map(({ event }) => event)).toEqual([...hostile, { type: 'task-sent', uuid: 'u' }]);
  const again = batch.map((event) => ({ ...event, redelivered: true }));
  expect(await journal.append(again, [], never)).toMatchObject({ duplicates: 8, events: [] });
});

test('dead letters of any content are recorded', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  let deep: Json = 1;
  for (let n = 0; n < 20_000; n += 1) deep = [deep];
  const letters = [
    letter({ headers: { a: 'x\0y\ud800', 'k\0': [Number.POSITIVE_INFINITY, null, { b: '\udc00' }] } }),
    letter({ headers: { deep } }),
    letter({ reason: 'a\0\ud800\n\\', routing_key: '\t', content_type: null, content_encoding: null }),
    letter({ body: Buffer.alloc(3_000_000, 0xff) }),
  ];
  await journal.append([], letters, never);
  const rows = await database.knex('dead_letters').orderBy('id');
  expect(rows[0].headers).toEqual({ a: 'x␀y\ufffd', 'k␀': ['Infinity', null, { b: '\ufffd' }] });
  expect(rows[2]).toMatchObject({ reason: 'a␀\ufffd\n\\', routing_key: '\t', content_type: null });
  expect(rows[3].body).toHaveLength(3_000_000);
});

test('redelivered events that are recorded are left out, and only they', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const beat = received({ type: 'worker-heartbeat', hostname: 'w', pid: 1, clock: 5, timestamp: NOON });
  const blind = received({ type: 'worker-note', hostname: 'w', clock: null, timestamp: NOON, text: 'one' });
  const nameless = received({ type: 'mything', a: 1 });
  const task = received(taskEvent('task-started', 'u1'));
  const known = [beat, blind, nameless, task];
  await journal.append(known, [], never);
  // Not flagged: nobody asks, it is recorded.
  expect(await journal.append([task], [], never)).toMatchObject({ duplicates: 0, first: 5, last: 5 });
  const flagged = (event: ReceivedEvent): ReceivedEvent => ({ ...event, redelivered: true, local_received: NOON + 9 });
  const fresh = [
    received({ ...task.event, clock: 999_999 }),
    received({ ...beat.event, timestamp: NOON + 1 }),
    received({ ...blind.event, text: 'two' }),
    received({ type: 'mything', a: 2 }),
    { ...task, cluster: 'other' },
  ].map(flagged);
  const result = await journal.append([...known.map(flagged), ...fresh], [], never);
  expect(result).toMatchObject({ duplicates: 4, first: 6, last: 10 });
  expect(result.events).toEqual(fresh);
  // An event that is not flagged is another one, however much it looks like one that is recorded.
  expect(await journal.append([task, flagged(task)], [], never)).toMatchObject({ duplicates: 1, events: [task] });
  // The body may have been written otherwise before: the identity counts.
  const rewritten = flagged({ ...task, body: `{"again": true, ${task.body.slice(1)}` });
  expect(await journal.append([rewritten], [], never)).toMatchObject({
    duplicates: 1,
    events: [],
    first: 12,
    last: 11,
  });
});

test('what another recorder was given meanwhile is not recorded again, though nothing marks our copy', async () => {
  await using database = await migratedDatabase();
  const [ours, other] = [0, 1].map(() => createJournal(database.knex, { retention: null, diagnostics })) as [
    Journal,
    Journal,
  ];
  const time = Date.now() / 1000;
  const inHand = events(5, { local_received: time });
  await ours.append(events(1, { local_received: time }), [], never);
  await other.append(
    inHand.slice(1, 3).map((event) => ({ ...event, redelivered: true })),
    [],
    never,
  );
  expect(await ours.append(inHand, [], never)).toMatchObject({ duplicates: 2, first: 4, last: 6 });
  // What came long after that cannot be it: equal events are two events, as ever.
  const later = events(1, { local_received: time + 3600 });
  await ours.append(later, [], never);
  expect(await ours.append(later, [], never)).toMatchObject({ duplicates: 0, last: 8 });
});

test('a redelivered event that stands in the same batch already is left out', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const first = received(taskEvent('task-started', 'u1'));
  const again = { ...first, redelivered: true };
  expect(await journal.append([first, again, again], [], never)).toMatchObject({ first: 1, last: 1, duplicates: 2 });
});

test('redelivered dead letters that are recorded are left out, and only they', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const bodies = async (): Promise<string[]> =>
    (await database.knex('dead_letters').orderBy('id')).map(({ body }) => String(body));
  const of = (text: string, more: Partial<DeadLetter> = {}): DeadLetter => letter({ body: Buffer.from(text), ...more });
  const again = { redelivered: true, local_received: NOON + 900 };
  await journal.append(events(1), [of('old', { local_received: NOON - 9000 }), of('one'), of('two')], never);
  // Not flagged: nobody asks, it is recorded.
  await journal.append([], [of('one')], never);
  expect(await bodies()).toEqual(['old', 'one', 'two', 'one']);
  const fresh = [
    of('three', again),
    of('one', { ...again, routing_key: 'other' }),
    of('one', { ...again, cluster: 'other' }),
    // Too long before the latest one to have waited for its acknowledgement.
    of('old', again),
  ];
  const deadLetters: number[] = [];
  const listen = createDiagnostics();
  listen.on('journal:appended', (appended) => deadLetters.push(appended.deadLetters));
  const heard = createJournal(database.knex, { retention: null, diagnostics: listen });
  await heard.append([], [of('one', again), ...fresh, of('two', again)], never);
  await heard.append([], [of('two', again)], never);
  expect(deadLetters).toEqual([4, 0]);
  expect((await bodies()).slice(4)).toEqual(['three', 'one', 'one', 'old']);
  // What it was given, another journal may have in hand, and nothing marks that.
  await journal.append([], [of('three', { local_received: NOON + 800 })], never);
  expect(await bodies()).toHaveLength(8);
});

test('an event that the database refuses becomes a dead letter and the rest is recorded', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  await database.knex.raw(`alter table events add check (type <> 'task-bad')`);
  await database.knex.raw(`alter table dead_letters add check (length(body) < 1000)`);
  const batch = events(100);
  const bad = [17, 18, 99].map((n) => {
    const event = received(taskEvent('task-bad', `bad-${n}`));
    batch[n] = event;
    return event;
  });
  const failures: string[] = [];
  const listen = createDiagnostics();
  listen.on('journal:failed', ({ reason }) => failures.push(reason));
  const picky = createJournal(database.knex, { retention: null, diagnostics: listen });
  const result = await picky.append(batch, [letter({ body: Buffer.alloc(2000) })], never);
  expect(result.events).toEqual(batch.filter((event) => !bad.includes(event)));
  expect(result).toMatchObject({ first: 1, last: 97 });
  expect((await all(journal)).map(({ event }) => event)).toEqual(result.events.map(({ event }) => event));
  const letters = await database.knex('dead_letters').orderBy('id');
  expect(letters.map(({ reason }) => reason)).toEqual([
    'not JSON; not kept itself: Postgres refused it',
    ...bad.map(() => expect.stringContaining('events_type_check')),
  ]);
  expect(letters.slice(1).map(({ body }) => JSON.parse(String(body)))).toEqual(bad.map(({ event }) => event));
  expect(failures).not.toEqual([]);
});

test('the abort ends the waiting for a database that does not come back', async () => {
  await using database = await migratedDatabase();
  const stop = new AbortController();
  const listen = createDiagnostics();
  const journal = createJournal(database.knex, { retention: null, diagnostics: listen });
  await database.knex.raw('drop table journal_head');
  listen.on('journal:failed', () => stop.abort());
  const error: unknown = await journal.append(events(1), [], stop.signal).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ name: 'AbortError' });
});

test('gaps are recorded once, whatever is in them', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const gap = {
    cluster: 'default',
    cause: 'disconnect',
    started_at: NOON,
    ended_at: NOON + 2.5,
    estimate: null,
  } as const;
  await journal.recordGap({ ...gap, detail: 'a\0b' }, never);
  await journal.recordGap({ ...gap, detail: 'again' }, never);
  await journal.recordGap({ ...gap, ended_at: NOON + 3, estimate: 12, detail: '' }, never);
  const rows = await database.knex('gaps').orderBy('id');
  expect(rows).toMatchObject([
    { detail: 'a␀b', estimate: null, ended_at: new Date((NOON + 2.5) * 1000) },
    { detail: '', estimate: 12 },
  ]);
});

/** Passes bytes to Postgres; cuts a connection instead of passing COMMIT on, or its answer. */
async function proxyThatCutsAtCommit(url: string) {
  const target = new URL(url);
  const port = Number(target.port || 5432);
  const host = target.hostname;
  const state = { after: 0, before: 0 };
  const server = createServer((socket) => {
    const upstream = connect(port, host);
    let committing = false;
    const close = (): void => {
      socket.destroy();
      upstream.destroy();
    };
    socket.on('data', (chunk) => {
      const commit = chunk.includes('commit\0');
      if (commit && state.before > 0) {
        state.before -= 1;
        close();
        return;
      }
      committing = commit && state.after > 0;
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (committing) {
        state.after -= 1;
        close();
      } else socket.write(chunk);
    });
    for (const end of [socket, upstream]) end.on('error', close).on('close', close);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  target.hostname = '127.0.0.1';
  target.port = String((server.address() as AddressInfo).port);
  return { url: target.href, state, [Symbol.asyncDispose]: async () => void server.close() };
}

test.each(['after', 'before'] as const)(
  'a connection lost %s the server saw the commit records nothing twice and nothing not at all',
  async (when) => {
    await using database = await migratedDatabase();
    await using proxy = await proxyThatCutsAtCommit(database.url);
    await using cut = await openDatabase({ url: proxy.url, schema: 'celerycam' });
    const failures: string[] = [];
    const listen = createDiagnostics();
    listen.on('journal:failed', ({ reason }) => failures.push(reason));
    const journal = createJournal(cut.knex, { retention: null, diagnostics: listen });
    proxy.state[when] = 2;
    const batch = events(500);
    const result = await journal.append(batch, [letter()], never);
    expect(failures.length).toBeGreaterThan(0);
    expect(result).toMatchObject({ first: 1, last: 500, duplicates: 0, events: batch });
    expect(await journal.append([], [letter({ routing_key: 'only' })], never)).toMatchObject({ first: 501, last: 500 });
    expect(proxy.state[when]).toBe(0);
    expect(
      (await all(createJournal(database.knex, { retention: null, diagnostics }))).map(({ event }) => event),
    ).toEqual(batch.map(({ event }) => event));
    expect(await database.knex('dead_letters')).toHaveLength(2);
  },
);

test('a server that ends our connections all the time loses and doubles nothing', async () => {
  await using database = await migratedDatabase();
  const listen = createDiagnostics();
  let failures = 0;
  let batches = 0;
  listen.on('journal:failed', () => {
    failures += 1;
  });
  await using other = await openDatabase({ url: database.url, schema: 'celerycam' });
  const journal = createJournal(other.knex, { retention: null, diagnostics: listen });
  const expected: Event[] = [];
  const kill = (): Promise<unknown> =>
    database.knex.raw(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'`,
    );
  for (let n = 0; n < 40 || failures < 10; n += 1) {
    const batch = events(1 + (n % 20) * 50);
    expected.push(...batch.map(({ event }) => event));
    batches += 1;
    await Promise.all([journal.append(batch, [letter()], never), kill()]);
  }
  const recorded = await all(createJournal(database.knex, { retention: null, diagnostics }));
  expect(recorded.map(({ position }) => position)).toEqual(expected.map((_, n) => n + 1));
  expect(recorded.map(({ event }) => event)).toEqual(expected);
  expect(await database.knex('dead_letters')).toHaveLength(batches);
});

test('retention drops whole days, and rows that no day holds', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: 2 * 86_400, diagnostics });
  const time = Date.now() / 1000;
  const day = (n: number): string =>
    `events_${new Date((time + n * 86_400) * 1000).toISOString().slice(0, 10).replaceAll('-', '')}`;
  await journal.maintain();
  const days = async (): Promise<string[]> => {
    const { rows } = await database.knex.raw(`select relname from pg_inherits join pg_class on oid = inhrelid
      where inhparent = 'events'::regclass order by 1`);
    return rows.map(({ relname }: { relname: string }) => relname);
  };
  expect(await days()).toEqual([...[0, 1, 2].map(day), 'events_default'].sort());
  const start = (n: number): number => Math.floor(time / 86_400 + n) * 86_400;
  for (const n of [-4, -2]) {
    await database.knex.raw(
      `create table ${day(n)} partition of events for values from (${start(n)}) to (${start(n + 1)})`,
    );
  }
  const at = (local_received: number): ReceivedEvent[] => events(1, { local_received });
  await journal.append(
    [...at(start(-4)), ...at(start(-2)), ...at(time), ...at(5), ...at(start(9))],
    [letter({ local_received: 5 }), letter()],
    never,
  );
  await Promise.all([
    journal.maintain(),
    createJournal(database.knex, { retention: 2 * 86_400, diagnostics }).maintain(),
  ]);
  expect(await days()).toEqual([...[-2, 0, 1, 2].map(day), 'events_default'].sort());
  expect((await all(journal)).map(({ position }) => position)).toEqual([2, 3, 5]);
  expect(await database.knex('dead_letters')).toHaveLength(1);
});

test('a clock that has jumped ahead drops nothing', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: 86_400, diagnostics });
  const time = Date.now();
  await journal.maintain();
  await journal.append(events(1, { local_received: time / 1000 }), [letter({ local_received: time / 1000 })], never);
  const clock = vi.spyOn(Date, 'now').mockReturnValue(time + 400 * 86_400_000);
  try {
    await journal.maintain();
  } finally {
    clock.mockRestore();
  }
  expect(await all(journal)).toHaveLength(1);
  expect(await database.knex('dead_letters')).toHaveLength(1);
});

test('a long query of somebody else holds up neither the upkeep nor the appends', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: 0, diagnostics });
  const query = await database.knex.transaction();
  await query('events').count();
  const upkeep = journal.maintain();
  await journal.append(events(1), [], never);
  await upkeep;
  await query.rollback();
  expect(await journal.head()).toBe(1);
});

test('a day that began in the default partition stays there', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  await journal.append(events(1, { local_received: Date.now() / 1000 }), [], never);
  await journal.maintain();
  await journal.append(events(1, { local_received: Date.now() / 1000 }), [], never);
  expect(await all(journal)).toHaveLength(2);
});

test('the latest events, of so many bytes at most', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  expect(await journal.latest({ upTo: 0, events: 10, bytes: 10 })).toBe(0);
  const long = received(taskEvent('task-received', 'long', { text: 'x'.repeat(3_000_000) }));
  // The short one comes after eight days: another partition, and another order of time.
  const short = received(taskEvent('task-received', 'short'), { local_received: NOON - 8 * 86_400 });
  await journal.append([long, short, long, short, short], [], never);
  const after = (events: number, bytes: number, upTo = 5): Promise<number> => journal.latest({ upTo, events, bytes });
  const [whole, little] = [long.body.length, short.body.length];
  expect(await after(10, 1e9)).toBe(0);
  expect(await after(2, 1e9)).toBe(3);
  expect(await after(2, 1e9, 4)).toBe(2);
  expect(await after(10, whole + 2 * little)).toBe(2);
  expect(await after(10, whole + 2 * little - 1)).toBe(3);
  expect(await after(10, little - 1)).toBe(5);
});

test('pages stay small in bytes when events are large', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics });
  const text = 'x'.repeat(3_000_000);
  await journal.append(
    events(14).map(({ event }) => received({ ...event, text })),
    [],
    never,
  );
  const upTo = await journal.head();
  let queries = 0;
  database.knex.client.pool.on('acquireSuccess', () => {
    queries += 1;
  });
  const sizes: number[] = [];
  for await (const page of journal.read({ after: 0, upTo })) sizes.push(page.length);
  expect(sizes).toEqual(Array(14).fill(1));
  // Six of them make more than 16 MB.
  expect(queries).toBe(3);
});
