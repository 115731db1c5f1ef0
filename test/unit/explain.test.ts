/** Each event's effect in a sentence, and the answer to "why is it in this state?". */
import { expect, test } from 'vitest';
import type { Event, JournalEntry, Json } from '../../src/domain/event.ts';
import { type Circumstances, explain } from '../../src/domain/explain.ts';

interface Sender {
  readonly hostname: string;
  readonly pid: number;
}
const W1 = { hostname: 'w1@vm', pid: 100 };
const W2 = { hostname: 'w2@vm', pid: 200 };
const CHILD = { hostname: 'w1@vm', pid: 101 };
const CLIENT = { hostname: 'gen9@vm', pid: 9 };

function tell(subject: string, at: number, by: Sender = W1, fields: Readonly<Record<string, Json>> = {}): Event {
  return { type: `task-${subject}`, uuid: 'u', ...by, clock: at * 10, timestamp: 1_800_000_000 + at, ...fields };
}
const sent = (at: number, retries = 0): Event => tell('sent', at, CLIENT, { retries });
const received = (at: number, retries = 0, by = W1): Event => tell('received', at, by, { retries });
const started = (at: number, by = W1): Event => tell('started', at, by);
const failed = (at: number, exception = "ValueError('x')"): Event => tell('failed', at, W1, { exception });

function explained(events: readonly Event[], known: Circumstances = {}) {
  const entries = events.map(
    (event, n): JournalEntry => ({
      position: n + 1,
      cluster: 'c',
      local_received: Number(event.timestamp) + 0.25,
      event,
    }),
  );
  const { events: each, ...rest } = explain('u', entries, known);
  return { effects: each.map(({ effect }) => effect), events: each, ...rest };
}

const BEGUN = ['opens run 1: received by w1@vm (pid 100), retries 0', 'run 1 starts'];

const lives: readonly (readonly [string, readonly Event[], readonly string[], RegExp])[] = [
  [
    'a retry whose next attempt is received first',
    [sent(1), received(2), started(3), received(5, 1, W2), tell('retried', 6, W1, { exception: 'KeyError(1)' })],
    [
      'the call, sent by gen9@vm (pid 9), retries 0',
      'opens run 1: received by w1@vm (pid 100), retries 0',
      'run 1 starts',
      'opens run 2: received by w2@vm (pid 200), retries 1',
      'completes run 1 with RETRY; the task is already in run 2',
    ],
    /^w2@vm \(pid 200\) received it at 2027-01-15T08:00:05.000Z and has not told that it started/,
  ],
  [
    'an event that comes again, and a failure told twice',
    [received(2), started(3), started(3), failed(4), failed(5)],
    [
      'opens run 1: received by w1@vm (pid 100), retries 0',
      'run 1 starts',
      'ignored: same event as position 2',
      'completes run 1 with FAILURE',
      'told twice: of run 1, it had ended in FAILURE at position 4',
    ],
    /^w1@vm \(pid 100\) told at .* that run 1 failed with ValueError\('x'\)\.$/,
  ],
  [
    'terminated, and the failure that follows',
    [received(2), started(3), tell('revoked', 4, W1, { terminated: true }), failed(5, 'SystemExit(-241)')],
    [
      'opens run 1: received by w1@vm (pid 100), retries 0',
      'run 1 starts',
      'completes run 1 with REVOKED',
      'ignored: SystemExit(-241) after the end of run 1, it had ended in REVOKED at position 3',
    ],
    /run 1 was revoked while it was executed\.$/,
  ],
  [
    'rejected for good, as the development head tells it',
    [received(2), started(3), failed(4), tell('rejected', 5, W1, { requeue: false })],
    [
      'opens run 1: received by w1@vm (pid 100), retries 0',
      'run 1 starts',
      'completes run 1 with FAILURE',
      'completes run 1 with REJECTED: Celery told the same as a failure first',
    ],
    /run 1 was rejected for good\.$/,
  ],
  [
    'progress, in disorder',
    [{ ...tell('progress', 5, CHILD), clock: 4 }, received(2), started(3), { ...tell('progress', 4, CHILD), clock: 3 }],
    [
      'opens run 1: task-progress by w1@vm (pid 101); nothing else of it was heard',
      'opens run 1: received by w1@vm (pid 100), retries 0',
      'run 1 starts',
      'ignored: its process has told a later one of the kind',
    ],
    /started run 1 at .* and its end was not heard of: it is being executed, it raised Ignore/,
  ],
  [
    'an end of which nothing else was heard',
    [failed(4, "NotRegistered('app.no')")],
    ['opens run 1: task-failed by w1@vm (pid 100); nothing else of it was heard'],
    /Nothing else of that run was heard\.$/,
  ],
  [
    'the next attempt of a retry is not heard of',
    [received(2), started(3), tell('retried', 4, W1, { exception: 'KeyError(1)' })],
    [...BEGUN, 'completes run 1 with RETRY'],
    /run 1 failed with KeyError\(1\) and is to be tried again; the next attempt was not heard of yet\.$/,
  ],
  [
    'expired on receipt',
    [tell('revoked', 4, W1, { expired: true, terminated: false })],
    ['opens run 1: task-revoked by w1@vm (pid 100); nothing else of it was heard'],
    /run 1 had expired\.$/,
  ],
  [
    'revoked before it started',
    [received(2), tell('revoked', 4, W1, { expired: false, terminated: false })],
    ['opens run 1: received by w1@vm (pid 100), retries 0', 'completes run 1 with REVOKED'],
    /run 1 was revoked\.$/,
  ],
  [
    'put back into its queue',
    [received(2), started(3), tell('rejected', 4, W1, { requeue: true })],
    [...BEGUN, 'completes run 1 with REJECTED'],
    /run 1 was rejected and put back into its queue; nothing was heard of it since\.$/,
  ],
  [
    'cancelled',
    [received(2), started(3), tell('cancelled', 4)],
    [...BEGUN, 'completes run 1 with CANCELLED'],
    /run 1 was cancelled when the worker lost its broker, which delivers the task again; nothing was heard of that yet\.$/,
  ],
  [
    'replaced under the same uuid',
    [received(2), started(3), received(5), started(6), tell('succeeded', 7)],
    [...BEGUN, 'opens run 2: received by w1@vm (pid 100), retries 0', 'run 2 starts', 'completes run 2 with SUCCESS'],
    /^w1@vm \(pid 100\) told at .* that run 2 succeeded\.$/,
  ],
  [
    'sent alone',
    [sent(1)],
    ['the call, sent by gen9@vm (pid 9), retries 0'],
    /^It was sent at .* no worker has told of it/,
  ],
  [
    'started alone, and an event of nobody',
    [started(3), { ...started(4), hostname: null }],
    [
      'opens run 1: started by w1@vm (pid 100); its task-received was not heard of',
      'ignored: it names no task or no sender',
    ],
    /started run 1/,
  ],
];

test.each(lives)('%s', (_, events, effects, why) => {
  const explanation = explained(events);
  expect(explanation.effects).toEqual(effects);
  expect(explanation.why).toMatch(why);
});

test('a late end of an earlier run is told as that', () => {
  const { effects, state, runs } = explained([received(2), started(3), received(5, 0, W2), started(6, W2), failed(8)]);
  expect(effects.at(-1)).toBe('completes run 1 with FAILURE; the task is already in run 2');
  expect([state, runs.map((run) => run.state)]).toEqual(['STARTED', ['FAILURE', 'STARTED']]);
});

test('what was known of gaps and workers is part of the answer', () => {
  const gap = { cause: 'disconnect', started_at: 1_800_000_010, ended_at: 1_800_000_020 } as const;
  const before = { ...gap, started_at: 1_799_999_000, ended_at: 1_799_999_001 };
  const { why } = explained([received(2), started(3)], {
    gaps: [before, gap],
    workers: new Map([['w1@vm', 'OFFLINE (lost)']]),
  });
  expect(why).toContain('Its worker is OFFLINE (lost).');
  expect(why).toContain('missed from 2027-01-15T08:00:10.000Z to 2027-01-15T08:00:20.000Z (disconnect)');
  expect(why).not.toContain('07:43');
  expect(explained([received(2), started(3), failed(4)], { gaps: [gap] }).why).not.toContain('missed');
});

test('source time and arrival are both told', () => {
  expect(explained([received(2)]).events[0]).toMatchObject({
    position: 1,
    clock: 20,
    timestamp: 1_800_000_002,
    delay: 0.25,
  });
});
