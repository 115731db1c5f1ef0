import { expect, test } from 'vitest';
import type { ReceivedEvent } from '../../src/domain/event.ts';
import { createTask } from '../../src/domain/task.ts';
import { createWorker } from '../../src/domain/worker.ts';
import { bodyOf, eventLine, identityOf } from '../../src/journal/rows.ts';
import { copyFields } from '../../src/postgres-text.ts';
import {
  copyIso,
  TASK_COLUMNS,
  TASK_RECORD,
  taskLine,
  toTask,
  toWorker,
  WORKER_COLUMNS,
  WORKER_RECORD,
  workerLine,
} from '../../src/store/rows.ts';

test.each([
  ['2026-11-24T12:25:00.123456+02:00', '2026-11-24T12:25:00.123456+02:00'],
  ['2026-11-24T12:25:00+0200', '2026-11-24T12:25:00+0200'],
  ['2026-11-24T12:25:00Z', '2026-11-24T12:25:00Z'],
  ['2026-11-24 12:25', '2026-11-24 12:25Z'],
  ['2024-02-29T00:00:00', '2024-02-29T00:00:00Z'],
  ...[
    '2026-02-29T00:00:00',
    '2026-13-01T00:00:00',
    '2026-00-01T00:00:00',
    '2026-01-00T00:00:00',
    '0000-01-01T00:00:00',
  ].map((text) => [text, '\\N']),
  ...[
    '2026-11-24T24:00:00',
    '2026-11-24T12:60:00',
    '2026-11-24T12:25:00+15:00',
    '2026-11-24',
    'tomorrow',
    '',
    '1e3',
  ].map((text) => [text, '\\N']),
  [null, '\\N'],
] as [string | null, string][])('the ISO text %s is the time %s', (text, expected) => {
  expect(copyIso(text)).toBe(expected);
});

/** The fields of a line by column, as a SELECT of only some columns gives them. */
function select(line: string, columns: readonly string[], wanted: string): (string | null)[] {
  const fields = copyFields(line.slice(0, -1));
  expect(fields).toHaveLength(columns.length);
  return wanted.split(', ').map((column) => fields[columns.indexOf(column)] ?? null);
}

test('a task with every field set comes back from its row', () => {
  const task = createTask('u');
  const special = ['task_id', 'children', 'extra', 'life'];
  const columns = TASK_RECORD.split(', ').filter((column) => !special.includes(column));
  const fields = columns.map((column) => column.replace(/"|_sent$/g, ''));
  const numbers = ['sent', 'received', 'started', 'succeeded', 'failed', 'retried', 'revoked', 'rejected'];
  numbers.push('retries', 'runtime', 'timestamp', 'clock');
  for (const [n, field] of fields.entries()) {
    Object.assign(task, { [field]: numbers.includes(field) ? n + 0.25 : `${field} \t\\ ${n}` });
  }
  task.children = new Set(['a', 'b"']);
  task.extra = { queue: 'q', deep: [1, { x: null }] };
  expect(toTask(select(taskLine('c', task, 99), TASK_COLUMNS, TASK_RECORD))).toEqual(task);
  expect(toTask(select(taskLine('c', createTask('v'), 99), TASK_COLUMNS, TASK_RECORD))).toEqual(createTask('v'));
});

test('what cleanup goes by is never later than the shutter', () => {
  const ages = (timestamp: number | null): string | undefined =>
    taskLine('c', { ...createTask('u'), timestamp }, 1000)
      .trimEnd()
      .split('\t')
      .at(-1);
  expect([ages(null), ages(10.5), ages(1e300), ages(-1e300)]).toEqual(['1000', '10.5', '1000', '-1e+300']);
});

test('a worker with every field set comes back from its row', () => {
  const worker = {
    ...createWorker('w'),
    ...{ pid: 1, freq: 2.5, heartbeats: [1.5, 2.5], clock: 3, active: 4, processed: 5, loadavg: [0.5, 1e-7] },
    ...{ sw_ident: 'i', sw_ver: 'v', sw_sys: 's', extra: { a: 1 } },
  };
  expect(
    toWorker(
      select(workerLine('c', worker, { status: 'ONLINE', reason: null, since: null }), WORKER_COLUMNS, WORKER_RECORD),
    ),
  ).toEqual(worker);
  const bare = { ...createWorker('w'), loadavg: [] };
  expect(
    toWorker(
      select(workerLine('c', bare, { status: 'OFFLINE', reason: null, since: null }), WORKER_COLUMNS, WORKER_RECORD),
    ),
  ).toEqual(bare);
});

const received = (event: ReceivedEvent['event'], body = JSON.stringify(event)): ReceivedEvent => {
  return { cluster: 'c', local_received: 1.5, redelivered: false, event, body };
};

test('an event is a row by what it tells of', () => {
  const columns = (event: ReceivedEvent['event']) => copyFields(eventLine(7, received(event)).slice(0, -1)).slice(0, 7);
  expect(columns({ type: 'task-sent', uuid: 'u', hostname: 'h', timestamp: 2 })).toEqual([
    '7',
    'c',
    '1.5',
    'task-sent',
    null,
    null,
    'u',
  ]);
  expect(columns({ type: 'worker-online', uuid: 'u', hostname: 'h', timestamp: 2 })).toEqual([
    '7',
    'c',
    '1.5',
    'worker-online',
    'h',
    '2',
    null,
  ]);
  expect(columns({ type: 'task-sent', uuid: 5, hostname: 'h', timestamp: '2' })).toEqual([
    '7',
    'c',
    '1.5',
    'task-sent',
    'h',
    null,
    null,
  ]);
});

test('the stored body has no raw control characters and means the same', () => {
  const event = { type: 'x', text: 'a\nb\u0001' };
  expect(bodyOf(received(event, '{\n\t"type": "x",\r\n"text":"a\\nb\\u0001"}'))).toBe(
    '{  "type": "x",  "text":"a\\nb\\u0001"}',
  );
  expect(bodyOf(received(event))).toBe(JSON.stringify(event));
});

test('an event is the same by its process, clock and time, or else by its text', () => {
  const event = { type: 'worker-heartbeat', hostname: 'w', pid: 1, clock: 2, timestamp: 3.5, active: 1 };
  const identity = (more: object, body = ''): string => identityOf({ ...event, ...more }, body);
  expect(identity({ active: 9 }, 'other text')).toBe(identity({}));
  for (const more of [
    { type: 'task-x' },
    { hostname: 'v' },
    { pid: 2 },
    { clock: 3 },
    { timestamp: 3.6 },
    { uuid: 'u' },
  ]) {
    expect(identity(more)).not.toBe(identity({}));
  }
  expect(identity({ clock: null }, 'text')).toBe('text');
  expect(identity({ hostname: 3 }, 'text')).toBe('text');
});
