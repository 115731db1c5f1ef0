import { expect, test } from 'vitest';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { type Logger, logDiagnostics } from '../../src/log.ts';

test('a periodic task that is never sent is told once, and again when there is another reason or it was right meanwhile', () => {
  const warned: object[] = [];
  const log: Logger = { debug() {}, info() {}, warn: (fields) => warned.push(fields), error() {} };
  const diagnostics = createDiagnostics();
  logDiagnostics(diagnostics, log);
  const read = (...unfit: readonly [number, string][]): object[] => {
    diagnostics.emit('beat:read', { tasks: 1, unfit: new Map(unfit) });
    return warned.splice(0);
  };
  expect(read([1, 'args'])).toEqual([{ periodic_task: 1, reason: 'args' }]);
  expect(read([1, 'args'], [2, 'kwargs'])).toEqual([{ periodic_task: 2, reason: 'kwargs' }]);
  expect(read([1, 'args'], [2, 'queue'])).toEqual([{ periodic_task: 2, reason: 'queue' }]);
  expect(read([2, 'queue'])).toEqual([]);
  expect(read([1, 'args'], [2, 'queue'])).toEqual([{ periodic_task: 1, reason: 'args' }]);
});
