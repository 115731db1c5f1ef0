/** Ten kinds of hostile message, 10,000 of each and no two the same, mixed with good ones, through the whole program. */
import { createHash } from 'node:crypto';
import { brotliCompressSync, deflateSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { Program } from '../support/program.ts';
import { event, openSender } from '../support/receiving.ts';
import { expectEachOnce, foldAll, openRecord, readJournal } from '../support/record.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const OF_EACH = 10_000;
const MB = 1_000_000;

interface Hostile {
  /** What the reason of its dead letters must say. */
  readonly reason: string;
  readonly body: (n: number) => Buffer;
  readonly properties?: object;
}

/** Text of Latin-1 characters as bytes. */
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

const HOSTILE: readonly Hostile[] = [
  { reason: 'is not JSON', body: (n) => bytes(`{"type": "task-started", "uuid": "${n} cut o`) },
  { reason: 'not valid UTF-8', body: (n) => bytes(`{"type": "task-\xff", "uuid": "${n}"}`) },
  {
    reason: 'pickle',
    body: (n) =>
      bytes(`\x80\x04\x95\x20\0\0\0\0\0\0\0\x8c\x05posix\x94\x8c\x06system\x94\x93\x94\x8c\x04true${n}\x85R.`),
    properties: { contentType: 'application/x-python-serialize', contentEncoding: 'binary' },
  },
  { reason: 'the body is a number', body: (n) => bytes(String(n)) },
  { reason: 'without "type"', body: (n) => bytes(`{"clock": ${n}, "__proto__": {"type": "task-started"}}`) },
  { reason: '"type" is no string', body: (n) => bytes(`{"type": ["task-started"], "clock": ${n}}`) },
  { reason: '"image/png"', body: (n) => bytes(`\x89PNG\r\n${n}`), properties: { contentType: 'image/png' } },
  {
    reason: 'bz2',
    body: (n) => bytes(`BZh91AY&SY${n}`),
    properties: { headers: { compression: 'application/x-bz2' } },
  },
  {
    reason: 'does not decompress',
    body: (n) => bytes(`x\x9c!${n}`),
    properties: { headers: { compression: 'application/x-gzip' } },
  },
  {
    reason: 'nested deeper',
    body: (n) => bytes(`{"type":"task-started","x":${'['.repeat(2000)}${n}${']'.repeat(2000)}}`),
  },
  {
    reason: 'not msgpack',
    body: (n) => Buffer.concat([Buffer.from('ddffffffff', 'hex'), bytes(String(n))]),
    properties: { contentType: 'application/x-msgpack' },
  },
];

/** What grows without bound from a few bytes, also where it is an event all the same. */
const BOMBS = [
  { compression: 'zlib', body: deflateSync(Buffer.alloc(65 * MB)) },
  { compression: 'brotli', body: brotliCompressSync(Buffer.from(`{"type": "task-x", "x": "${'x'.repeat(60 * MB)}"}`)) },
] as const;
const OF_BOMBS = 50;

/** A good event that holds what is hard to keep; and what the journal is to hold of it. */
function odd(n: number): readonly [sent: string, kept: string] {
  const fields = { ...event(n), odd: '\u0000 \ud800', constructor: 1, [`${n}`.padEnd(n % 100 ? 10 : 10_000, 'k')]: 1 };
  const text = JSON.stringify(fields).slice(0, -1);
  const rest = (nan: string, big: string): string => `${text},"__proto__":{"polluted":true},"nan":${nan},"big":${big}}`;
  return [rest('NaN', '123456789012345678901'), rest('"NaN"', '"123456789012345678901"')];
}

/** Names that are keys of other things than tasks and workers. */
const NAMES = ['__proto__', 'constructor', 'toString', 'ü'.repeat(3000), '\u0000', ''];

test('no crash, no good event lost, every bad one in the dead letters with its reason and its bytes', async () => {
  await using vhost = await freshVhost();
  await using fresh = await freshDatabase();
  await using program = new Program({ broker: vhost.url, queue: 'kept', database: fresh.url });
  await program.ready();
  await using sender = await openSender(vhost.url);
  const good: string[] = [];
  const send = (sent: string, kept = [sent]): void => {
    sender.publish(Buffer.from(sent));
    good.push(...kept.map((text) => JSON.stringify(JSON.parse(text))));
  };
  for (const [n, name] of NAMES.entries()) {
    send(JSON.stringify({ ...event(n), type: 'worker-online', hostname: name }));
    send(JSON.stringify({ ...event(n), type: `task-${name}`, hostname: name, uuid: name, name, parent_id: name }));
  }
  for (let n = 0; n < OF_EACH; n++) {
    for (const { body, properties } of HOSTILE) sender.publish(body(n), 'task.multi', properties);
    if (n % (OF_EACH / OF_BOMBS) === 0) {
      for (const { compression, body } of BOMBS) sender.publish(body, 'task.multi', { headers: { compression } });
    }
    const [sent, kept] = odd(n);
    send(sent, [kept]);
    if (n % 10 === 0) {
      // A bad element in the midst of a list takes nothing else with it.
      const [first, second] = [event(OF_EACH + n), event(2 * OF_EACH + n)].map((each) => JSON.stringify(each));
      send(`[${first}, ${n}, ${second}]`, [`${first}`, `${second}`]);
    }
    if (n % 500 === 499) await sender.confirmed();
  }
  const last = JSON.stringify(event(4 * OF_EACH));
  send(last);
  await sender.confirmed();
  await program.pictured(good.length);
  const [shown] = (await program.cluster()).clusters;
  expect(await program.stop()).toBe(0);
  expect(program.noise).toEqual([]);
  expect(program.said('cannot record')).toEqual([]);

  await using database = await openRecord(fresh.url);
  // Counted first: bombs that got in would be too much to read here as well.
  expect(await database.knex('events').count('*')).toEqual([{ count: good.length }]);
  const journal = await readJournal(database);
  expectEachOnce(journal, good);
  const state = foldAll(journal).byName.get('default');
  expect(shown).toMatchObject({ event_count: state?.event_count, task_count: state?.task_count });
  expect(await database.knex('task_states').count('*')).toEqual([{ count: state?.tasks.size }]);
  expect(await database.knex('worker_states').count('*')).toEqual([{ count: state?.workers.size }]);
  expect(await database.knex('gaps')).toEqual([]);

  const letters: { reason: string; body: Buffer }[] = await database.knex('dead_letters').select('reason', 'body');
  const digest = (body: Buffer): string => createHash('sha1').update(body).digest('hex');
  const expected = [
    ...HOSTILE.map(({ reason, body }) => ({ reason, bodies: Array.from({ length: OF_EACH }, (_, n) => body(n)) })),
    { reason: 'larger than', bodies: BOMBS.flatMap(({ body }) => Array.from({ length: OF_BOMBS }, () => body)) },
    { reason: 'an element', bodies: Array.from({ length: OF_EACH / 10 }, (_, n) => bytes(String(n * 10))) },
  ];
  for (const { reason, bodies } of expected) {
    const kept = letters.filter((letter) => letter.reason.includes(reason));
    expect([reason, kept.map(({ body }) => digest(body)).sort()]).toEqual([reason, bodies.map(digest).sort()]);
  }
  expect(letters).toHaveLength(HOSTILE.length * OF_EACH + BOMBS.length * OF_BOMBS + OF_EACH / 10);
});
