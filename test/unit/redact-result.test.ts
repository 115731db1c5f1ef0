/** What redaction takes out of stored results. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ResultRecord } from '../../src/contract/results.ts';
import { createRedactor } from '../../src/domain/redaction.ts';
import { redactResult } from '../../src/http/redact-result.ts';
import { tell, toPython } from '../../src/python-data.ts';
import { parseRedaction } from '../../src/redaction-rules.ts';
import { nothing } from '../../src/store/results.ts';
import { runs } from '../support/effort.ts';

const SECRET = 'hunter2';

function redactor(rules: string) {
  const parts = { hash: () => 'sha256:…', nameOf: () => null, maxTasks: 10 };
  return createRedactor(parseRedaction(`rules: ${rules}`, 'rules.yml', null), parts);
}

function stored(value: unknown, more: Partial<ResultRecord> = {}): ResultRecord {
  const { json, text } = tell(toPython(value));
  return { ...nothing('t1'), status: 'SUCCESS', result: json, text, table: 'public.celery_taskmeta', ...more };
}

const redact = (rules: string, record: ResultRecord, names: readonly string[] = ['accounts.create']): ResultRecord =>
  redactResult(redactor(rules), record, names);

test.each([
  ['a path', '[{path: result.token}]', { token: SECRET, n: 1 }, { token: '***', n: 1 }],
  ['a path at any depth', '[{path: "result.**.token"}]', { a: [{ token: SECRET }] }, { a: [{ token: '***' }] }],
  ['a pattern in a text', '[{match: hunter2}]', `so ${SECRET} it is`, 'so *** it is'],
  ['a pattern in data', '[{match: hunter2}]', { a: SECRET }, '***'],
  ['bytes, which JSON has in Base64', '[{match: hunter2}]', Uint8Array.of(255, ...Buffer.from(SECRET)), '***'],
  ['all of a task', '[{task: accounts.*}]', { a: 1 }, '***'],
  ['a field', '[{fields: result}]', [1, 2], '***'],
])('%s', (_, rules, value, left) => {
  const redacted = redact(rules, stored(value));
  expect(redacted.result).toEqual(left);
  expect(JSON.stringify(redacted)).not.toContain(SECRET);
});

test('an exception is one, not a result', () => {
  const exc = { exc_type: 'ValueError', exc_message: [SECRET], exc_module: 'builtins' };
  const more = { status: 'FAILURE', text: `ValueError('${SECRET}')`, traceback: `Traceback\n ${SECRET}` };
  const failed = stored(exc, more);
  expect(redact('[{fields: result}]', failed)).toBe(failed);
  const redacted = redact('[{fields: exception}]', failed);
  expect(redacted).toMatchObject({ result: '***', text: '***', traceback: more.traceback });
  expect(redact('[{match: hunter2}]', failed)).toMatchObject({ result: '***', traceback: 'Traceback\n ***' });
});

test('arguments that were stored whole', () => {
  const record = stored(1, { args: ['ann', SECRET], kwargs: { password: SECRET, n: 1 } });
  const redacted = redact('[{path: [kwargs.password, "args[1]"]}]', record);
  expect(redacted).toMatchObject({ args: ['ann', '***'], kwargs: { password: '***', n: 1 }, result: 1 });
});

test('rules of other tasks leave it alone; where its name is not known, they do not', () => {
  const record = stored({ a: 1 });
  expect(redact('[{task: payments.*}]', record)).toBe(record);
  expect(redact('[{task: payments.*}]', record, [])).toMatchObject({ result: '***', text: '***' });
  expect(redact('[{task: payments.*}]', record, ['accounts.create', 'payments.charge']).result).toBe('***');
});

test('what a pattern finds is in nothing that is left', () => {
  const text = fc.constantFrom('', 'a', SECRET, `'${SECRET}"`, `ä\n${SECRET}\\`);
  const value = fc.object({ key: text, values: [text, fc.integer(), fc.constant(null)], withNullPrototype: false });
  fc.assert(
    fc.property(value, (made) => {
      const { result, text } = redact('[{match: hunter2}]', stored(made));
      expect(JSON.stringify([result, text])).not.toContain(SECRET);
    }),
    { numRuns: runs(1000) },
  );
});
