import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Event, ReceivedEvent } from '../../src/domain/event.ts';
import { createRedactor, type Redactor } from '../../src/domain/redaction.ts';
import { findInRepr } from '../../src/domain/repr.ts';
import { type Python, saferepr } from '../../src/domain/saferepr.ts';
import { MonitorError } from '../../src/errors.ts';
import { hasher, parseRedaction } from '../../src/redaction-rules.ts';

const KEY = 'a key of the operator';

function redactor(rules: readonly object[], names: Readonly<Record<string, string>> = {}, maxTasks = 100): Redactor {
  const parsed = parseRedaction(JSON.stringify({ rules }), 'redact.yml', KEY);
  return createRedactor(parsed, { hash: hasher(KEY), nameOf: (_, uuid) => names[uuid] ?? null, maxTasks });
}

function received(event: Event): ReceivedEvent {
  return { cluster: 'c', local_received: 1, redelivered: false, event, body: JSON.stringify(event) };
}

/** What becomes of one field of an event under one rule. */
function redacted(rule: object, field: string, value: Event[string]): Event[string] | undefined {
  const { event, body } = redactor([rule]).event(
    received({ type: 'task-received', uuid: 'u', name: 'n', [field]: value }),
  );
  expect(JSON.parse(body)).toEqual(event);
  return event[field];
}

describe('a value inside a display string', () => {
  test.each([
    [`{'user': 'bob', 'password': 'hunter2', 'n': 1}`, `{'user': 'bob', 'password': '***', 'n': 1}`],
    [`{'password': 'it\\'s, \\': x', 'n': 1}`, `{'password': '***', 'n': 1}`],
    [`{'password': 1234}`, `{'password': '***'}`],
    [`{'password': {'old': 'a', 'new': ['b']}, 'x': None}`, `{'password': '***', 'x': None}`],
    [
      `{'password': Decimal('1.2'), 'at': datetime.datetime(2026, 1, 1)}`,
      `{'password': '***', 'at': datetime.datetime(2026, 1, 1)}`,
    ],
    [`{'password': <Secret at 0x1>}`, `{'password': '***'}`],
    [`{'user': 'a \\ b', 'password': 'hunt...', ...}`, `{'user': 'a \\ b', 'password': '***', ...}`],
    [`{'note': 'my password', 'password_hint': 'x'}`, `{'note': 'my password', 'password_hint': 'x'}`],
    [`{'json': '{"password": "hunter2"}', 'n': 1}`, `{'json': '***', 'n': 1}`],
    [`{"password": "hunter2", "n": 1}`, `{"password":"***","n":1}`],
    ['{}', '{}'],
    ['', ''],
    ['None', 'None'],
  ])('of kwargs: %s', (before, after) => {
    expect(redacted({ path: 'kwargs.password' }, 'kwargs', before)).toBe(after);
  });

  test.each([
    [`('bob', 'hunter2')`, `('bob', '***')`],
    [`('bob',)`, `('bob',)`],
    [`['bob', 'hunter2', {'a': [...]}]`, `['bob', '***', {'a': [...]}]`],
    [`[1, "hunter2"]`, `[1,"***"]`],
    [`({'a': 1}, {...})`, `({'a': 1}, '***')`],
  ])('of args: %s', (before, after) => {
    expect(redacted({ path: 'args[1]' }, 'args', before)).toBe(after);
  });

  test.each([
    [`{'a': {'token': 'x'}, 'b': {'token': 'y'}}`, 'kwargs.a.token', `{'a': {'token': '***'}, 'b': {'token': 'y'}}`],
    [
      `{'a': {'token': 'x'}, 'b': [{'token': 'y'}]}`,
      'kwargs.*.token',
      `{'a': {'token': '***'}, 'b': [{'token': 'y'}]}`,
    ],
    [
      `{'a': {'token': 'x'}, 'b': [{'token': 'y'}], 'token': 'z'}`,
      'kwargs.**.token',
      `{'a': {'token': '***'}, 'b': [{'token': '***'}], 'token': '***'}`,
    ],
    [`{'a': [1, {'pin': 2}]}`, 'kwargs.a[1].pin', `{'a': [1, {'pin': '***'}]}`],
    [`{'a': User('bob', 'x')}`, 'kwargs.a.token', `{'a': '***'}`],
  ])('deeper: %s by %s', (before, path, after) => {
    expect(redacted({ path }, 'kwargs', before)).toBe(after);
  });

  test.each([
    `{'password': 'hunter2`,
    `{'password': 'hunter2'`,
    `{'password': 'hun'ter2'}`,
    `{'password': 'hunter2\\\\'}`,
    `{'password': b'hun'ter2'}`,
    `{'password': "hunter2", 'a': 'b'}`,
    `{'pass...': 'hunter2', ...}`,
    `{'user': User(password='hunter2')}`,
    `{'user': , ...}`,
    `{'a': 1)`,
    `'{}'`,
    `{'password': 'hunter2'} and more`,
    `${'['.repeat(100_000)}`,
    `{'a': ${'['.repeat(100)}'hunter2'`,
  ])('what cannot be read with certainty goes as a whole: %.60s', (text) => {
    expect(redacted({ path: 'kwargs.password' }, 'kwargs', text)).toBe('***');
  });

  test('data instead of a display string is walked', () => {
    const kwargs = { user: { password: 'x', n: [1] }, list: [{ password: 'y' }] };
    expect(redacted({ path: 'kwargs.**.password' }, 'kwargs', kwargs)).toEqual({
      user: { password: '***', n: [1] },
      list: [{ password: '***' }],
    });
    expect(redacted({ path: 'kwargs.nothing' }, 'kwargs', kwargs)).toEqual(kwargs);
  });
});

describe('whole fields and patterns', () => {
  test('without a path or pattern the fields go', () => {
    const fields = { args: '(1,)', kwargs: '{}', result: '2', exception: 'E()', traceback: 'T' };
    const { event } = redactor([{}]).event(received({ type: 'task-x', uuid: 'u', retries: 1, ...fields }));
    expect(event).toEqual({
      ...{ type: 'task-x', uuid: 'u', retries: 1 },
      ...{ args: '***', kwargs: '***', result: '***', exception: '***', traceback: '***' },
    });
  });

  test('a pattern takes what it matches, and a text that was cut as a whole', () => {
    const rule = { match: String.raw`\b\d{16}\b`, fields: ['result', 'traceback'] };
    expect(redacted(rule, 'result', `'card 4111111111111111, ok {...}'`)).toBe(`'card ***, ok {...}'`);
    expect(redacted(rule, 'result', `'card 41111111...'`)).toBe('***');
    expect(redacted(rule, 'traceback', 'a...\n4111111111111111')).toBe('a...\n***');
    expect(redacted(rule, 'result', { card: [4111111111111111] })).toBe('***');
    expect(redacted(rule, 'args', '(4111111111111111,)')).toBe('(4111111111111111,)');
  });

  test('fields of custom events', () => {
    expect(redacted({ fields: 'note' }, 'note', 'x')).toBe('***');
  });

  test('a hash is the same for the same text in whatever form, and another under another key', () => {
    const rule = { path: 'kwargs.password', action: 'hash' };
    const repr = String(redacted(rule, 'kwargs', `{'password': 'hunter2'}`));
    const [hash] = /sha256:[0-9a-f]{32}/.exec(repr) ?? [];
    expect(repr).toBe(`{'password': '${hash}'}`);
    expect(redacted(rule, 'kwargs', { password: 'hunter2' })).toEqual({ password: hash });
    expect(hasher('another key')('hunter2')).not.toBe(hash);
    expect(hasher(KEY)('hunter2')).toBe(hash);
  });

  test('nothing to take out: the very same event, its text not rewritten', () => {
    const given = { ...received({ type: 'task-received', uuid: 'u', kwargs: '{}' }), body: '{"type" : "x"}' };
    expect(redactor([{ path: 'kwargs.password' }]).event(given)).toBe(given);
  });
});

describe('rules about some tasks', () => {
  const rule = { task: ['accounts.*', 'x.?'], fields: ['args', 'result'] };
  const named = (uuid: string, name: string) => received({ type: 'task-received', uuid, name, args: '(1,)' });
  const ended = (uuid: string) => received({ type: 'task-succeeded', uuid, result: '2' });

  test.each([
    ['accounts.create', true],
    ['accounts.a.b', true],
    ['x.y', true],
    ['x.yy', false],
    ['my.accounts.create', false],
  ])('%s: %s', (name, matches) => {
    expect(redactor([rule]).event(named('u', name)).event['args']).toBe(matches ? '***' : '(1,)');
  });

  test('an event that does not tell its name is that of the task', () => {
    const at = redactor([rule], { known: 'other', secret: 'accounts.create' });
    at.event(named('a', 'accounts.create'));
    at.event(named('b', 'other'));
    expect(at.event(ended('a')).event['result']).toBe('***');
    expect(at.event(ended('b')).event['result']).toBe('2');
    expect(at.event(ended('known')).event['result']).toBe('2');
    expect(at.event(ended('secret')).event['result']).toBe('***');
    expect(at.event(ended('nobody knows')).event['result']).toBe('***');
  });

  test('a task under two names is both, in every order', () => {
    for (const names of [
      ['accounts.create', 'other'],
      ['other', 'accounts.create'],
    ]) {
      const at = redactor([rule]);
      for (const name of names) at.event(named('u', name));
      expect(at.event(ended('u')).event['result']).toBe('***');
    }
  });

  test('what is remembered is bounded, and what is forgotten is redacted', () => {
    const at = redactor([rule], {}, 2);
    for (const uuid of ['a', 'b', 'c']) at.event(named(uuid, 'other'));
    expect(['a', 'b', 'c'].map((uuid) => at.event(ended(uuid)).event['result'])).toEqual(['***', '2', '2']);
  });

  test('the tasks of Celery that carry calls of others go whole', () => {
    const kwargs = `{'callback': {'task': 'accounts.create', 'kwargs': {'password': 'x'}}}`;
    const event = { type: 'task-received', uuid: 'u', name: 'celery.chord_unlock', kwargs };
    for (const rules of [[{ task: 'accounts.*', fields: 'kwargs' }], [{ path: 'kwargs.password' }]]) {
      expect(redactor(rules).event(received(event)).event['kwargs']).toBe('***');
    }
  });
});

test('a dead letter keeps its reason only', () => {
  const letter = {
    ...{ cluster: 'c', local_received: 1, routing_key: 'task.sent', content_type: null, content_encoding: null },
    ...{
      redelivered: false,
      headers: { argsrepr: 'hunter2' },
      body: Buffer.from('hunter2'),
      reason: 'the body is not JSON (Unexpected token, "hunter2)" is not valid)',
    },
  };
  const clean = redactor([{}]).letter(letter);
  expect(clean).toMatchObject({ headers: {}, routing_key: 'task.sent' });
  expect(clean.body).toHaveLength(0);
  expect(clean.reason).toBe('the body is not JSON; its bytes are not kept, because redaction is configured');
});

describe('a file of rules', () => {
  const complaint = (content: string, key: string | null = null): string => {
    try {
      parseRedaction(content, 'redact.yml', key);
    } catch (error) {
      if (MonitorError.is(error, 'CONFIG_INVALID')) return error.message;
      throw error;
    }
    throw new Error('nothing was wrong with it');
  };

  test('each wrong rule has its line', () => {
    const content = `
rules:
  - path: kwargs.password
  - paths: x
  - path: kwargs..x
  - match: '('
  - action: hash
  - { path: kwargs.a, match: b }
  - fields: uuid
  - action: hide
  - 7
`;
    expect(complaint(content).split('\n')).toEqual([
      'redact.yml, rule 2: there is no key "paths", expected task, fields, path, match or action',
      expect.stringMatching(/^redact.yml, rule 3: path: got "kwargs..x", expected one such as kwargs.password/),
      expect.stringMatching(/^redact.yml, rule 4: match: got "\(", expected a regular expression/),
      'redact.yml, rule 5: action hash needs a key: give one with --redact-key',
      'redact.yml, rule 6: path stands alone, without fields and match',
      expect.stringMatching(/^redact.yml, rule 7: uuid cannot be redacted/),
      'redact.yml, rule 8: action: expected mask or hash',
      'redact.yml, rule 9: expected a mapping of task, fields, path, match and action',
    ]);
  });

  test.each(['', '[]', 'rules: []', 'rules: 1', 'rules: [{}]\nmore: 1'])('no list of rules: %j', (content) => {
    expect(complaint(content)).toMatch(/redact.yml: expected a list of redaction rules under the key "rules"/);
  });

  test('neither YAML nor JSON', () => {
    expect(complaint('rules: [')).toMatch(/^redact.yml is neither YAML nor JSON: /);
  });
});

describe('a secret never comes through', () => {
  /** Only secrets are written in Greek. */
  const GREEK = /[α-ω]/;
  const nasty = [
    "'",
    '"',
    '\\',
    ', ',
    ': ',
    '{',
    '}',
    '(',
    ')',
    '[',
    ']',
    '...',
    ' ',
    '\n',
    'password',
    "', 'x': '",
    "b'",
  ];
  const text = fc.array(fc.constantFrom(...nasty, 'a', 'b', '1'), { maxLength: 12 }).map((parts) => parts.join(''));
  const secret = fc
    .array(fc.constantFrom(...nasty, 'α', 'βγδ', 'εζηθικλμ', 'ν ξ'), { minLength: 1, maxLength: 12 })
    .map((parts) => `ω${parts.join('')}ψ`);
  const plain: fc.Arbitrary<Python> = fc.letrec<{ value: Python }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      fc.oneof(text, fc.constantFrom(null, true, false, 1, -2.5)),
      text.map((bytes) => ({ bytes })),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.array(tie('value'), { maxLength: 3 }).map((tuple) => ({ tuple })),
      fc.array(fc.tuple(text, tie('value')), { maxLength: 3 }).map((dict) => ({ dict })),
    ),
  })).value;
  const hidden: fc.Arbitrary<Python> = fc.oneof(
    secret,
    fc.array(secret, { maxLength: 3 }).map((tuple) => ({ tuple })),
    fc.array(fc.tuple(secret, secret), { maxLength: 3 }).map((dict) => ({ dict })),
    secret.map((bytes) => ({ bytes })),
  );
  const maxlen = fc.oneof(fc.constant(1024), fc.integer({ min: 1, max: 120 }));
  const runs = { numRuns: 500 };

  test('of kwargs', () => {
    const pairs = fc.array(fc.tuple(text, plain), { maxLength: 4 });
    const property = fc.property(pairs, pairs, hidden, maxlen, (before, after, value, length) => {
      const inner: Python = { dict: [...before, ['password', value], ...after] };
      const kwargs = saferepr(inner, length);
      expect(redacted({ path: 'kwargs.password' }, 'kwargs', kwargs)).not.toMatch(GREEK);
      const deeper = saferepr({ dict: [...before, ['user', inner], ...after] }, length);
      expect(redacted({ path: 'kwargs.user.password' }, 'kwargs', deeper)).not.toMatch(GREEK);
      expect(redacted({ path: 'kwargs.**.password' }, 'kwargs', deeper)).not.toMatch(GREEK);
    });
    fc.assert(property, runs);
  });

  test('of args', () => {
    const list = fc.array(plain, { maxLength: 4 });
    const property = fc.property(list, list, hidden, maxlen, (before, after, value, length) => {
      const args = saferepr({ tuple: [...before, value, ...after] }, length);
      expect(redacted({ path: `args[${before.length}]` }, 'args', args)).not.toMatch(GREEK);
    });
    fc.assert(property, runs);
  });

  test('by a pattern', () => {
    const digits = fc.constant('αβγδ-εζηθ');
    const property = fc.property(fc.array(plain, { maxLength: 3 }), digits, maxlen, (before, value, length) => {
      const result = saferepr([...before, value], length);
      expect(redacted({ match: 'αβγδ-εζηθ', fields: 'result' }, 'result', result)).not.toMatch(GREEK);
    });
    fc.assert(property, runs);
  });

  test('and ordinary kwargs keep the rest', () => {
    const word = fc.stringMatching(/^[a-z ,'"]{0,12}$/);
    const property = fc.property(fc.array(fc.tuple(word, fc.oneof(word, fc.integer()))), (pairs) => {
      const kwargs = saferepr({ dict: [...pairs, ['password', 'ω'], ...pairs] }, 10_000);
      const masked = saferepr({ dict: [...pairs, ['password', '***'], ...pairs] }, 10_000);
      expect(redacted({ path: 'kwargs.password' }, 'kwargs', kwargs)).toBe(masked);
    });
    fc.assert(property);
  });

  test('finding is quick whatever the text', () => {
    for (const text of [
      `{'${'\\'.repeat(200_000)}`,
      `{'${"\\'".repeat(200_000)}`,
      `{${'a'.repeat(200_000)}`,
      `{'a':${' '.repeat(200_000)}`,
    ]) {
      const start = performance.now();
      findInRepr(text, [['**', 'password']]);
      expect(performance.now() - start).toBeLessThan(1000);
    }
  });
});
