/** Where the two reducers disagree on captured and adversarial streams, and that something known explains it. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { printDifferences } from '../../src/commands/difference.ts';
import { replay } from '../../src/commands/replay.ts';
import { Comparison, type Difference, type Rule } from '../../src/domain/difference.ts';
import type { Event } from '../../src/domain/event.ts';
import { compare } from '../support/compare.ts';
import type { Entry } from '../support/lives.ts';

const DIRECTORY = new URL('../fixtures/celery/', import.meta.url);

function captured(name: string): Entry[] {
  const lines = readFileSync(new URL(`${name}.jsonl`, DIRECTORY), 'utf8')
    .split('\n')
    .filter(Boolean);
  return lines.flatMap((text): Entry[] => {
    const { body, local_received } = JSON.parse(text) as { body?: Event | Event[]; local_received?: number | number[] };
    if (body === undefined) return [];
    return [body].flat().flatMap((event, i): Entry[] => {
      return typeof event.type === 'string' ? [[event, [local_received].flat()[i] as number]] : [];
    });
  });
}

function rulesOf(differences: Iterable<Difference>): Set<Rule | null> {
  return new Set(Array.from(differences, ({ rule }) => rule));
}

test.each(['canvas', 'redis'])('%s: a healthy cluster differs nowhere', (name) => {
  expect([...compare(captured(name)).differences()]).toEqual([]);
});

test('mixed and outcomes: a Reject is not shown by Celery, and a client is a worker to it', () => {
  const differences = ['mixed', 'outcomes'].flatMap((name) => [...compare(captured(name)).differences()]);
  expect(rulesOf(differences)).toEqual(new Set(['S1', 'sender']));
  for (const { field, celery, strict } of differences.filter(({ rule }) => rule === 'S1'))
    expect({ field, celery, strict }).toEqual({ field: 'state', celery: 'STARTED', strict: 'REJECTED' });
});

const fuzz = readdirSync(new URL('fuzz/', DIRECTORY)).filter((file) => file.endsWith('.jsonl'));
test.each(fuzz.map((file) => `fuzz/${file.replace('.jsonl', '')}`))('%s: each difference has its reason', (name) => {
  expect([...compare(captured(name)).differences()].filter(({ rule }) => rule === null)).toEqual([]);
});

const at = (n: number, subject: string, fields: object = {}): Entry => [
  {
    ...{ type: `task-${subject}`, uuid: 'u', hostname: 'w@h', pid: 1, clock: n, timestamp: 1_700_000_000 + n },
    ...{ utcoffset: 0, ...fields },
  },
  1_700_000_000 + n,
];

test.each<[Rule, string, readonly Entry[]]>([
  ['S1', 'state', [at(1, 'received'), at(2, 'started'), at(3, 'rejected', { requeue: false })]],
  [
    'S2',
    'state',
    [at(1, 'received'), at(2, 'started'), at(4, 'received'), at(5, 'started'), at(6, 'succeeded'), at(3, 'retried')],
  ],
  ['S3', 'state', [at(1, 'received'), at(3, 'retried'), at(2, 'started')]],
  ['S7', 'state', [at(1, 'received'), at(2, 'started'), at(3, 'failed'), at(4, 'received'), at(5, 'started')]],
  ['utcoffset', 'timestamp', [at(1, 'received', { utcoffset: 5 })]],
  [
    'after-end',
    'state',
    [at(1, 'started'), at(2, 'revoked', { terminated: true }), at(3, 'failed', { exception: 'SystemExit(-241)' })],
  ],
  ['late', 'timestamp', [at(1, 'received'), at(3, 'succeeded'), at(2, 'started')]],
  ['custom', 'state', [at(1, 'started'), at(2, 'progress'), at(3, 'revoked')]],
  ['raises', 'uuid', [at(1, 'received', { clock: null })]],
  ['fields', 'result', [at(1, 'started'), at(2, 'progress', { result: 'no result' })]],
  ['null', 'name', [at(1, 'sent', { name: 'n' }), at(2, 'received', { name: null })]],
])('%s explains a difference in %s', (rule, field, entries) => {
  const difference = [...compare(entries).differences()].find((each) => each.field === field);
  expect(difference).toMatchObject({ rule });
});

test('a repeat is counted by Celery', () => {
  const counts = [...compare([at(1, 'received'), at(1, 'received')]).differences()];
  expect(counts.map(({ field, celery, strict, rule }) => [field, celery, strict, rule])).toEqual([
    ['event_count', 2, 1, 'S6'],
    ['task_count', 2, 1, 'S6'],
  ]);
});

test('what nothing explains is said to be so', () => {
  const none = { *differences() {} };
  let text = '';
  const out = {
    write(more: string): boolean {
      text += more;
      return true;
    },
  };
  expect(printDifferences(none as unknown as Comparison, false, out)).toBe(true);
  expect(text).toBe('no difference\n');
  const one = { kind: 'task', id: 'u', field: 'state', celery: 'A', strict: 'B', rule: null } as const;
  const some = {
    *differences() {
      yield one;
    },
  };
  expect(printDifferences(some as unknown as Comparison, false, out)).toBe(false);
  expect(text).toContain('task u\n  state       celery "A", strict "B": UNEXPLAINED\n');
});

test('replay --diff: exit 1 where nothing explains a difference, else not', async () => {
  const file = new URL('mixed.jsonl', DIRECTORY).pathname;
  const options = { json: false, diff: true, maxTasks: 1000, fold: 'strict' } as const;
  const one = { kind: 'task', id: 'u', field: 'state', celery: 'A', strict: 'B', rule: null } as const;
  const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    await replay(file, options);
    expect(process.exitCode).toBeUndefined();
    vi.spyOn(Comparison.prototype, 'differences').mockImplementation(function* () {
      yield one;
    });
    await replay(file, options);
    expect(process.exitCode).toBe(1);
    expect(write.mock.calls.join('')).toContain('UNEXPLAINED');
  } finally {
    process.exitCode = undefined;
    vi.restoreAllMocks();
  }
});
