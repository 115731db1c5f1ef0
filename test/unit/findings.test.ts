import { describe, expect, test } from 'vitest';
import {
  examineBroker,
  examineDatabase,
  examineRecorder,
  type Finding,
  type SeenBroker,
} from '../../src/domain/findings.ts';
import { examinePeriodic } from '../../src/domain/periodic-findings.ts';

const on = { sendsTaskEvents: true, sendsSentEvents: true };
const off = { sendsTaskEvents: false, sendsSentEvents: false };

function broker(seen: Partial<SeenBroker>): Finding[] {
  const nothing = {
    workers: new Map(),
    skews: new Map(),
    taskEvents: new Set<string>(),
    sentEvents: false,
    atWork: new Set<string>(),
  };
  return examineBroker({ version: '3.10.8', error: null, listened: 3, queue: null, ...nothing, ...seen });
}

function problems(findings: readonly Finding[]): string[] {
  return findings.filter(({ level }) => level === 'problem').map(({ text }) => text);
}

describe('a broker', () => {
  test('where all is well', () => {
    const found = broker({ workers: new Map([['w@h', on]]), skews: new Map([['w@h', -0.01]]) });
    expect(found.every(({ level }) => level === 'ok')).toBe(true);
    expect(found.map(({ text }) => text)).toEqual([
      'the broker answers: RabbitMQ 3.10.8',
      'w@h answered',
      'task events are on at w@h',
      'task-sent events are on: tasks show as soon as they are published',
      'the clocks agree within 0.01 s',
    ]);
  });

  test('that does not answer: nothing else is said', () => {
    expect(broker({ version: null, error: 'no broker answers' })).toEqual([
      { level: 'problem', text: 'no broker answers', remedy: expect.any(Array) },
    ]);
  });

  test('without workers', () => expect(problems(broker({}))).toEqual(['no worker answers, and none sent a heartbeat']));

  test('a worker whose task events were seen has them on, whatever its configuration says', () => {
    expect(problems(broker({ workers: new Map([['w@h', off]]), taskEvents: new Set(['w@h']) }))).toEqual([]);
  });

  test('a worker that says it processed tasks, but sends no task events, has them off; an idle one may', () => {
    const idle = broker({ workers: new Map([['w@h', off]]) });
    expect(problems(idle)).toEqual([]);
    expect(idle[2]).toMatchObject({
      level: 'note',
      remedy: ['now: celery -A proj control enable_events', expect.any(String)],
    });
    expect(problems(broker({ workers: new Map([['w@h', off]]), atWork: new Set(['w@h']) }))).toEqual([
      'task events are off at w@h, which processed tasks meanwhile: nothing of them is recorded',
    ]);
  });

  test('a worker that only sends events is no problem, but told; clients are no workers', () => {
    const skews = new Map([
      ['w@h', 0],
      ['gen123@h', 0],
    ]);
    const found = broker({ skews, taskEvents: new Set(['w@h']) });
    expect(problems(found)).toEqual([]);
    expect(found.find(({ level }) => level === 'note')?.text).toMatch(/^w@h sent events but did not answer/);
  });

  test('clocks that are off', () => {
    const skews = new Map([
      ['fast@h', 3.5],
      ['slow@h', -7200],
      ['good@h', 0.2],
    ]);
    expect(problems(broker({ workers: new Map([['w@h', on]]), skews, taskEvents: new Set(skews.keys()) }))).toEqual([
      'the clock of fast@h is 3.5 s ahead of this machine’s',
      'the clock of slow@h is 7200.0 s behind this machine’s',
    ]);
  });

  test('a durable queue that nobody empties', () => {
    const queue = (messages: number | null, consumers: number | null) =>
      broker({ workers: new Map([['w@h', on]]), queue: { name: 'q', messages, consumers } })[1];
    expect(queue(null, null)).toMatchObject({ level: 'note' });
    expect(queue(5, 0)).toMatchObject({ level: 'ok' });
    expect(queue(50_000, 1)).toMatchObject({ level: 'ok' });
    expect(queue(50_000, 0)).toMatchObject({
      level: 'problem',
      text: expect.stringContaining('nobody takes them out'),
    });
  });
});

test('a database', () => {
  const seen = {
    exists: true,
    version: '15.20',
    error: null,
    schema: 's',
    applied: 2,
    pending: [],
    unknown: [],
    lacking: [],
    periodic: null,
  };
  const last = (change: object) => examineDatabase({ ...seen, ...change }).at(-1);
  expect(last({})).toMatchObject({ level: 'ok', text: 'the schema "s" is up to date (2 migrations)' });
  expect(last({ applied: 0, pending: ['a'] })).toMatchObject({
    level: 'note',
    text: 'the schema "s" is not set up yet',
  });
  expect(last({ applied: 1, pending: ['b'] })).toMatchObject({ level: 'note', text: 'the schema "s" lacks b' });
  expect(last({ unknown: ['c'] })).toMatchObject({ level: 'problem' });
  expect(last({ exists: false, version: null })).toMatchObject({
    level: 'note',
    text: expect.stringContaining('not set up yet'),
  });
  expect(last({ version: null, error: 'away' })).toMatchObject({ level: 'problem', text: 'away' });
});

test('a recorder', () => {
  const well = { error: null, guestOf: [], captured: 0, lost: 0, gaps: 0, deadLetters: 0, evicted: 0 };
  const found = (change: object) =>
    examineRecorder({ ...well, ...change }).map(({ level, text }) => `${level}: ${text}`);
  expect(found({})).toEqual(['ok: what arrives is recorded']);
  expect(found({ captured: 7 })).toContain('ok: all 7 tasks that workers began were heard of');
  expect(found({ captured: 7, lost: 3 })).toContain('note: of 10 tasks that workers began 3 were not heard of');
  expect(found({ gaps: 2, deadLetters: 3, evicted: 4 })).toEqual([
    'ok: what arrives is recorded',
    'note: events may have been missed in 2 gaps since the start',
    'note: 3 messages since the start could not be decoded: dead letters',
    'note: 4 tasks that had not ended were dropped from memory: more are under way than it may hold',
  ]);
});

test('periodic tasks', () => {
  const found = (due: number, isLed: boolean, unfit: readonly string[] = []) =>
    examinePeriodic({ due, isLed, unfit: unfit.map((name) => ({ name, reason: 'args: "{"' })) });
  expect(found(0, false)).toEqual([]);
  expect(found(0, true)).toEqual([]);
  expect(found(1, true)).toEqual([{ level: 'ok', text: 'one periodic task is enabled, and a beat leads' }]);
  expect(found(2, false)).toEqual([
    {
      level: 'problem',
      text: '2 periodic tasks are enabled, and no beat leads: nothing is sent',
      remedy: ['celerycam beat, or celerycam run --beat', expect.stringContaining('celerycam periodic disable')],
    },
  ]);
  expect(problems(found(0, false, ['a', 'b']))).toEqual([
    'the periodic task "a" is never sent: args: "{"',
    'the periodic task "b" is never sent: args: "{"',
  ]);
  expect(problems(found(0, true, ['a', 'b', 'c', 'd', 'e', 'f', 'g'])).slice(4)).toEqual([
    'the periodic task "e" is never sent: args: "{"',
    '2 more periodic tasks are never sent, for what is wrong with them',
  ]);
});
