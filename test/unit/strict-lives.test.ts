/** Every life in PROTOCOL.md B.4, as real workers told it, folds to what really happened. */
import { expect, test } from 'vitest';
import type { Event } from '../../src/domain/event.ts';
import { runsOf } from '../../src/domain/runs.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';

const UUID = 'a7b1c2d3-0000-4000-8000-000000000001';
const W1 = { hostname: 'w1@vm', pid: 100 };
const W2 = { hostname: 'w2@vm', pid: 200 };
const W1_AGAIN = { ...W1, pid: 110 };
const CLIENT = { hostname: 'gen9@vm', pid: 9 };
const CHILD = { hostname: 'w1@vm', pid: 101 };

type Sender = { readonly hostname: string; readonly pid: number };
/** An event at second `at`; clock = 10 × at unless given. */
function tell(subject: string, at: number, sender: Sender, fields: Record<string, unknown> = {}): Event {
  const call = {
    name: 'app.add',
    args: '(1, 2)',
    kwargs: '{}',
    retries: 0,
    root_id: UUID,
    parent_id: null,
    eta: null,
    expires: null,
  };
  const rest = subject === 'sent' || subject === 'received' ? call : {};
  return {
    type: `task-${subject}`,
    uuid: UUID,
    ...sender,
    clock: at * 10,
    timestamp: 1000 + at,
    utcoffset: 5,
    ...rest,
    ...fields,
  } as Event;
}

const sent = (at: number, f = {}) => tell('sent', at, CLIENT, f);
const received = (at: number, f = {}, by = W1) => tell('received', at, by, f);
const started = (at: number, by = W1) => tell('started', at, by);
const succeeded = (at: number, by = W1) => tell('succeeded', at, by, { result: '3', runtime: 0.5 });
const failed = (at: number, exception = "ValueError('x')", by = W1) =>
  tell('failed', at, by, { exception, traceback: 'Traceback…' });
const retried = (at: number, by = W1) =>
  tell('retried', at, by, { exception: "KeyError('y')", traceback: 'Traceback…' });
const revoked = (at: number, f = {}, by = W1) =>
  tell('revoked', at, by, { terminated: false, signum: null, expired: false, ...f });
const rejected = (at: number, requeue: boolean) => tell('rejected', at, W1, { requeue });

const lives: readonly (readonly [string, readonly Event[], string, readonly string[]])[] = [
  ['success', [sent(1), received(2), started(3), succeeded(4)], 'SUCCESS', ['SUCCESS']],
  ['task-sent after task-received', [received(2), sent(1), started(3)], 'STARTED', ['STARTED']],
  [
    'the next task-received comes before its own task-retried',
    [
      sent(1),
      received(2),
      started(3),
      sent(4, { retries: 1 }),
      received(5, { retries: 1, parent_id: UUID }),
      retried(6),
    ],
    'RECEIVED',
    ['RETRY', 'RECEIVED'],
  ],
  [
    'a retry that succeeds',
    [received(2), started(3), received(5, { retries: 1 }), retried(6), started(7), succeeded(8)],
    'SUCCESS',
    ['RETRY', 'SUCCESS'],
  ],
  [
    'a retry that another worker runs',
    [received(2), started(3), received(5, { retries: 1 }, W2), retried(6), started(7, W2), succeeded(8, W2)],
    'SUCCESS',
    ['RETRY', 'SUCCESS'],
  ],
  ['raise Ignore', [sent(1), received(2), started(3)], 'STARTED', ['STARTED']],
  ['Reject(requeue=False)', [received(2), started(3), rejected(4, false)], 'REJECTED', ['REJECTED']],
  ['Reject in Celery head', [received(2), started(3), failed(4), rejected(5, false)], 'REJECTED', ['REJECTED']],
  [
    'Reject(requeue=True)',
    [received(2), started(3), rejected(4, true), received(5), started(6), succeeded(7)],
    'SUCCESS',
    ['REJECTED', 'SUCCESS'],
  ],
  [
    'replace under the same uuid',
    [
      received(2),
      started(3),
      sent(4, { name: 'app.other' }),
      received(5, { name: 'app.other' }),
      started(6),
      succeeded(7),
    ],
    'SUCCESS',
    ['STARTED', 'SUCCESS'],
  ],
  ['terminated', [received(2), started(3), revoked(4, { terminated: true, signum: 15 })], 'REVOKED', ['REVOKED']],
  [
    'terminated, and a trailing SystemExit(-241)',
    [received(2), started(3), revoked(4, { terminated: true }), failed(5, 'SystemExit(-241)')],
    'REVOKED',
    ['REVOKED'],
  ],
  ['revoked before start', [sent(1), received(2), revoked(3)], 'REVOKED', ['REVOKED']],
  ['revoked without ever being received', [sent(1), revoked(3)], 'REVOKED', ['REVOKED']],
  ['expired on receipt', [sent(1), revoked(3, { expired: true })], 'REVOKED', ['REVOKED']],
  ['expired while it waits for its eta', [sent(1), received(2), revoked(3, { expired: true })], 'REVOKED', ['REVOKED']],
  ['expired in the queue', [sent(1)], 'PENDING', []],
  ['hard time limit', [received(2), started(3), failed(4, 'ExceptionWithTraceback()')], 'FAILURE', ['FAILURE']],
  ['a failure told twice', [received(2), started(3), failed(4), failed(5)], 'FAILURE', ['FAILURE']],
  ['unregistered', [sent(1), failed(3, "NotRegistered('app.nosuch')")], 'FAILURE', ['FAILURE']],
  [
    'progress of a pool child',
    [received(20), started(30), { ...tell('progress', 40, CHILD), clock: 3 }],
    'PROGRESS',
    ['PROGRESS'],
  ],
  [
    'progress, then success',
    [received(20), started(30), { ...tell('progress', 40, CHILD), clock: 3 }, succeeded(50)],
    'SUCCESS',
    ['SUCCESS'],
  ],
  [
    'cancelled by a lost connection, run again',
    [received(2), started(3), tell('cancelled', 4, W1), received(5, {}, W2), started(6, W2)],
    'STARTED',
    ['CANCELLED', 'STARTED'],
  ],
  [
    'redelivered to another worker while it runs',
    [received(2), started(3), received(5, {}, W2), started(6, W2), succeeded(7), succeeded(8, W2)],
    'SUCCESS',
    ['SUCCESS', 'SUCCESS'],
  ],
  [
    'redelivered to the same process while it runs',
    [received(2), started(3), received(5), started(6), succeeded(7), succeeded(8)],
    'SUCCESS',
    ['SUCCESS', 'SUCCESS'],
  ],
  [
    'redelivered to a new process under the same name, after the first was killed',
    [
      received(2),
      started(3),
      received(5, { clock: 1 }, W1_AGAIN),
      { ...started(6, W1_AGAIN), clock: 2 },
      { ...succeeded(7, W1_AGAIN), clock: 3 },
    ],
    'SUCCESS',
    ['STARTED', 'SUCCESS'],
  ],
  [
    're-run after SUCCESS',
    [received(2), started(3), succeeded(4), received(5, {}, W2), started(6, W2), failed(7, "ValueError('x')", W2)],
    'FAILURE',
    ['SUCCESS', 'FAILURE'],
  ],
  [
    're-run after FAILURE',
    [received(2), started(3), failed(4), received(5), started(6)],
    'STARTED',
    ['FAILURE', 'STARTED'],
  ],
  [
    'a late end of an earlier run',
    [received(2), started(3), received(5, {}, W2), started(6, W2), succeeded(7, W2), failed(8)],
    'SUCCESS',
    ['FAILURE', 'SUCCESS'],
  ],
  ['end lost in a reconnect', [received(2), started(3)], 'STARTED', ['STARTED']],
];

function foldAll(events: readonly Event[]) {
  const clusters = createClusters({ maxTasks: 100, maxWorkers: 10 }, { fold: 'strict' });
  for (const [n, event] of events.entries()) {
    fold(clusters, { position: n + 1, cluster: 'c', local_received: 2000, event });
  }
  return stateOf(clusters, 'c');
}

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, n) =>
    permutations([...items.slice(0, n), ...items.slice(n + 1)]).map((rest) => [item, ...rest]),
  );
}

test.each(lives)('%s', (_, events, state, runs) => {
  const record = recordOf(events);
  expect(record.state).toBe(state);
  expect(record.runs.map((run) => run.state)).toEqual(runs);
});

test.each(lives)('%s, in any order', (_, events) => {
  const expected = recordOf(events);
  for (const order of permutations(events.slice(0, 6))) {
    expect(recordOf([...order, ...order, ...events.slice(6)])).toEqual(expected);
  }
});

function recordOf(events: readonly Event[]) {
  const task = foldAll(events).tasks.get(UUID);
  if (!task?.life) throw new Error('no task');
  const { life, ...fields } = task;
  return { ...fields, runs: runsOf(life) };
}

test('each run tells its own: number, retries, process, times, exception', () => {
  const { runs, ...top } = recordOf([
    ...[received(2), started(3), received(5, { retries: 1 }, W2), retried(6), started(7, W2)],
    failed(8, "ValueError('x')", W2),
  ]);
  expect(runs).toMatchObject([
    { number: 1, retries: 0, worker: 'w1@vm', pid: 100, received: 1002, started: 1003, ended: 1006, state: 'RETRY' },
    { number: 2, retries: 1, worker: 'w2@vm', pid: 200, received: 1005, started: 1007, ended: 1008, state: 'FAILURE' },
  ]);
  expect(runs.map(({ exception }) => exception)).toEqual(["KeyError('y')", "ValueError('x')"]);
  // The record has what the latest run has.
  const latest = { retries: 1, worker: 'w2@vm', received: 1005, started: 1007, failed: 1008, retried: null };
  expect(top).toMatchObject({ ...latest, exception: "ValueError('x')" });
});

test('utcoffset moves no time', () => {
  const task = foldAll([received(2), started(3)]).tasks.get(UUID);
  expect(task).toMatchObject({ received: 1002, started: 1003, timestamp: 1003 });
});
