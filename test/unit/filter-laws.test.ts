/** What holds of every filter. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compileFilter } from '../../src/domain/filter-match.ts';
import { FILTER_PARAMS, filterFromParams } from '../../src/domain/filter-params.ts';
import { parseFilter } from '../../src/domain/filter-parse.ts';
import { printFilter } from '../../src/domain/filter-print.ts';
import { createTask } from '../../src/domain/task.ts';
import { filters, isMeant, tasks } from '../support/filters.ts';

test('what is printed is read as the same filter', () => {
  fc.assert(
    fc.property(filters, (filter) => {
      const text = printFilter(filter);
      fc.pre(text.length <= 4_000);
      expect(parseFilter(text, 0)).toEqual({ ok: true, filter });
    }),
    { numRuns: 3_000 },
  );
});

test('a task is meant exactly where a plain reading of the filter says so', () => {
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(filters, tasks, fc.constantFrom('a', 'b'), (filter, task, cluster) => {
      const meant = isMeant(filter, task, cluster);
      expect(compileFilter(filter)(task, cluster)).toBe(meant);
      seen[`${meant}`]++;
    }),
    { numRuns: 5_000 },
  );
  expect(Math.min(seen.true, seen.false)).toBeGreaterThan(500);
});

const fragments = fc.constantFrom(
  ...[
    'state:',
    'name:',
    'args:',
    'runtime',
    'received',
    'retries',
    'x:',
    '>',
    '>=',
    '<',
    '=',
    ':',
    '1',
    '1.5',
    '-1h',
    '2026',
  ],
  ...[
    '(',
    ')',
    '"',
    '\\',
    '*',
    ',',
    ' ',
    ' ',
    ' AND ',
    ' OR ',
    'NOT ',
    'or',
    '-',
    '!',
    'a',
    'proj.b',
    '\0',
    '\ud800',
    '😀',
    ';--',
    "'",
  ],
);
const texts = fc.oneof(
  fc.array(fragments, { maxLength: 12 }).map((all) => all.join('')),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

test('any text is a filter, or an error within it', () => {
  const seen = { true: 0, false: 0 };
  fc.assert(
    fc.property(texts, (text) => {
      const read = parseFilter(text, 1e9);
      seen[`${read.ok}`]++;
      if (read.ok) {
        compileFilter(read.filter)(createTask('a'), 'c');
        if (read.filter) expect(parseFilter(printFilter(read.filter), 0)).toEqual(read);
      } else {
        expect(read.at).toBeGreaterThanOrEqual(0);
        expect(read.at).toBeLessThanOrEqual(text.length);
        expect(read.message).toContain(`expected ${read.expected}`);
        expect(read.message).toContain(read.at < text.length ? `at character ${read.at + 1}: ` : 'at the end: ');
      }
    }),
    { numRuns: 10_000 },
  );
  expect(Math.min(seen.true, seen.false)).toBeGreaterThan(1_000);
});

test('any parameter is a filter, or an error that names it', () => {
  const names = fc.constantFrom('foo', ...FILTER_PARAMS.map(({ name }) => name));
  fc.assert(
    fc.property(fc.array(fc.tuple(names, texts), { maxLength: 3 }), (params) => {
      const read = filterFromParams(params, 1e9);
      if (!read.ok) expect(params.some(([name, value]) => name === read.param && read.at <= value.length)).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});
