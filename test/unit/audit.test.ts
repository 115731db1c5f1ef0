/** The loss audit: no alarm on what healthy workers send, however it arrives; and every planted loss found, with its size. */
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import { capturedBy } from '../../src/domain/audit.ts';
import { createClusters, fold, type State, stateOf } from '../../src/domain/state.ts';
import { runs } from '../support/effort.ts';
import { type Message, messagesOf, type ProcessPlan } from '../support/worker-process.ts';

const LENGTH = 90;
const HOSTNAME = 'celery@w1';

/** Folds messages as they arrive. */
function foldMessages(messages: readonly Message[]): State {
  const clusters = createClusters({ maxTasks: 10_000, maxWorkers: 10 }, { fold: 'strict' });
  for (const { at, events } of messages) {
    for (const event of events)
      fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received: at, event });
  }
  return stateOf(clusters, 'c');
}

function capture({ workers }: State): { captured: number; lost: number } {
  const incarnation = workers.get(HOSTNAME)?.incarnation;
  return incarnation ? capturedBy(incarnation.audit) : { captured: 0, lost: 0 };
}

const time = fc.double({ min: 1, max: LENGTH - 1, noNaN: true });
const starts = fc.array(time, { minLength: 1, maxLength: 120 }).map((times) => times.sort((a, b) => a - b));

const plan: fc.Arbitrary<ProcessPlan> = fc.record({
  hostname: fc.constant(HOSTNAME),
  pid: fc.constant(100),
  from: fc.constant(0),
  to: fc.constant(LENGTH),
  clock: fc.integer({ min: 1, max: 500 }),
  starts,
  enabled: fc.oneof(fc.constant(0), time),
  delays: fc.array(fc.double({ min: 0, max: 0.6, noNaN: true }), { minLength: 1, maxLength: 10 }),
  solo: fc.boolean(),
  asked: fc.array(time, { maxLength: 5 }),
  outage: fc.option(time.map((from) => ({ from, to: Math.min(from + 20, LENGTH - 0.5) }))),
  race: fc.constant(false),
});

/** Two recorders that share a queue bring messages as each of them can: up to five seconds late. */
const jitter = fc.array(fc.double({ min: 0, max: 5, noNaN: true }), { maxLength: 30 });
function withJitter(messages: readonly Message[], late: readonly number[]): Message[] {
  return messages
    .map(({ at, events }, n) => ({ at: at + (late[n % (late.length || 1)] ?? 0), events }))
    .sort((a, b) => a.at - b.at);
}

/** Messages that come a second time, somewhat later. */
const again = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 20 })), { maxLength: 10 });
function withDuplicates(messages: readonly Message[], which: readonly (readonly [number, number])[]): Message[] {
  const all = messages.map((message, n) => ({ message, n }));
  for (const [nth, later] of which) {
    const n = nth % messages.length;
    const message = messages[n];
    if (message) all.push({ message, n: n + later });
  }
  return all.sort((a, b) => a.n - b.n).map(({ message }) => message);
}

/** Another process follows: with a pid of its own or, in a container, with the same. */
interface Successor {
  readonly samePid: boolean;
  readonly goodbye: boolean;
  readonly clock: number;
  readonly starts: readonly number[];
}
const successor: fc.Arbitrary<Successor> = fc.record({
  samePid: fc.boolean(),
  goodbye: fc.boolean(),
  clock: fc.constantFrom(1, 3, 5000),
  starts,
});

function withSuccessor(first: ProcessPlan, next: Successor | null): Message[] {
  const messages = messagesOf(first);
  if (next === null) return messages;
  // A process that is killed says nothing, and what it had not sent yet is lost: no heartbeat accounts for it either.
  if (!next.goodbye) messages.splice(-2);
  const from = LENGTH + 3;
  const plan: ProcessPlan = {
    ...first,
    ...{ pid: next.samePid ? first.pid : first.pid + 1, clock: next.clock, from, to: from + LENGTH, outage: null },
    starts: next.starts.map((at) => at + from),
    asked: [],
    enabled: 0,
  };
  return [...messages, ...messagesOf(plan)];
}

describe('no alarm', () => {
  test('for what a healthy worker sends, however it arrives', () => {
    fc.assert(
      fc.property(plan, fc.option(successor), again, jitter, (first, next, twice, late) => {
        const state = foldMessages(withDuplicates(withJitter(withSuccessor(first, next), late), twice));
        expect(state.losses).toEqual([]);
        expect(capture(state).lost).toBe(0);
      }),
      { numRuns: runs(1000) },
    );
  });

  test('for a pool that counts a task before it tells of it, with a heartbeat in between now and then', () => {
    const calm = messagesOf(PLAIN).filter(({ at }) => at < 20);
    const racing = messagesOf({ ...PLAIN, race: true }).filter(({ at }) => at >= 20);
    // The clock goes on where it was.
    const ahead = racing.map(({ at, events }) => ({
      at,
      events: events.map((event) => ({ ...event, clock: Number(event['clock']) + 1000 })),
    }));
    expect(foldMessages([...calm, ...ahead]).losses).toEqual([]);
  });

  test('for a worker whose task events are off, or are switched off', () => {
    expect(foldMessages(messagesOf({ ...PLAIN, enabled: Number.POSITIVE_INFINITY })).losses).toEqual([]);
    const off = messagesOf({ ...PLAIN, starts: everySecond(1.5, 60) }).map(({ at, events }) => ({
      at,
      events: events.filter(({ type }) => at < 30 || type.startsWith('worker-')),
    }));
    expect(foldMessages(off).losses).toEqual([]);
  });
});

test('no alarm for what real workers sent, nor for the simulated ones', () => {
  for (const name of ['mixed', 'canvas', 'outcomes', 'redis']) {
    const lines = readFileSync(new URL(`../fixtures/celery/${name}.jsonl`, import.meta.url), 'utf8')
      .trim()
      .split('\n');
    const messages = lines.map((line): Message => {
      const { body, local_received: at } = JSON.parse(line.replace(/\bNaN\b|-?\bInfinity\b/g, 'null'));
      return { at: Array.isArray(at) ? at[0] : at, events: Array.isArray(body) ? body : [body] };
    });
    expect(foldMessages(messages.filter(({ events }) => events.length > 0)).losses).toEqual([]);
  }
  // Eight minutes: each worker is restarted about twice.
  const messages = [...simulate({ ...DEFAULT_SIMULATION, rate: 5, count: 2500 }, 0)];
  const state = foldMessages(messages.map(({ at, body }) => ({ at, events: [JSON.parse(body)].flat() })));
  expect(state.losses).toEqual([]);
  const captured = [...state.workers.values()].map(({ incarnation }) => incarnation && capturedBy(incarnation.audit));
  expect(captured).toHaveLength(3);
  for (const each of captured) expect(each).toEqual({ captured: expect.toSatisfy((n: number) => n > 50), lost: 0 });
});

function everySecond(from: number, to: number): number[] {
  return Array.from({ length: Math.floor(to - from) }, (_, n) => from + n);
}

const PLAIN: ProcessPlan = {
  ...{ hostname: HOSTNAME, pid: 100, from: 0, to: LENGTH, clock: 1, enabled: 0, delays: [0.002, 0.6], solo: false },
  ...{ starts: everySecond(1.5, LENGTH), asked: [], outage: null, race: false },
};

describe('a loss', () => {
  /** A process that tells of a task early and late, so that the counting has begun and can end. */
  const told = fc.tuple(plan, fc.array(fc.double({ min: 12, max: 60, noNaN: true }), { minLength: 1, maxLength: 80 }));
  const planted = told.chain(([each, middle]) => {
    const between = [...middle].sort((a, b) => a - b);
    return fc.record({
      plan: fc.constant({
        ...{ ...each, enabled: 0, solo: false, starts: [1.5, 3.9, ...between, 70] },
        // Over long enough before the end.
        outage: each.outage && { from: each.outage.from / 2, to: each.outage.to / 2 },
      }),
      lost: fc.subarray(
        between.map((_, n) => n + 2),
        { minLength: 1 },
      ),
      /** Only `task-started` is lost, or all that the tasks told. */
      whole: fc.boolean(),
      twice: again,
    });
  });

  test('is found, and its size', () => {
    fc.assert(
      fc.property(planted, ({ plan: each, lost, whole, twice }) => {
        const gone = new Set(lost.map((n) => `${HOSTNAME}-100-${each.clock}-${n}`));
        const messages = messagesOf(each).map(({ at, events }) => ({
          at,
          events: events.filter(({ type, uuid }) => !(gone.has(String(uuid)) && (whole || type === 'task-started'))),
        }));
        const state = foldMessages(withDuplicates(messages, twice));
        expect(state.losses.reduce((sum, { estimate }) => sum + estimate, 0)).toBe(gone.size);
        const { captured, lost: missed } = capture(state);
        expect(missed).toBe(gone.size);
        // Those that started before the counting began are not among them.
        expect(captured).toBeGreaterThanOrEqual(each.starts.length - 2 - gone.size);
        for (const { started_at, ended_at, hostname } of state.losses) {
          expect(hostname).toBe(HOSTNAME);
          expect(started_at).toBeLessThan(ended_at);
        }
      }),
      { numRuns: runs(1000) },
    );
  });

  test('lies between the heartbeats that frame it', () => {
    const messages = messagesOf(PLAIN).map(({ at, events }) => ({
      at,
      events: events.filter(({ timestamp }) => Number(timestamp) < 41 || Number(timestamp) > 49),
    }));
    expect(foldMessages(messages).losses).toEqual([{ hostname: HOSTNAME, started_at: 40, ended_at: 50, estimate: 8 }]);
  });

  test('that goes on is told once a minute', () => {
    const messages = messagesOf({ ...PLAIN, to: 200, starts: everySecond(1.5, 200) }).map(({ at, events }) => ({
      at,
      // Every other task, for two minutes.
      events: events.filter(
        ({ uuid, timestamp: t }) => !(/[02468]$/.test(String(uuid)) && Number(t) > 31 && Number(t) < 151),
      ),
    }));
    const { losses } = foldMessages(messages);
    expect(losses).toHaveLength(2);
    expect(losses.reduce((sum, { estimate }) => sum + estimate, 0)).toBe(60);
    expect([losses[0]?.started_at, losses[1]?.ended_at]).toEqual([30, expect.closeTo(151, -1)]);
    expect(losses[1]?.started_at).toBe(losses[0]?.ended_at);
  });

  test('that was none, because the events came very late after all, is taken back', () => {
    const late: Message[] = [];
    const messages = messagesOf(PLAIN).filter((message) => {
      const isLate = message.at > 40 && message.at < 45 && message.events[0]?.type.startsWith('task-');
      if (isLate) late.push(message);
      return !isLate;
    });
    const state = foldMessages([
      ...messages.filter(({ at }) => at < 70),
      ...late,
      ...messages.filter(({ at }) => at >= 70),
    ]);
    expect(state.losses).toHaveLength(1);
    expect(capture(state).lost).toBe(0);
  });
});
