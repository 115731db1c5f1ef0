/** The display strings that the tests of redaction are made with are those of Celery. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Python, saferepr } from '../../src/domain/saferepr.ts';
import { PYTHON } from '../support/services.ts';

const SCRIPT = `
import json, sys
from celery.utils.saferepr import saferepr
def value(v):
    if isinstance(v, dict) and 'dict' in v: return {k: value(x) for k, x in v['dict']}
    if isinstance(v, dict) and 'tuple' in v: return tuple(value(x) for x in v['tuple'])
    return [value(x) for x in v] if isinstance(v, list) else v
print(json.dumps([saferepr(value(v), maxlen=n) for v, n in json.load(sys.stdin)]))
`;

test('as Celery makes them, cut or not', () => {
  const text = fc
    .array(fc.constantFrom("'", '\\', ' ', 'abc', 'd', ', ', '"', '\n'), { maxLength: 8 })
    .map((parts) => parts.join(''));
  const value: fc.Arbitrary<Python> = fc.letrec<{ value: Python }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(text, fc.constantFrom(null, true, 3)),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.array(tie('value'), { maxLength: 4 }).map((tuple) => ({ tuple })),
      fc
        .uniqueArray(fc.tuple(text, tie('value')), { maxLength: 4, selector: ([key]) => key })
        .map((dict) => ({ dict })),
    ),
  })).value;
  const cases = fc.sample(fc.tuple(value, fc.oneof(fc.constant(1024), fc.integer({ min: 1, max: 90 }))), 3000);
  const { stdout, stderr } = spawnSync(PYTHON, ['-c', SCRIPT], { input: JSON.stringify(cases), encoding: 'utf8' });
  expect(stderr).toBe('');
  const theirs: readonly string[] = JSON.parse(stdout);
  const differing = cases.flatMap(([given, length], n) => {
    const ours = saferepr(given, length);
    return ours === theirs[n] ? [] : [{ given, length, ours, theirs: theirs[n] }];
  });
  expect(differing.slice(0, 3).map((d) => JSON.stringify(d))).toEqual([]);
});
