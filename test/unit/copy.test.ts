import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chunksOf, copyLines } from '../../src/postgres.ts';
import {
  copyFields,
  copyNumber,
  copyText,
  copyTime,
  storableJson,
  storableKey,
  storableText,
} from '../../src/postgres-text.ts';
import { runs } from '../support/effort.ts';

const anyText = fc.string({ unit: 'binary' });

test('a line of any texts is one line, and its fields are the texts, marked', () => {
  fc.assert(
    fc.property(fc.array(fc.option(anyText), { minLength: 1 }), (texts) => {
      const line = texts.map(copyText).join('\t');
      expect(line).not.toMatch(/[\n\r\0]/);
      expect(copyFields(Buffer.from(line).toString())).toEqual(texts.map((text) => text && storableText(text)));
    }),
  );
});

test('what Postgres itself escapes is read', () => {
  expect(copyFields('a\\b\\f\\v\\\\\t\\N\t\\\\N\t\\t')).toEqual(['a\b\f\v\\', null, '\\N', '\t']);
});

test('numbers are exact', () => {
  fc.assert(fc.property(fc.double(), (number) => Object.is(Number(copyNumber(number)), number)));
  expect([copyNumber(-0), copyNumber(0), copyNumber(null), copyNumber(1e21), copyNumber(-1 / 0)]).toEqual([
    '-0',
    '0',
    '\\N',
    '1e+21',
    '-Infinity',
  ]);
});

test('times that Postgres or JavaScript does not know are NULL', () => {
  expect(copyTime(1.5)).toBe('1970-01-01T00:00:01.500Z');
  expect(copyTime(-62_135_596_800)).toBe('0001-01-01T00:00:00.000Z');
  expect([1e300, -1e300, Number.NaN, -62_135_596_801, 253_402_300_800, null].map(copyTime)).toEqual(
    Array(6).fill('\\N'),
  );
});

test('a storable text holds no NUL and no lone surrogate', () => {
  expect(storableText('a\0b\ud800c\udc00𝄞')).toBe('a␀b�c�𝄞');
});

test('a storable key fits an index, and long ones stay apart', () => {
  const long = '𝄞'.repeat(5000);
  const keys = [long, `${long}a`, `${long}b`, 'x'.repeat(513), '\0'.repeat(600)].map(storableKey);
  expect(new Set(keys).size).toBe(5);
  for (const key of keys) {
    expect(Buffer.byteLength(key)).toBeLessThan(2000);
    expect(key).toBe(storableText(key));
  }
  expect(storableKey('x'.repeat(512))).toBe('x'.repeat(512));
});

test('storable JSON is what jsonb takes, and the same where it can be', () => {
  expect(storableJson({ a: 'x\0', 'k\ud800': [1, { b: '\udc00' }], n: [Number.POSITIVE_INFINITY, -0, 1e300] })).toBe(
    '{"a":"x␀","k�":[1,{"b":"�"}],"n":["Infinity",0,1e+300]}',
  );
  expect(storableJson({ a: '\u001f', b: Number.NEGATIVE_INFINITY })).toBe('{"a":"\\u001f","b":"-Infinity"}');
  expect(storableJson('\0')).toBe('"␀"');
  expect(storableJson(null)).toBe('null');
  let deep: unknown = 1;
  for (let n = 0; n < 100_000; n += 1) deep = n % 2 ? [deep] : { deep };
  const text = storableJson(deep as never);
  expect(text).toContain('…');
  expect(text.length).toBeLessThan(1000);
  fc.assert(
    fc.property(fc.json(), (json) => {
      const text = storableJson(JSON.parse(json));
      expect(text).not.toMatch(/\\u0000|\\ud[89a-f]/i);
      if (!/\\u|\\\\/.test(json)) expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(JSON.parse(json))));
    }),
  );
});

test('lines are collected as they are, whatever their length', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(anyText, fc.constantFrom(1, 1, 1, 3000, 30_000)), { maxLength: 30 }),
      async (parts) => {
        const texts = parts.map(([text, times]) => text.repeat(times).toWellFormed());
        const chunks: Buffer[] = [];
        for await (const chunk of chunksOf(texts)) chunks.push(chunk);
        expect(Buffer.concat(chunks).toString()).toBe(texts.join(''));
      },
    ),
    { numRuns: runs(50) },
  );
});

test('bytes in pieces of any size become whole lines', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' })), fc.integer({ min: 1, max: 9 }), async (texts, size) => {
      const lines = texts.map((text) => text.replaceAll('\n', ' ').toWellFormed());
      const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
      async function* pieces() {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      }
      const read: string[] = [];
      for await (const some of copyLines(pieces())) read.push(...some);
      expect(read).toEqual(lines);
    }),
  );
});
