import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FIELDS } from '../../src/domain/filter.ts';
import { parseFilter } from '../../src/domain/filter-parse.ts';
import { readable } from '../../src/ui/bytes.ts';
import { escaping, offersAt, quoted } from '../../src/ui/completion.ts';
import { ago, count, duration, middle, percent, plural, visible, visibleLines } from '../../src/ui/format.ts';

test.each<[number | null, string]>([
  [null, '–'],
  [0, '0 s'],
  [0.0004, '0.4 ms'],
  [0.0123, '12 ms'],
  [0.9996, '1.00 s'],
  [1.236, '1.24 s'],
  [9.996, '10.0 s'],
  [59.96, '1 m 00 s'],
  [123.4, '2 m 03 s'],
  [11_040, '3 h 04 m'],
  [183_600, '2 d 3 h'],
  [-1.5, '-1.50 s'],
])('%s seconds are %s', (seconds, text) => expect(duration(seconds)).toBe(text));

test('numbers, shares, and how long ago', () => {
  expect([count(12345), count(null)]).toEqual(['12,345', '–']);
  expect([plural(1, 'gap'), plural(1234, 'gap')]).toEqual(['1 gap', '1,234 gaps']);
  expect([0, 0.004, 0.5, 0.999, 1, null].map(percent)).toEqual(['0 %', '0.4 %', '50 %', '99.9 %', '100 %', '–']);
  expect([0.2, 7.9, 61].map(ago)).toEqual(['now', '7 s ago', '1 m 01 s ago']);
});

describe('foreign text', () => {
  test('what cannot be seen is made visible', () => {
    expect(visible('a\0b\n\u202ec\u200b\x7f\ud800')).toBe('a␀b␊⟨U+202E⟩c⟨U+200B⟩␡⟨U+D800⟩');
    expect(visibleLines('a\n\tb\r')).toBe('a\n\tb␍');
    expect(visible('ünï ☃ 𝄞')).toBe('ünï ☃ 𝄞');
  });

  test('never anything else', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      }),
    );
  });

  test('of long names the end is kept', () => {
    expect(middle('a.very.long.module.with.task', 15)).toBe('a.ver…with.task');
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 3, max: 40 }), (text, most) => {
        expect(Array.from(middle(text, most)).length).toBeLessThanOrEqual(most);
      }),
    );
  });
});

describe('the search box offers', () => {
  const known = { state: ['FAILURE', 'SUCCESS'], name: ['proj.add', 'with space'] };
  const at = (text: string): readonly string[] => offersAt(text, text.length, known).map((offer) => offer.text);

  test.each<[string, readonly string[]]>([
    ['sta', ['state:', 'started>']],
    ['state:FAILURE run', ['runtime>']],
    ['(NOT ret', ['retries>']],
    ['state:', ['FAILURE', 'SUCCESS']],
    ['state:FAILURE,s', ['SUCCESS']],
    ['name:', ['proj.add', '"with space"']],
    ['name:add', ['proj.add']],
    ['args:', []],
    ['"sta', []],
    ['runtime>1', []],
    ['xyz', []],
  ])('after %s', (text, offers) => expect(at(text)).toEqual(offers));

  test('every field, where nothing is written', () => expect(at('')).toHaveLength(FIELDS.length));
});

test('any text can be a value of a filter, and means itself', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), (text) => {
      fc.pre(!text.includes('\0') && text.isWellFormed());
      expect(parseFilter(`name:${quoted(text)}`, 0)).toEqual({
        ok: true,
        filter: { kind: 'text', field: 'name', pattern: { parts: [text] } },
      });
    }),
  );
  expect(escaping('a*b,"\\')).toBe('a\\*b\\,\\"\\\\');
});

describe('the bytes of a message', () => {
  const of = (bytes: Uint8Array): string => readable(Buffer.from(bytes).toString('base64'));

  test('that are text, as text', () => expect(of(Buffer.from('{"a": "ü\0"}\n'))).toBe('{"a": "ü␀"}\n'));

  test('others by their numbers', () => {
    expect(of(Buffer.from([0x80, 2, ...Buffer.from('<b>0123456789abc'), 255]))).toBe(
      '0000  80 02 3c 62 3e 30 31 32 33 34 35 36 37 38 39 61  ··<b>0123456789a\n' +
        '0010  62 63 ff                                         bc·',
    );
    expect(of(new Uint8Array())).toBe('');
  });
});
