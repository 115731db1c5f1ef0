/** Ten kinds of hostile message, 10,000 of each, mixed with good ones, through the whole program. */
import { expect, test } from 'vitest';
import { event, openSender } from '../support/receiving.ts';
import { Running } from '../support/running.ts';
import { freshDatabase, freshVhost } from '../support/services.ts';

const OF_EACH = 10_000;

interface Hostile {
  /** Part of the reason that the dead letters must give. */
  readonly reason: string;
  readonly body: Buffer;
  readonly properties?: object;
}

const HOSTILE: readonly Hostile[] = [
  { reason: 'is not JSON', body: Buffer.from('{"type": "task-started", "uuid": "cut o') },
  { reason: 'not valid UTF-8', body: Buffer.from('{"type": "task-\xff"}', 'latin1') },
  {
    reason: 'pickle',
    body: Buffer.from('80049520000000000000008c05706f736978948c0673797374656d9493948c0474727565948594529', 'hex'),
    properties: { contentType: 'application/x-python-serialize', contentEncoding: 'binary' },
  },
  { reason: 'null', body: Buffer.from('null') },
  { reason: 'without "type"', body: Buffer.from('{"hostname": "w1@vm", "__proto__": {"type": "task-started"}}') },
  { reason: '"image/png"', body: Buffer.from('\x89PNG\r\n', 'latin1'), properties: { contentType: 'image/png' } },
  { reason: 'bz2', body: Buffer.from('BZh91AY&SY'), properties: { headers: { compression: 'application/x-bz2' } } },
  {
    reason: 'not decompress',
    body: Buffer.from('x\x9c!', 'latin1'),
    properties: { headers: { compression: 'application/x-gzip' } },
  },
  { reason: 'nested deeper', body: Buffer.from(`{"type":"task-started","x":${'['.repeat(2000)}${']'.repeat(2000)}}`) },
  {
    reason: 'not msgpack',
    body: Buffer.from('ddffffffff00', 'hex'),
    properties: { contentType: 'application/x-msgpack' },
  },
];

test('no crash, no good event lost, every bad one in the dead letters with its reason and its bytes', async () => {
  await using vhost = await freshVhost();
  await using database = await freshDatabase();
  await using running = new Running({ broker: [vhost.url], queue: 'recorder', database: database.url });
  await running.next('receiver:ready');
  await using sender = await openSender(vhost.url);
  for (let from = 0; from < OF_EACH; from += 500) {
    for (let n = from; n < from + 500; n++) {
      for (const { body, properties } of HOSTILE) sender.publish(body, 'task.multi', properties);
      // Good ones, that hold what is hard to keep, singly and in a list with a bad element in its midst.
      const odd = { odd: '\u0000 \ud800', constructor: 1 };
      sender.publish(
        Buffer.from(
          JSON.stringify({ ...event(2 * n), ...odd }).replace(
            /}$/,
            ', "__proto__": {"polluted": true}, "nan": NaN, "big": 123456789012345678901}',
          ),
        ),
      );
      if (n % 10 === 0) sender.publish(Buffer.from(JSON.stringify([event(2 * n + 1), 7, event(2 * n + 1_000_001)])));
    }
    await sender.confirmed();
  }
  const count = async (table: string): Promise<number> => {
    const [row] = await running.query<{ n: string }>(`SELECT count(*) AS n FROM celerycam.${table}`);
    return Number(row?.n);
  };
  const good = OF_EACH + (2 * OF_EACH) / 10;
  const bad = HOSTILE.length * OF_EACH + OF_EACH / 10;
  await running.until(
    'all to be recorded',
    async () => (await count('events')) >= good && (await count('dead_letters')) >= bad,
  );

  expect(await count('events')).toBe(good);
  expect(await count('dead_letters')).toBe(bad);
  const [uuids] = await running.query<{ n: string }>('SELECT count(DISTINCT uuid) AS n FROM celerycam.events');
  expect(Number(uuids?.n)).toBe(good);
  const letters = await running.query<{ reason: string; n: string; bodies: string; body: string }>(
    `SELECT reason, count(*) AS n, count(DISTINCT body) AS bodies, min(encode(body, 'hex')) AS body FROM celerycam.dead_letters GROUP BY reason`,
  );
  for (const { reason, body } of HOSTILE) {
    const group = letters.filter((letter) => letter.reason.includes(reason));
    expect(group).toMatchObject([{ n: String(OF_EACH), bodies: '1' }]);
    expect(group[0]?.body).toBe(body.toString('hex'));
  }
  expect(letters.find(({ reason }) => reason.includes('an element of the list'))).toMatchObject({
    n: String(OF_EACH / 10),
    body: '37',
  });
  const [kept] = await running.query<{ body: string }>("SELECT body FROM celerycam.events WHERE uuid = 'u0'");
  expect(kept?.body).toContain('"__proto__":{"polluted":true}');
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect({ ...JSON.parse(kept?.body ?? '') }).toMatchObject({
    ...event(0),
    odd: '\u0000 \ud800',
    constructor: 1,
    nan: 'NaN',
    big: '123456789012345678901',
  });
  await running.stop();
});
