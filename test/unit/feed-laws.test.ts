/** Whatever happens to a client and to the server, in the end the client holds exactly what the server has. */
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Event } from '../../src/domain/event.ts';
import { runs } from '../support/effort.ts';
import { settle } from '../support/feed.ts';
import { type FeedClient, FeedModel } from '../support/feed-model.ts';

const RUNS = runs(200);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

const FILTERS = ['', 'state:STARTED', 'NOT state:SUCCESS', 'name:a', 'worker:w1@h', 'result:1 OR state:RECEIVED'];

const EVENTS = { topics: 'tasks,workers,events' };

type Step =
  | { readonly do: 'event'; readonly event: Event; readonly after: number }
  | { readonly do: 'connect' | 'cut' | 'read' | 'slow' | 'fast'; readonly client: number; readonly reads: boolean }
  | { readonly do: 'change'; readonly client: number; readonly q: string }
  | { readonly do: 'flush' | 'turn' | 'settle' | 'tick' | 'silence' | 'shutter' | 'restart' | 'prune' };

const client = fc.nat(2);
const event = fc
  .record({
    type: fc.constantFrom(
      ...['task-sent', 'task-received', 'task-started', 'task-succeeded', 'task-failed', 'task-retried'],
      ...['worker-online', 'worker-heartbeat', 'worker-offline'],
    ),
    task: fc.nat(9),
    worker: fc.nat(2),
    name: fc.constantFrom('a', 'b'),
    active: fc.nat(1),
  })
  .map(({ type, task, worker, name, active }): Event => {
    const hostname = type === 'task-sent' ? 'client@h' : `w${worker}@h`;
    if (type.startsWith('worker-')) return { type, hostname, pid: worker, freq: 2, active, processed: 0 };
    const parent_id = task > 2 ? `t${task % 3}` : null;
    const family = type === 'task-sent' || type === 'task-received' ? { name, parent_id, root_id: `t${task % 3}` } : {};
    return { type, hostname, pid: worker, uuid: `t${task}`, result: `${task}`, ...family };
  });

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({ do: fc.constant('event' as const), event, after: fc.constantFrom(0, 0, 0.1, 1) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('connect', 'cut', 'read', 'slow', 'fast'),
      client,
      reads: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('change' as const), client, q: fc.constantFrom(...FILTERS) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('flush', 'turn', 'turn', 'settle', 'tick', 'silence', 'shutter', 'restart'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('prune' as const) }) },
);

async function play(model: FeedModel, steps: readonly Step[]): Promise<void> {
  let clock = 0;
  for (const step of steps) {
    const of: FeedClient | undefined = 'client' in step ? model.clients[step.client] : undefined;
    switch (step.do) {
      case 'event':
        clock += 1;
        model.now += step.after;
        model.record({ ...step.event, clock, timestamp: model.now, utcoffset: 0 });
        break;
      case 'connect':
        of?.connect();
        break;
      case 'cut':
        // What was written but not read is lost.
        if (step.reads) of?.read();
        of?.cut();
        break;
      case 'read':
        of?.read();
        break;
      case 'slow':
        if (of?.socket) of.socket.bufferedAmount = 1e9;
        break;
      case 'fast':
        if (of?.socket) of.socket.bufferedAmount = 0;
        break;
      case 'change':
        of?.change(step.q);
        break;
      case 'flush':
        model.hub.flush();
        break;
      case 'turn':
        await settle(1);
        break;
      case 'settle':
        model.hub.flush();
        await settle();
        for (const each of model.clients) each.read();
        break;
      case 'tick':
        vi.advanceTimersByTime(1000);
        break;
      case 'silence':
        // Long enough for a worker to be lost.
        model.now += 40;
        vi.advanceTimersByTime(1000);
        break;
      case 'shutter':
        model.shutter();
        break;
      case 'restart':
        await model.restart();
        break;
      case 'prune':
        model.prune();
        break;
    }
  }
}

/** Everybody comes back, reads everything, and nothing happens any more. */
async function finish(model: FeedModel): Promise<void> {
  for (const each of model.clients) {
    if (each.socket) each.socket.bufferedAmount = 0;
    each.connect();
  }
  for (let n = 0; n < 3; n++) {
    await settle();
    vi.advanceTimersByTime(1000);
  }
  await settle();
  for (const each of model.clients) each.read();
  expect(model.failures).toEqual([]);
}

const sorted = <T extends { readonly children: readonly string[] }>(record: T): T => ({
  ...record,
  children: [...record.children].sort(),
});

test.each([
  ['all tasks in memory', 1000, 1_000_000],
  ['a memory for half of them', 5, 1_000_000],
  ['a trail of eight changes, so that the journal is read', 1000, 1_000_000, 8],
  ['few events that are gone through', 1000, 10, 2],
  ['messages for a record or two', 1000, 1_000_000, 100_000, 500],
  ['the same, with a small memory and a short trail', 5, 1_000_000, 8, 500],
])(
  'a client ends with the state of the server: %s',
  async (_, maxTasks, maxEvents, trail = 100_000, maxText = 1_000_000) => {
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom(...FILTERS), { minLength: 3, maxLength: 3 }),
      fc.array(step, { minLength: 1, maxLength: 60 }),
      async (filters, steps) => {
        const model = new FeedModel({ maxTasks, maxEvents, trail, maxBuffered: 1000, maxRecords: 3, maxText });
        await model.start();
        for (const [n, q] of filters.entries())
          model.connect({ q, ...(n < 2 && { after: 'e:0' }), ...(n > 0 && EVENTS) });
        await play(model, steps);
        await finish(model);
        const workers = model.workers();
        for (const { state, query, beganLate, socket } of model.clients) {
          expect(socket?.readyState).toBe(1);
          expect(state.isLive).toBe(true);
          const { all, inMemory } = model.expected(query['q'] ?? '');
          // Memory that drops tasks takes them from the children of their parents, and nobody is told of that.
          const compared =
            maxTasks < 10 ? <T>(record: T): T => ({ ...record, children: [] }) : <T>(record: T): T => record;
          for (const [key, record] of state.tasks) {
            expect([key, compared(sorted(record))]).toEqual([
              key,
              all.has(key) ? compared(sorted(all.get(key)!)) : null,
            ]);
          }
          for (const key of beganLate ? inMemory : all.keys()) expect([key, state.tasks.has(key)]).toEqual([key, true]);
          expect(state.workers).toEqual(workers);
        }
        await model.hub[Symbol.asyncDispose]();
      },
    );
    await fc.assert(property, { numRuns: RUNS });
  },
  Math.max(120_000, RUNS * 600),
);
