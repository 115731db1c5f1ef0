/** What clients say, and what is said of it. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { FeedMessage } from '../../src/contract/feed.ts';
import { readFrame, readParams } from '../../src/live/subscription.ts';
import { FakeServer, type FakeSocket } from '../support/feed.ts';

let server: FakeServer;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});
afterEach(() => {
  vi.useRealTimers();
});

function errorOf(socket: FakeSocket): string {
  const last = socket.messages.at(-1);
  return last?.type === 'error' ? last.error : `no error but ${last?.type}`;
}

describe('a subscription', () => {
  test('comes back as it was understood, by frame and by query string', () => {
    const told = { q: 'state:FAILURE name:mail.*', cluster: 'c', topics: ['events', 'tasks'], events: ['task-failed'] };
    const socket = server.attach('q=state:failure+name:mail.*&cluster=c&topics=tasks&events=task-failed');
    expect(socket.messages[1]).toEqual({ type: 'subscribed', id: null, ...told });
    socket.news();
    socket.say({ type: 'subscribe', id: '7', ...told, q: 'state:failure AND name:mail.*', topics: ['tasks'] });
    expect(socket.news()).toEqual([
      { type: 'subscribed', id: '7', ...told },
      { type: 'live', position: 0, cursor: 'e:0' },
    ]);
  });

  test('is changed without another connection', () => {
    const socket = server.attach();
    socket.say({ type: 'subscribe', q: 'name:a', topics: ['tasks'] });
    socket.news();
    server.record({ type: 'task-received', uuid: '1', name: 'a' });
    server.record({ type: 'task-received', uuid: '2', name: 'b' });
    server.record({ type: 'worker-heartbeat' });
    server.hub.flush();
    expect(socket.news()).toMatchObject([
      { from: 0, to: 3, tasks: [{ task_id: '1' }], workers: [], gone: { tasks: [{ cluster: 'c', task_id: '2' }] } },
    ]);
  });

  test('to events gives each once with its place, those of tasks by what the task is', () => {
    const socket = server.attach('topics=&events=task-failed,worker-*&q=name:a');
    socket.news();
    for (const [uuid, name] of [
      ['1', 'a'],
      ['2', 'b'],
    ] as const) {
      server.record({ type: 'task-received', uuid, name });
      server.record({ type: 'task-failed', uuid });
    }
    server.record({ type: 'worker-heartbeat' });
    server.hub.flush();
    const [message] = socket.news();
    expect(message).toMatchObject({ type: 'changes', to: 5, tasks: [], workers: [] });
    expect(message?.type === 'changes' && message.events).toMatchObject([
      { position: 2, cluster: 'c', local_received: 1000, event: { type: 'task-failed', uuid: '1' } },
      { position: 5, event: { type: 'worker-heartbeat', hostname: 'w@h' } },
    ]);
  });

  test('to snapshots hears of shutters; everybody hears of gaps in the record', async () => {
    const { createDiagnostics } = await import('../../src/diagnostics.ts');
    const diagnostics = createDiagnostics();
    server.hub.observe(diagnostics);
    const [asks, other, elsewhere] = [server.attach('topics=snapshots'), server.attach(), server.attach('cluster=x')];
    for (const socket of [asks, other, elsewhere]) socket.news();
    const picture = { snapshot: 3, position: 0, tasks: 2, workers: 1, seconds: 0.1 };
    diagnostics.emit('camera:shutter', picture);
    const gap = { cluster: 'c', cause: 'disconnect', started_at: 1, ended_at: 2, estimate: null, detail: 'd' } as const;
    diagnostics.emit('gap', gap);
    expect(asks.news()).toEqual([
      { type: 'shutter', ...picture },
      { type: 'missed', gap },
    ]);
    expect(other.news()).toEqual([{ type: 'missed', gap }]);
    expect(elsewhere.news()).toEqual([]);
  });
});

describe('what cannot be understood', () => {
  test.each([
    ['{', /^this is not JSON; expected a message such as \{"type":"subscribe"/],
    ['[]', /^expected an object whose type is "subscribe"/],
    ['null', /^expected an object whose type/],
    ['{"type":"ping"}', /^expected an object whose type/],
    [`${'['.repeat(30_000)}${']'.repeat(30_000)}`, /^expected an object whose type/],
    [
      '{"type":"subscribe","filter":"x"}',
      /^there is no filter in a subscription; expected type, id, q, cluster, topics/,
    ],
    ['{"type":"subscribe","q":7}', /^q: .*expected string, received number/],
    ['{"type":"subscribe","q":"state:"}', /^q: at the end: expected after state: a text/],
    [
      '{"type":"subscribe","topics":["queues"]}',
      /^topics\.0: .*expected one of "tasks"\|"workers"\|"events"\|"snapshots"/,
    ],
    [
      '{"type":"subscribe","events":["*-failed"]}',
      /^events\.0: expected an event type such as task-failed, or .*worker-\*/,
    ],
    ['{"type":"subscribe","after":"yesterday"}', /^after: expected a cursor as an earlier message/],
    ['{"type":"subscribe","snapshot":"yes"}', /^snapshot: .*expected boolean/],
    ['{"type":"subscribe","__proto__":{"q":"x"}}', /^there is no __proto__ in a subscription/],
  ])('%.60j', (frame, error) => {
    const socket = server.attach();
    socket.say(frame);
    expect(errorOf(socket)).toMatch(error);
    // What it had before goes on.
    server.record({ type: 'task-received', uuid: 'a' });
    server.hub.flush();
    expect(socket.messages.at(-1)).toMatchObject({ type: 'changes', tasks: [{ task_id: 'a' }] });
  });

  test.each([
    ['q=name', 'q=name&q=x', /^the parameter q is given twice/],
    ['', 'filter=x', /^there is no filter in a subscription; expected q, cluster, topics/],
    ['', 'topics=tasks,queues', /^topics\.1: /],
    ['', 'snapshot=perhaps', /^snapshot: /],
  ])('in a query string, after which nothing is sent until it is', (_, query, error) => {
    const socket = server.attach(query);
    expect(errorOf(socket)).toMatch(error);
    server.record({ type: 'task-received', uuid: 'a' });
    server.hub.flush();
    expect(socket.messages.map(({ type }) => type)).toEqual(['hello', 'error']);
    socket.say({ type: 'subscribe' });
    expect(socket.messages.at(-1)).toMatchObject({ type: 'live', position: 1 });
  });

  test('an error tells the id of the message, and where in the filter it is', () => {
    const socket = server.attach();
    socket.say({ type: 'subscribe', id: 'mine', q: 'state:FAILURE AND nonsense:1' });
    expect(socket.messages.at(-1)).toMatchObject({ type: 'error', id: 'mine', at: 18 });
  });

  test('binary frames are refused; ten errors and it is sent away, as for too many frames', () => {
    const socket = server.attach();
    for (let n = 0; n < 10; n++) {
      expect(socket.closed).toBeNull();
      socket.emit('message', Buffer.from('{"type":"subscribe"}'), true);
    }
    expect(errorOf(socket)).toBe('expected text, not a binary frame');
    expect(socket.closed).toEqual([1008, '10 messages were not understood: see docs/live.md']);
    const eager = server.attach();
    for (let n = 0; n <= 50; n++) eager.say({ type: 'subscribe' });
    expect(eager.closed?.[0]).toBe(1008);
    const patient = server.attach();
    for (let n = 0; n <= 100; n++) {
      patient.say({ type: 'subscribe' });
      if (n % 40 === 0) vi.advanceTimersByTime(1000);
    }
    expect(patient.closed).toBeNull();
  });

  test('whatever is said, the answer is a subscription or an error in words', () => {
    const looksLike = fc.record(
      {
        type: fc.constant('subscribe'),
        q: fc.anything(),
        topics: fc.anything(),
        events: fc.anything(),
        after: fc.anything(),
      },
      { requiredKeys: ['type'] },
    );
    const said = fc.oneof(
      fc.string(),
      fc.json(),
      looksLike.map((value) => JSON.stringify(value) ?? ''),
    );
    fc.assert(
      fc.property(said, (text) => {
        const reads = [readFrame(text, 0), readParams(new URLSearchParams(text.slice(0, 200)), 0)];
        for (const read of reads) if (!read.ok) expect(read.error.length).toBeGreaterThan(10);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('a record that stops matching', () => {
  const kinds = (messages: readonly FeedMessage[]): unknown =>
    messages.flatMap((message) =>
      message.type === 'changes' && message.tasks.length + message.gone.tasks.length > 0
        ? [[message.tasks.map(({ task_id }) => task_id), message.gone.tasks.map(({ task_id }) => task_id)]]
        : [],
    );

  test('is told to be gone; to a client that began with a snapshot only what it holds', async () => {
    server.record({ type: 'task-started', uuid: 'held' });
    const unsure = server.attach('q=state:STARTED&topics=tasks');
    const sure = server.attach('q=state:STARTED&topics=tasks&snapshot=true');
    await vi.waitUntil(() => sure.messages.at(-1)?.type === 'live');
    for (const socket of [unsure, sure]) socket.news();
    server.record({ type: 'task-succeeded', uuid: 'held' });
    server.record({ type: 'task-received', uuid: 'other' });
    server.hub.flush();
    expect(kinds(unsure.news())).toEqual([[[], ['held', 'other']]]);
    expect(kinds(sure.news())).toEqual([[[], ['held']]]);
    server.record({ type: 'task-started', uuid: 'other' });
    server.hub.flush();
    server.record({ type: 'task-succeeded', uuid: 'other' });
    server.hub.flush();
    expect(kinds(sure.news())).toEqual([
      [['other'], []],
      [[], ['other']],
    ]);
  });
});
