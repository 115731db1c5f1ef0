/** The language of `docs/filters.md`: what each text means, what is refused and where. */
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { TaskRecord } from '../../src/contract/records.ts';
import { FIELDS, type Filterable } from '../../src/domain/filter.ts';
import { compileFilter } from '../../src/domain/filter-match.ts';
import { FILTER_PARAMS, filterFromParams } from '../../src/domain/filter-params.ts';
import { parseFilter } from '../../src/domain/filter-parse.ts';
import { printFilter } from '../../src/domain/filter-print.ts';
import { readTime } from '../../src/domain/filter-values.ts';
import { createTask, type Task } from '../../src/domain/task.ts';

const NOW = Date.parse('2026-03-01T12:00:00.500Z') / 1000;

/** The canonical text of what was understood, null for every task, or what was wrong. */
function understood(text: string): string | null {
  const read = parseFilter(text, NOW);
  if (!read.ok) return read.message;
  return read.filter && printFilter(read.filter);
}

function task(fields: Partial<Task>): Task {
  return { ...createTask('4f1c'), ...fields };
}

function isMeant(text: string, fields: Partial<Task>): boolean {
  const read = parseFilter(text, NOW);
  if (!read.ok) throw new Error(read.message);
  return compileFilter(read.filter)(task(fields), 'eu');
}

test.each([
  ['', null],
  ['  \t\n', null],
  ['state:FAILURE', 'state:FAILURE'],
  ['state:failure', 'state:FAILURE'],
  ['state: FAILURE', 'state:FAILURE'],
  ['state:FAILURE,RETRY', 'state:FAILURE OR state:RETRY'],
  ['state:FAILURE, RETRY', 'state:FAILURE OR state:RETRY'],
  ['name:"a,b",c\\,d', 'name:"a,b" OR name:"c,d"'],
  ['args:1,2', 'args:"1,2"'],
  ['a b', 'a b'],
  ['a AND b', 'a b'],
  ['a b OR c', '(a b) OR c'],
  ['a (b OR c)', 'a (b OR c)'],
  ['(a b) c', 'a b c'],
  ['(a OR b) OR c', 'a OR b OR c'],
  ['NOT a b', 'NOT a b'],
  ['NOT (a b)', 'NOT (a b)'],
  ['NOT(a)', 'NOT a'],
  ['NOT NOT a', 'NOT NOT a'],
  ['name:(a OR "b c" OR NOT d*)', 'name:a OR name:"b c" OR NOT name:d*'],
  ['name:(a,b c)', '(name:a OR name:b) name:c'],
  ['worker:celery@web-1', 'worker:celery@web-1'],
  ['name:**x**', 'name:*x*'],
  ['args:**x**', 'args:x'],
  ['args:*', 'args:""'],
  ['name:""', 'name:""'],
  ['"a \\"b\\" \\\\ \\* c*"', '"a \\"b\\" \\\\ \\* c"'],
  ['a\\*', '"a\\*"'],
  ['"OR"', '"OR"'],
  ['"or"', '"or"'],
  ['"state:x"', '"state:x"'],
  ['name::x', 'name:":x"'],
  ['a - b', 'a "-" b'],
  ['-1', '"-1"'],
  ['runtime>1.5', 'runtime>1.5'],
  ['runtime >= 500ms', 'runtime>=0.5'],
  ['runtime<2m', 'runtime<120'],
  ['runtime:1,2h', 'runtime=1 OR runtime=7200'],
  ['retries=3', 'retries=3'],
  ['received>=-15m', 'received>=1772365500.5'],
  ['received<2026-03-01T12:00Z', 'received<1772366400'],
  ['received<"2026-03-01 14:00:00.25+02:00"', 'received<1772366400.25'],
  ['received<=1772366400', 'received<=1772366400'],
  ['received>1970-01-01T00:33:46Z', 'received>2026.0'],
])('%s', (text, canonical) => {
  expect(understood(text)).toBe(canonical);
});

const FIELD_LIST =
  'expected one of state, name, worker, uuid, root, parent, cluster, args, kwargs, result, exception, runtime, retries, sent, received, started, timestamp, or quotes around the text';
const TIME = 'a time such as 2026-03-01T12:00Z, epoch seconds, or -15m for 15 minutes ago';

test.each([
  ['foo:x', `at character 1: there is no field foo; ${FIELD_LIST}`],
  ['a nmae:x', `at character 3: there is no field nmae, perhaps name is meant; ${FIELD_LIST}`],
  ['State:x', `at character 1: there is no field State, perhaps state is meant; ${FIELD_LIST}`],
  ['hostname : x', `at character 1: there is no field hostname, perhaps worker is meant; ${FIELD_LIST}`],
  ['constructor:x', `at character 1: there is no field constructor; ${FIELD_LIST}`],
  ['runtime>fast', 'at character 9: expected after runtime> a number of seconds such as 1.5, or 500ms, 2m, 1h'],
  ['runtime>', 'at the end: expected after runtime> a number of seconds such as 1.5, or 500ms, 2m, 1h'],
  ['runtime>-1', 'at character 9: expected after runtime> a number of seconds such as 1.5, or 500ms, 2m, 1h'],
  ['runtime>1e999', 'at character 9: expected after runtime> a number of seconds such as 1.5, or 500ms, 2m, 1h'],
  ['runtime>1,2', 'at character 10: expected a space after the number'],
  ['retries:(1 OR 2)', 'at character 9: expected after retries: a whole number such as 3'],
  ['retries>1.5', 'at character 9: expected after retries> a whole number such as 3'],
  ['received>=2026', `at character 11: expected after received>= ${TIME}`],
  ['received>=20260301', `at character 11: expected after received>= ${TIME}`],
  ['received>=1772366400000', `at character 11: expected after received>= ${TIME}`],
  ['received>=2026-02-30', `at character 11: expected after received>= ${TIME}`],
  ['received>=2026-03-01T24:00', `at character 11: expected after received>= ${TIME}`],
  ['received>=-15', `at character 11: expected after received>= ${TIME}`],
  ['received>=1969-12-31', `at character 11: expected after received>= ${TIME}`],
  ['received:2026-03-01', 'at character 9: times hardly ever equal each other; expected <, <=, > or >= after received'],
  ['state=FAILURE', 'at character 6: expected : after state'],
  ['state:', 'at the end: expected after state: a text, as in state:FAILURE,RETRY'],
  ['state:A,,B', 'at character 9: expected after state: a text, as in state:FAILURE,RETRY'],
  ['cluster:OR', 'at character 9: expected after cluster: a text, as in cluster:eu, or quotes around "OR"'],
  ['cluster:()', 'at character 10: expected after cluster: a text, as in cluster:eu'],
  ['a or b', 'at character 3: expected OR in upper case, or quotes around "or"'],
  ['-state:FAILURE', 'at character 1: expected NOT in place of -, or quotes around the text'],
  ['!"a b"', 'at character 1: expected NOT in place of !, or quotes around the text'],
  ['> 5', 'at character 1: expected a field before >, such as runtime, or quotes around the text'],
  [': x', 'at character 1: expected a field before :, such as state, or quotes around the text'],
  ["exception:KeyError('x')", 'at character 19: expected a space here, or quotes around the whole text'],
  ['"a"b', 'at character 4: expected a space here, or quotes around the whole text'],
  ['a "b', 'at the end: expected " to close the " at character 3'],
  ['a (b', 'at the end: expected ) to close the ( at character 3'],
  ['a)', 'at character 2: expected no ) here: no ( is open'],
  ['()', 'at character 2: expected a term such as state:FAILURE or a word'],
  ['a OR', 'at the end: expected a term such as state:FAILURE or a word'],
  ['AND a', 'at character 1: expected a term such as state:FAILURE or a word, or quotes around "AND"'],
  ['a\\n', 'at character 2: expected after a backslash one of * " , \\ (a backslash itself is written \\\\)'],
  ['a\\', 'at character 2: expected after a backslash one of * " , \\ (a backslash itself is written \\\\)'],
  ['a\0', 'at character 2: expected a text without NUL'],
])('refuses %s', (text, message) => {
  expect(understood(text)).toBe(message);
});

test('size is limited', () => {
  const taken = [`${'('.repeat(64)}a${')'.repeat(64)}`, `${'NOT '.repeat(64)}a`, 'a '.repeat(200), 'a'.repeat(4000)];
  expect(taken.map((text) => parseFilter(text, NOW).ok)).toEqual([true, true, true, true]);
  const refused = ['('.repeat(65), 'NOT '.repeat(65), 'a '.repeat(201), 'a'.repeat(4001)];
  expect(refused.map(understood)).toEqual([
    'at character 65: expected no more than 64 levels of ( and NOT',
    'at character 257: expected no more than 64 levels of ( and NOT',
    'at character 401: expected no more than 200 terms',
    'at character 4001: expected no more than 4000 characters',
  ]);
  const values = filterFromParams([['state', `${'A,'.repeat(200)}A`]], NOW);
  expect(values).toMatchObject({ message: 'parameter state: expected no more than 200 values in all parameters' });
});

test('an error is told in parts, too', () => {
  const error = { ok: false, at: 8, expected: 'after retries> a whole number such as 3' };
  expect(parseFilter('retries>x', NOW)).toMatchObject(error);
});

describe('a task is meant', () => {
  test.each<[string, Partial<Task>, boolean]>([
    ['', {}, true],
    ['state:failure', { state: 'FAILURE' }, true],
    ['state:fail', { state: 'FAILURE' }, false],
    ['state:*U*', { state: 'FAILURE' }, true],
    ['name:proj.*', { name: 'proj.mail.send' }, true],
    ['name:Proj.*', { name: 'proj.mail.send' }, false],
    ['name:a*a', { name: 'a' }, false],
    ['name:*a*a*', { name: 'ba' }, false],
    ['name:a*bc*c', { name: 'abc' }, false],
    ['name:*', { name: null }, false],
    ['NOT name:*', { name: null }, true],
    ['uuid:4f*', {}, true],
    ['root:r parent:p', { root_id: 'r', parent_id: 'p' }, true],
    ['cluster:eu', {}, true],
    ['cluster:us', {}, false],
    ['args:2', { args: '(1, 2)' }, true],
    ['args:1*2', { args: '(1, 2)' }, true],
    ['args:2*1', { args: '(1, 2)' }, false],
    ['args:""', { args: null }, false],
    [
      'kwargs:"\'user\': 5" result:one exception:Key',
      { kwargs: "{'user': 5}", result: 'None', exception: 'KeyError()' },
      true,
    ],
    ['web', { worker: 'celery@web-1' }, true],
    ['web', { state: 'WEB', root_id: 'web', parent_id: 'web', traceback: 'web' }, false],
    ['4f1', {}, true],
    ['runtime>1.5', { runtime: 1.5 }, false],
    ['runtime>=1.5', { runtime: 1.5 }, true],
    ['runtime<1', { runtime: null }, false],
    ['NOT runtime<1', { runtime: null }, true],
    ['retries:0,2', { retries: 2 }, true],
    ['received>=-1h', { received: NOW - 3600 }, true],
    ['received>-1h', { received: NOW - 3600 }, false],
    ['a OR b NOT c', { args: 'a c' }, true],
    ['(a OR b) NOT c', { args: 'a c' }, false],
  ])('by %s: %j: %s', (text, fields, meant) => {
    expect(isMeant(text, fields)).toBe(meant);
  });

  test('as the domain has it and as clients see it', () => {
    const { uuid, children: _, life: _life, stored_life: _stored, kind: _kind, ...fields } = task({ name: 'n' });
    const record: TaskRecord = {
      ...fields,
      task_id: uuid,
      cluster: 'eu',
      children: [],
      orphaned: null,
      doubt: null,
      runs: null,
    };
    const filterable: Filterable = record;
    const read = parseFilter('uuid:4f1c name:n', NOW);
    expect(read.ok && compileFilter(read.filter)(filterable, record.cluster)).toBe(true);
  });

  test('soon, however wildcards and text are chosen', () => {
    const read = parseFilter(`args:${'a*'.repeat(1_900)}b`, NOW);
    const matches = compileFilter(read.ok ? read.filter : null);
    expect(matches(task({ args: 'a'.repeat(1_000_000) }), 'eu')).toBe(false);
  });
});

describe('query parameters', () => {
  test.each([
    ['', null],
    ['q=', null],
    ['state=FAILURE,retry&name=a b*', '(state:FAILURE OR state:RETRY) name:"a b*"'],
    ['state=A&args=1,2&state=B', '(state:A OR state:B) args:"1,2"'],
    ['worker=a\\,b', 'worker:"a,b"'],
    [`kwargs="(x) OR '`, `kwargs:"\\"(x) OR '"`],
    ['args=*x*', 'args:x'],
    ['retries=1,2&runtime_from=2m&runtime_to=1h', '(retries=1 OR retries=2) runtime>=120 runtime<=3600'],
    ['received_from=-1h&received_to=2026-03-01T12:00Z', 'received>=1772362800.5 received<=1772366400'],
    ['q=a OR b&state=A', '(a OR b) state:A'],
    ['q=a b&state=A', 'a b state:A'],
    ['foo=1', `there is no parameter foo; expected one of ${FILTER_PARAMS.map(({ name }) => name).join(', ')}`],
    ['received=-1h', 'there is no parameter received; expected received_from or received_to'],
    ['state=', 'parameter state: at the end: expected a text'],
    ['state=A,,B', 'parameter state: at character 3: expected a text'],
    [
      'name=a\\',
      'parameter name: at character 2: expected after a backslash one of * " , \\ (a backslash itself is written \\\\)',
    ],
    ['name=a%00', 'parameter name: at character 2: expected a text without NUL'],
    ['retries=1,x', 'parameter retries: at character 3: expected a whole number such as 3'],
    [
      'runtime_from=1,2',
      'parameter runtime_from: at character 1: expected a number of seconds such as 1.5, or 500ms, 2m, 1h',
    ],
    ['received_to=soon', `parameter received_to: at character 1: expected ${TIME}`],
    ['q=a&q=b', 'parameter q: at character 1: expected q only once'],
    ['q=a)', 'parameter q: at character 2: expected no ) here: no ( is open'],
  ])('%s', (query, expected) => {
    const read = filterFromParams(new URLSearchParams(query), NOW);
    expect(read.ok ? read.filter && printFilter(read.filter) : read.message).toBe(expected);
    if (!read.ok) expect(read.param).toBe(query.split('=')[0]);
  });

  test('say by which examples they are understood', () => {
    for (const { name, example } of FILTER_PARAMS) {
      expect(filterFromParams([[name, example]], NOW), name).toMatchObject({ ok: true });
    }
  });
});

test('the examples of the fields are right, and ask for that field', () => {
  for (const { name, example } of FIELDS) {
    const read = parseFilter(example, NOW);
    expect(JSON.stringify(read), example).toContain(`"field":"${name}"`);
  }
});

test('times', () => {
  const iso = (text: string): string | undefined => {
    const time = readTime(text, NOW);
    return time === undefined ? undefined : new Date(time * 1000).toISOString();
  };
  expect(iso('2026-03-01')).toBe('2026-03-01T00:00:00.000Z');
  expect(iso('2026-03-01t23:59:59.5-0130')).toBe('2026-03-02T01:29:59.500Z');
  expect(iso('-1d')).toBe('2026-02-28T12:00:00.500Z');
  expect(readTime('-99999w', NOW)).toBe(0);
  expect(readTime('1e9', NOW)).toBe(1e9);
  expect(['now', '12:00', '2026-03', '2026-03-01T12', '2026-03-01T12:00+25:00', '', '-', ' 1'].map(iso)).toEqual(
    Array(8).fill(undefined),
  );
});

test('the page tells every field, and its examples are understood', () => {
  const page = readFileSync(new URL('../../docs/filters.md', import.meta.url), 'utf8');
  for (const { name } of FIELDS) expect(page).toMatch(new RegExp(`\`${name}[:>]`));
  const block = /^```filter\n(.*?)^```/ms.exec(page)?.[1]?.trim().split('\n') ?? [];
  const table = [...page.matchAll(/^\|.*`(.+)` \|$/gm)].map(([, example = '']) => example);
  expect([block.length, table.length]).toEqual([5, 10]);
  for (const example of [...block, ...table]) expect(parseFilter(example, NOW), example).toMatchObject({ ok: true });
});
