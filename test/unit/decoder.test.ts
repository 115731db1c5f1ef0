/** Bytes to events: whatever arrives, good events live, the rest is a dead letter that says why. */
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { encode as encodeMsgpack } from '@msgpack/msgpack';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Decoded, decode, decodeParts } from '../../src/broker/decoder.ts';
import type { Delivery } from '../../src/broker/delivery.ts';
import { runs } from '../support/effort.ts';

function delivery(body: string | Uint8Array, properties: Partial<Delivery> = {}): Delivery {
  return {
    cluster: 'default',
    routing_key: 'task.multi',
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: { hostname: 'w1@vm' },
    body: Buffer.from(body as string),
    redelivered: false,
    local_received: 1795508776.5,
    receipt: null,
    ...properties,
  };
}

function decodeOne(body: string | Uint8Array, properties: Partial<Delivery> = {}): Decoded {
  return decode([delivery(body, properties)]);
}

/** The one event of a body. */
function eventOf(body: string | Uint8Array, properties: Partial<Delivery> = {}): unknown {
  const { events, deadLetters } = decodeOne(body, properties);
  expect(deadLetters).toEqual([]);
  expect(events).toHaveLength(1);
  expect(JSON.parse(events[0]?.body ?? '')).toEqual(events[0]?.event);
  return events[0]?.event;
}

/** The reason why a body is no event. */
function reasonOf(body: string | Uint8Array, properties: Partial<Delivery> = {}): string {
  const { events, deadLetters } = decodeOne(body, properties);
  expect(events).toEqual([]);
  expect(deadLetters).toHaveLength(1);
  expect(Buffer.from(body as string).equals(deadLetters[0]?.body ?? Buffer.alloc(0))).toBe(true);
  return deadLetters[0]?.reason ?? '';
}

const anEvent = fc
  .tuple(fc.dictionary(fc.string(), fc.jsonValue()), fc.string())
  .map(([fields, type]) => ({ ...fields, type }) as Record<string, unknown>);

/** What becomes of a value that JSON.stringify wrote: integers beyond 2^53 are the string of their digits. */
function marked(value: unknown): unknown {
  if (typeof value === 'number')
    return /^-?\d{16,}$/.test(String(value)) && !Number.isSafeInteger(value) ? String(value) : value + 0;
  if (Array.isArray(value)) return value.map(marked);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, marked(field)]));
}

describe('laws', () => {
  test('any bytes with any properties: nothing thrown, nothing lost', () => {
    const types = [
      'application/json',
      'application/x-msgpack',
      'application/x-yaml',
      'application/x-python-serialize',
      'text/plain',
      undefined,
    ];
    const encodings = [
      'utf-8',
      'binary',
      'us-ascii',
      'latin-1',
      'utf-16',
      'utf-16le',
      'koi8-r',
      'nonsense',
      '',
      undefined,
    ];
    const methods = [
      undefined,
      null,
      'application/x-gzip',
      'application/x-bz2',
      'application/x-lzma',
      'application/x-brotli',
      'application/zstd',
      7,
    ];
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom(...types),
        fc.constantFrom(...encodings),
        fc.constantFrom(...methods),
        (body, content_type, content_encoding, compression) => {
          const { events, deadLetters } = decodeOne(body, { content_type, content_encoding, headers: { compression } });
          for (const { event, body: text } of events) expect(JSON.parse(text)).toEqual(event);
          for (const { reason } of deadLetters) expect(reason).toMatch(/^[\x20-\x7e]{10,400}$/);
        },
      ),
      { numRuns: runs(2000) },
    );
  });

  test('the body of an event gives the event again, and PostgreSQL can hold it', () => {
    fc.assert(
      fc.property(fc.array(anEvent), fc.boolean(), (fields, spaced) => {
        const text = JSON.stringify(fields, null, spaced ? 1 : undefined);
        const { events, deadLetters } = decodeOne(text);
        expect(deadLetters).toEqual([]);
        expect(events.map(({ event }) => event)).toEqual(marked(JSON.parse(text)));
        for (const { event, body } of events) {
          expect(JSON.parse(body)).toEqual(event);
          expect(body).not.toContain('\u0000');
          expect(body.isWellFormed()).toBe(true);
        }
      }),
    );
  });

  test('a list as Python writes it is cut to its elements, whatever their strings hold', () => {
    const text = fc.oneof(fc.string(), fc.constantFrom('}, {"', '"}, {"', '\\"}, {"', '}, {', '[{"', '}]', '\\'));
    const python = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(python).join(', ')}]`;
      if (typeof value !== 'object' || value === null) return JSON.stringify(value);
      return `{${Object.entries(value)
        .map(([key, field]) => `${JSON.stringify(key)}: ${python(field)}`)
        .join(', ')}}`;
    };
    const element = fc.record({ type: text, result: text, nested: fc.array(fc.record({ a: text, b: text })) });
    fc.assert(
      fc.property(fc.array(element, { minLength: 1 }), (elements) => {
        const { events, deadLetters } = decodeOne(python(elements));
        expect(deadLetters).toEqual([]);
        expect(events.map(({ event }) => event)).toEqual(elements);
        expect(events.map(({ body }) => JSON.parse(body) as unknown)).toEqual(elements);
      }),
      { numRuns: runs(500) },
    );
  });

  test('the elements of a list come in order, a bad one alone is a dead letter', () => {
    const bad = fc.constantFrom<unknown>(null, 1, 'x', true, [], [{ type: 'a' }], {}, { type: 7 }, { type: null });
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.integer().map((n) => ({ type: 'x', n })),
            bad,
          ),
        ),
        (elements) => {
          const { events, deadLetters } = decodeOne(JSON.stringify(elements));
          const good = elements.filter((element) => (element as { type?: unknown } | null)?.type === 'x');
          expect(events.map(({ event }) => event)).toEqual(good);
          const rest = elements.filter((element) => !good.includes(element as { type: string; n: number }));
          expect(deadLetters.map(({ body }) => JSON.parse(Buffer.from(body).toString()) as unknown)).toEqual(rest);
        },
      ),
    );
  });

  test('deliveries keep their order, and what they say of themselves', () => {
    const batch = ['{"type":"a"}', 'nonsense', '[{"type":"b"},{"type":"c"}]', '[]'].map((body, n) =>
      delivery(body, { redelivered: n === 2, local_received: n, cluster: `c${n}` }),
    );
    const { events, deadLetters } = decode(batch);
    expect(events.map(({ event, ...rest }) => rest)).toEqual([
      { cluster: 'c0', local_received: 0, redelivered: false, body: '{"type":"a"}' },
      { cluster: 'c2', local_received: 2, redelivered: true, body: '{"type":"b"}' },
      { cluster: 'c2', local_received: 2, redelivered: true, body: '{"type":"c"}' },
    ]);
    expect(deadLetters).toMatchObject([
      {
        cluster: 'c1',
        local_received: 1,
        routing_key: 'task.multi',
        content_type: 'application/json',
        content_encoding: 'utf-8',
        headers: { hostname: 'w1@vm' },
      },
    ]);
  });
});

describe('JSON as Python writes it', () => {
  test.each([
    ['{"type":"a","x":NaN}', { x: 'NaN' }],
    ['{"type": "a", "x": [Infinity, -Infinity, NaN, 1.5]}', { x: ['Infinity', '-Infinity', 'NaN', 1.5] }],
    ['{"type":"a","x":1e999,"y":-1e999}', { x: 'Infinity', y: '-Infinity' }],
    ['{"type":"a","x":9007199254740991}', { x: 9007199254740991 }],
    ['{"type":"a","x":9007199254740993}', { x: '9007199254740993' }],
    ['{"type":"a","x":[-123456789012345678901234567890]}', { x: ['-123456789012345678901234567890'] }],
    ['{"type":"a","x":{"y":1e300,"z":9007199254740993.0}}', { x: { y: 1e300, z: 9007199254740992 } }],
    [
      '{"type":"a","x":"NaN","y":"9007199254740993","z":"\\"Infinity"}',
      { x: 'NaN', y: '9007199254740993', z: '"Infinity' },
    ],
    ['{"type":"a","x":"\\\\","y":NaN,"z":"\\\\\\"NaN"}', { x: '\\', y: 'NaN', z: '\\"NaN' }],
  ])('%s', (text, fields) => {
    expect(eventOf(text)).toEqual({ type: 'a', ...fields });
  });

  test('an integer of 400 digits keeps its digits', () => {
    const digits = '9'.repeat(400);
    expect(eventOf(`{"type":"a","x":${digits}}`)).toEqual({ type: 'a', x: digits });
  });

  test('one such number in a list leaves the other elements their text', () => {
    const { events } = decodeOne('[{"type": "a", "x": 1.50}, {"type": "b", "x": NaN}]');
    expect(events.map(({ body }) => body)).toEqual(['{"type": "a", "x": 1.50}', '{"type":"b","x":"NaN"}']);
  });

  test('kombu’s tagged values are their text; bytes and unknown tags stay', () => {
    const tag = (type: string, value: unknown): object => ({ __type__: type, __value__: value });
    const fields = {
      datetime: tag('datetime', '2020-01-02T03:04:05.000678'),
      date: tag('date', '2020-01-02'),
      time: tag('time', '03:04:05'),
      decimal: tag('decimal', '1.10'),
      uuid: tag('uuid', { hex: '0b1e0cb0c2f94b8c9d3a6c0b9ad1d6e5' }),
      nested: [{ deep: tag('decimal', '2') }],
      bytes: tag('bytes', 'abc'),
      unknown: tag('Model', { a: 1 }),
      odd: tag('uuid', 7),
      three: { __type__: 'date', __value__: 'x', more: 1 },
    };
    expect(eventOf(JSON.stringify({ type: 'a', ...fields }))).toEqual({
      ...fields,
      type: 'a',
      datetime: '2020-01-02T03:04:05.000678',
      date: '2020-01-02',
      time: '03:04:05',
      decimal: '1.10',
      uuid: '0b1e0cb0-c2f9-4b8c-9d3a-6c0b9ad1d6e5',
      nested: [{ deep: '2' }],
    });
  });

  test('an event that needs no marked form keeps its very text', () => {
    const text = '{ "type" : "a",\n "x": 1.50, "x": 2e0 }';
    expect(decodeOne(text).events[0]).toMatchObject({ body: text, event: { type: 'a', x: 2 } });
  });
});

describe('hostile and broken bodies', () => {
  test.each([
    ['', 'the body is not JSON'],
    ['{', 'the body is not JSON'],
    ['{"type":"a"} x', 'the body is not JSON'],
    ["{'type':'a'}", 'the body is not JSON'],
    ['{"type":"a","x":NaNN}', 'the body is not JSON'],
    ['{"type":"a","x":01234567890123456789}', 'the body is not JSON'],
    ['{"type":"a\u0000"}', 'the body is not JSON'],
    ['null', 'the body is null'],
    ['7', 'the body is a number'],
    ['"task-sent"', 'the body is a string'],
    ['{}', 'an object without "type"'],
    ['{"type":null}', '"type" is no string'],
    ['{"__proto__":{"type":"a"}}', 'an object without "type"'],
  ])('%j', (body, reason) => {
    expect(reasonOf(body)).toContain(reason);
  });

  test('NUL and lone surrogates live on as escapes', () => {
    const text = '{"type":"a","x":"\\u0000\\ud800"}';
    expect(decodeOne(text).events[0]).toMatchObject({ body: text, event: { x: '\u0000\ud800' } });
    const [, second] = decodeOne(`[{"type":"b"},${text}]`).events;
    expect(second?.body).toBe(text);
  });

  test('field names of Object.prototype are fields like others and pollute nothing', () => {
    const text = '{"type":"a","__proto__":{"polluted":true},"constructor":1,"big":9007199254740993}';
    const { events } = decodeOne(text);
    expect(Object.keys(events[0]?.event ?? {})).toEqual(['type', '__proto__', 'constructor', 'big']);
    expect(JSON.parse(events[0]?.body ?? '')).toEqual(events[0]?.event);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test.each([
    ['lists', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['objects', `${'{"type":"a","x":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['a list in an event', `{"type":"a","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['a list in an event of a list', `[{"type":"a","x":${'['.repeat(100_000)}${']'.repeat(100_000)}}]`],
  ])('nested 100,000 deep: %s', (_name, body) => {
    expect(reasonOf(body)).toContain('nested deeper than 500');
  });

  test('nested 400 deep is an event', () => {
    expect(eventOf(`{"type":"a","x":${'['.repeat(400)}${']'.repeat(400)}}`)).toMatchObject({ type: 'a' });
  });

  test('a string of 10 MB, also of quotes and backslashes', () => {
    for (const text of ['x'.repeat(10_000_000), '\\"'.repeat(3_000_000)]) {
      expect(decodeOne(JSON.stringify({ type: 'a', text, n: 1 })).events).toHaveLength(1);
      expect(decodeOne(`{"type":"a","text":${JSON.stringify(text)},"n":NaN}`).events[0]?.event['n']).toBe('NaN');
    }
  });
});

describe('encodings', () => {
  test.each([
    ['utf-8', Buffer.from('{"type":"é"}')],
    ['UTF8', Buffer.from('{"type":"é"}')],
    [undefined, Buffer.from('\ufeff{"type":"é"}')],
    ['binary', Buffer.from('{"type":"é"}')],
    ['latin-1', Buffer.from('{"type":"é"}', 'latin1')],
    ['ISO-8859-1', Buffer.from('{"type":"é"}', 'latin1')],
    ['utf-16', Buffer.from('\ufeff{"type":"é"}', 'utf16le')],
    ['utf_16_le', Buffer.from('{"type":"é"}', 'utf16le')],
    ['us-ascii', Buffer.from('{"type":"\\u00e9"}')],
  ])('%s', (content_encoding, body) => {
    expect(eventOf(body, { content_encoding })).toEqual({ type: 'é' });
  });

  test.each([
    ['utf-8', Buffer.from('{"type":"é"}', 'latin1'), 'not valid UTF-8'],
    ['utf-8', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'not valid UTF-8'],
    ['us-ascii', Buffer.from('{"type":"é"}'), 'not ASCII'],
    ['utf-16le', Buffer.from('{"a', 'latin1'), 'not valid "utf-16le"'],
    ['rot13\u0000', Buffer.from('{"type":"a"}'), 'the content encoding "rot13?" is not known'],
  ])('%j is refused for what it says', (content_encoding, body, reason) => {
    expect(reasonOf(body, { content_encoding })).toContain(reason);
  });
});

describe('content types', () => {
  test('none is JSON; parameters and case do not matter', () => {
    expect(eventOf('{"type":"a"}', { content_type: undefined, content_encoding: undefined })).toEqual({ type: 'a' });
    expect(eventOf('{"type":"a"}', { content_type: 'Application/JSON; charset=utf-8' })).toEqual({ type: 'a' });
  });

  test('pickle is never decoded', () => {
    const properties = { content_type: 'application/x-python-serialize', content_encoding: 'binary' };
    expect(reasonOf(Buffer.from('80054b052e', 'hex'), properties)).toContain('pickle');
  });

  test('others are named', () => {
    expect(reasonOf('{"type":"a"}', { content_type: 'text/plain' })).toContain('"text/plain"');
  });

  test('msgpack', () => {
    const value = [
      {
        type: 'a',
        big: 2n ** 63n,
        small: 5n,
        nan: Number.NaN,
        text: 'é\u0000',
        at: new Date(0),
        bytes: Buffer.from('abc'),
        raw: Buffer.from([255]),
      },
      { type: 'b', list: [1, [2.5, null]] },
      7,
    ];
    const body = encodeMsgpack(value, { useBigInt64: true });
    const { events, deadLetters } = decodeOne(body, {
      content_type: 'application/x-msgpack',
      content_encoding: 'binary',
    });
    expect(events.map(({ event }) => event)).toEqual([
      {
        type: 'a',
        big: '9223372036854775808',
        small: 5,
        nan: 'NaN',
        text: 'é\u0000',
        at: '1970-01-01T00:00:00.000Z',
        bytes: { __type__: 'bytes', __value__: 'abc' },
        raw: { __type__: 'base64', __value__: '/w==' },
      },
      { type: 'b', list: [1, [2.5, null]] },
    ]);
    for (const { event, body: text } of events) expect(JSON.parse(text)).toEqual(event);
    expect(deadLetters).toMatchObject([{ reason: expect.stringContaining('a number') }]);
  });

  test.each([
    ['a claim of four billion elements', 'ddffffffff'],
    ['a claim of four billion bytes', 'c6ffffffff'],
    ['a claim of four billion fields', 'dfffffffff'],
    ['an unknown extension', '81a474797065d40100'],
    ['something after the end', '80c0'],
    ['nothing', ''],
    ['lists 100,000 deep', '91'.repeat(100_000)],
  ])('msgpack with %s', (_name, hex) => {
    expect(reasonOf(Buffer.from(hex, 'hex'), { content_type: 'application/x-msgpack' })).toMatch(
      /msgpack|JSON has no form|"type"/,
    );
  });

  test('yaml, as PyYAML writes it', () => {
    const body =
      'type: task-x\nbig: 123456789012345678901\nat: 2020-01-02 03:04:05\nnan: .nan\nlist:\n- 1\n- a: null\n';
    expect(eventOf(body, { content_type: 'application/x-yaml' })).toEqual({
      type: 'task-x',
      big: '123456789012345678901',
      at: '2020-01-02 03:04:05',
      nan: 'NaN',
      list: [1, { a: null }],
    });
    expect(decodeOne('- type: a\n- type: b\n', { content_type: 'application/x-yaml' }).events).toHaveLength(2);
  });

  test.each([
    ['a Python object', '!!python/object/apply:os.system ["true"]'],
    [
      'an alias bomb',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ntype: x`,
    ],
    ['an open quote', 'type: "a'],
    ['too much text', `type: ${'x'.repeat(300_000)}`],
    ['flow lists 100,000 deep', `type: ${'['.repeat(100_000)}`],
    ['block lists 50,000 deep', `${'- '.repeat(50_000)}x`],
    ['keys 50,000 deep', `${'? '.repeat(50_000)}x`],
    ['two documents', '---\ntype: a\n---\ntype: b\n'],
    ['nothing', ''],
  ])('yaml with %s', (_name, body) => {
    expect(reasonOf(body, { content_type: 'application/x-yaml' })).toMatch(/YAML|null/);
  });
});

describe('compression by header', () => {
  const text = '[{"type": "a"}, {"type": "b"}]';

  test.each([
    ['application/x-gzip', deflateSync(text)],
    ['application/x-gzip', gzipSync(text)],
    ['zlib', deflateSync(text)],
    ['application/x-brotli', brotliCompressSync(text)],
    ['application/zstd', Buffer.from('28b52ffd0058d50000a05b7b2274797065223a202261227d2c2062227d5d0100649b4b', 'hex')],
  ])('%s', (compression, body) => {
    expect(decodeOne(body, { headers: { compression } }).events.map(({ event }) => event.type)).toEqual(['a', 'b']);
  });

  test.each(['application/x-gzip', 'application/x-brotli', 'application/zstd'])(
    '%s of something else',
    (compression) => {
      expect(reasonOf('not compressed', { headers: { compression } })).toContain(
        `does not decompress by "${compression}"`,
      );
    },
  );

  test.each(['application/x-bz2', 'application/x-lzma', 'rar'])('%s is named as unsupported', (compression) => {
    expect(reasonOf('x', { headers: { compression } })).toContain(`"${compression}" is not supported`);
  });

  const BOMBS: readonly (readonly [string, Buffer])[] = [
    ['application/x-gzip', gzipSync(Buffer.alloc(80_000_000, ' '))],
    ['application/x-brotli', brotliCompressSync(Buffer.alloc(20_000_000, ' '))],
    // A bomb that is an event all the same.
    ['application/x-brotli', brotliCompressSync(Buffer.from(`{"type": "a", "x": "${'x'.repeat(1_000_000)}"}`))],
  ];

  test.each(BOMBS)('a bomb is refused: %s', (compression, bomb) => {
    expect(reasonOf(bomb, { headers: { compression } })).toContain('larger than');
  });

  test('what shrinks as text does is read, however large, and what is small in any case', () => {
    const lines = Array.from({ length: 100_000 }, (_, n) => `  File "app.py", line ${n}, in call`).join('\n');
    for (const text of [lines, 'x'.repeat(60_000)]) {
      const body = deflateSync(JSON.stringify({ type: 'a', text }));
      expect(decodeOne(body, { headers: { compression: 'zlib' } }).events).toMatchObject([{ event: { text } }]);
    }
  });
});

describe('what unfolds to too much', () => {
  test('a body of more than 16 MiB is refused', () => {
    const body = `{"type": "a", "x": "${'x'.repeat(16 * 1024 * 1024)}"}`;
    expect(reasonOf(body)).toBe('the body is larger than 16777216 bytes');
  });

  test('a list with some wrong elements keeps each; one with many is kept as it came, its events apart', () => {
    const list = (n: number): string => `[{"type": "a"}, ${'7, '.repeat(n)}{"type": "b"}]`;
    const some = decodeOne(list(100));
    expect(some.events).toHaveLength(2);
    expect(some.deadLetters).toHaveLength(100);
    const many = decodeOne(list(1_000));
    expect(many.events.map(({ event }) => event.type)).toEqual(['a', 'b']);
    expect(many.deadLetters).toMatchObject([
      { reason: expect.stringMatching(/^1000 elements of the list are no events; the first is a number; expected/) },
    ]);
    expect(String(many.deadLetters[0]?.body)).toBe(list(1_000));
  });

  test.each([', ', ','])(
    'a list of more than 100,000 elements is refused as a whole, with %j between them',
    (between) => {
      const list = (n: number): string => `[${Array.from({ length: n }, () => '{"type": "a"}').join(between)}]`;
      expect(decodeOne(list(100_000)).events).toHaveLength(100_000);
      expect(reasonOf(list(100_001))).toBe('the list holds 100001 elements; expected 100000 at most');
    },
  );

  test('a batch is decoded in parts: nothing twice, nothing missing, in order', () => {
    const text = 'x'.repeat(1_000_000);
    const batch = Array.from({ length: 50 }, (_, n) =>
      n % 10 === 9 ? delivery('7') : delivery(JSON.stringify({ type: 'a', n, text })),
    );
    const parts = [...decodeParts(batch)];
    expect(parts.length).toBeGreaterThan(2);
    for (const { events } of parts) expect(events.length).toBeLessThan(20);
    expect(parts.flatMap(({ deliveries }) => deliveries)).toEqual(batch);
    const whole = decode(batch);
    expect(parts.flatMap(({ events }) => events)).toEqual(whole.events);
    expect(parts.flatMap(({ deadLetters }) => deadLetters)).toEqual(whole.deadLetters);
    expect([...decodeParts([])]).toEqual([]);
    expect([...decodeParts([delivery('[]')])]).toHaveLength(1);
  });
});

test('a dead letter keeps headers that JSON can hold, and drops none of the rest of itself for those that it cannot', () => {
  const headers = { hostname: 'w1@vm', bytes: Buffer.from('x'), list: [1n, Number.NaN] };
  expect(decodeOne('x', { headers }).deadLetters[0]?.headers).toEqual({
    hostname: 'w1@vm',
    bytes: { __type__: 'bytes', __value__: 'x' },
    list: [1, 'NaN'],
  });
  expect(decodeOne('x', { headers: { odd: Symbol('x') } }).deadLetters).toMatchObject([
    { headers: {}, reason: expect.stringContaining('not JSON') },
  ]);
});
