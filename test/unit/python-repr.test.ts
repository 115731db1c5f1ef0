import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isCut, readRepr, type Value } from '../../src/ui/python-repr.ts';

/** A value as plain JSON, to compare. */
function plain(value: Value): unknown {
  switch (value.kind) {
    case 'atom':
      return Number.isNaN(Number(value.text)) ? value.text : Number(value.text);
    case 'text':
      return `${value.prefix}'${value.text}'`;
    case 'object':
      return value.text;
    case 'cut':
      return '…';
    case 'items': {
      const of = value.of.map(({ key, value: each }) => (key === null ? plain(each) : [plain(key), plain(each)]));
      return [value.name + value.open, ...of, ...(value.isCut ? ['…'] : [])];
    }
  }
}

const read = (text: string): unknown => {
  const value = readRepr(text);
  return value && plain(value);
};

test.each<[string, unknown]>([
  ['None', 'None'],
  ['-1.5e-07', -1.5e-7],
  ['()', ['(']],
  ['(1,)', ['(', 1]],
  ["{'a': [1, True], 2: {'x', 'y'}}", ['{', ["'a'", ['[', 1, 'True']], [2, ['{', "'x'", "'y'"]]]],
  ["'it\\'s \\n\\x41\\u2603 \\q'", "'it's \nA☃ \\q'"],
  ["b'\\x00' ", "b'\0'"],
  ["{'s': 'hello \"q\" it's \n'}", ['{', ["'s'", "'hello \"q\" it's \n'"]]],
  ['datetime.date(2026, 11, 24)', ['datetime.date(', 2026, 11, 24]],
  ["Order(id=5, of=<Shop 'ab' of <X> at 0x7f>)", ['Order(', ['id', 5], ['of', "<Shop 'ab' of <X> at 0x7f>"]]],
  ['<object object at 0x7f01>', '<object object at 0x7f01>'],
])('%s', (text, value) => expect(read(text)).toEqual(value));

describe('what is cut is said', () => {
  test.each<[string, unknown]>([
    ['(1, 2, ...)', ['(', 1, 2, '…']],
    ["{'a': {...}}", ['{', ["'a'", ['{', '…']]]],
    ["('long tex...', 1)", ['(', "'long tex...'", 1]],
    ["{'a': 'unfinis...", ['{', ["'a'", "'unfinis'"], '…']],
    ['[1, 2, [3...', ['[', 1, 2, ['[', 3, '…', '…'], '…']],
    ['[1, 2, ...', ['[', 1, 2, '…', '…']],
    ["{'a': ", ['{', ["'a'", '…'], '…']],
  ])('%s', (text, value) => {
    expect(read(text)).toEqual(value);
    const found = readRepr(text);
    expect(found === null || isCut(found)).toBe(true);
  });

  test('and what is whole is not', () => {
    expect(isCut(readRepr("('a', {'b': ['...c']}, <X>)") as Value)).toBe(false);
  });
});

test.each(['', ' ', 'hello world', '(1 2)', '{1: }', ')', '(1))', '=', 'a=1'])('%s is no value', (text) => {
  expect(readRepr(text)).toBeNull();
});

test('whatever it is given, it ends, and soon', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'(){}[]<>\'"\\,:=. \n1aNx'), maxLength: 300 }), (text) => {
      const value = readRepr(text);
      expect(value === null || typeof value === 'object').toBe(true);
    }),
  );
  for (const text of ['('.repeat(1100), "'".repeat(1100), '<'.repeat(1100), "{'".repeat(550), '...'.repeat(400)]) {
    const start = performance.now();
    readRepr(text);
    expect(performance.now() - start).toBeLessThan(200);
  }
});

/** As Python writes values, those of JSON and tuples. */
const value: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.integer(),
    fc.constant('None'),
    fc.string({ unit: fc.constantFrom(...'abc \n\t\\"☃') }).map((text) => ({ text })),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(fc.integer(), tie('value')), { maxLength: 3 }).map((pairs) => ({ pairs })),
  ),
})).value;

function repr(of: unknown): string {
  if (Array.isArray(of)) return `[${of.map(repr).join(', ')}]`;
  if (typeof of !== 'object' || of === null) return String(of);
  if ('text' in of)
    return `'${String(of.text).replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t')}'`;
  const { pairs } = of as { pairs: [number, unknown][] };
  return `{${pairs.map(([key, each]) => `${key}: ${repr(each)}`).join(', ')}}`;
}

function expected(of: unknown): unknown {
  if (Array.isArray(of)) return ['[', ...of.map(expected)];
  if (typeof of !== 'object' || of === null) return of;
  if ('text' in of) return `'${String(of.text)}'`;
  const { pairs } = of as { pairs: [number, unknown][] };
  return ['{', ...pairs.map(([key, each]) => [key, expected(each)])];
}

test('what Python writes is read back', () => {
  fc.assert(
    fc.property(value, (of) => {
      expect(read(repr(of))).toEqual(expected(of));
    }),
  );
});

test('what is cut anywhere is never read as if it were whole', () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1, maxLength: 4 }),
      fc.double({ min: 0, max: 0.99, noNaN: true }),
      (of, share) => {
        const whole = repr(of);
        const found = readRepr(`${whole.slice(0, Math.floor(whole.length * share))}...`);
        expect(found === null || isCut(found)).toBe(true);
      },
    ),
  );
});
