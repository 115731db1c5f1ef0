/** The simulated cluster says what a real one would say. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Agenda, Chance } from '../../src/broker/agenda.ts';
import { decode } from '../../src/broker/decoder.ts';
import type { Delivery } from '../../src/broker/delivery.ts';
import { Inbox } from '../../src/broker/inbox.ts';
import { SimulatedReceiver, toDelivery } from '../../src/broker/simulated-receiver.ts';
import { DEFAULT_SIMULATION, simulate } from '../../src/broker/simulator.ts';
import type { SimulationConfig } from '../../src/config.ts';
import { createDiagnostics } from '../../src/diagnostics.ts';
import type { Event } from '../../src/domain/event.ts';
import { runs } from '../support/effort.ts';

const START = 1_795_508_776;
const SOME: SimulationConfig = { ...DEFAULT_SIMULATION, rate: 200, count: 1500, failures: 0.1, retries: 0.1 };

function eventsOf(options: SimulationConfig): readonly Event[] {
  const deliveries = [...simulate(options, START)].map((message) => toDelivery(message, 'simulated'));
  const { events, deadLetters } = decode(deliveries);
  expect(deadLetters).toEqual([]);
  return events.map(({ event }) => event);
}

function count(events: readonly Event[], type: string): number {
  return events.filter((event) => event.type === type).length;
}

test('the same seed gives the same messages, another seed others', () => {
  const few = { ...SOME, count: 50 };
  const bodies = (options: SimulationConfig): string => JSON.stringify([...simulate(options, START)]);
  expect(bodies(few)).toBe(bodies(few));
  expect(bodies({ ...few, seed: 2 })).not.toBe(bodies(few));
});

test('messages are in the order of their times, and events no later than their message', () => {
  let last = 0;
  for (const { at, body, events } of simulate(SOME, START)) {
    if (at < last) expect(at).toBe(last);
    last = at;
    const value = JSON.parse(body) as Event | Event[];
    const list = Array.isArray(value) ? value : [value];
    expect(list).toHaveLength(events);
    if (list.some((event) => Number(event['timestamp']) > START + at + 1e-6))
      expect(body).toBe('nothing from the future');
  }
});

test('with lists, task events of workers come under task.multi, at most 24 at once, some of them empty', () => {
  const messages = [...simulate({ ...SOME, rate: 5000, count: 4000 }, START)];
  const keys = new Set(messages.map(({ routing_key }) => routing_key));
  expect([...keys].toSorted()).toEqual([
    'task.multi',
    'task.sent',
    'worker.heartbeat',
    'worker.offline',
    'worker.online',
  ]);
  const sizes = messages.filter(({ routing_key }) => routing_key === 'task.multi').map(({ events }) => events);
  expect(Math.max(...sizes)).toBe(24);
  // As of real workers, a flush now and then finds nothing: seen where there is little to do.
  const quiet = [...simulate({ ...SOME, rate: 5, count: 1000 }, START)];
  expect(quiet.find(({ events }) => events === 0)?.body).toBe('[]');
});

test('without lists every event comes singly, under its own key', () => {
  for (const { routing_key, body, events } of simulate({ ...SOME, lists: false, count: 300 }, START)) {
    expect(events).toBe(1);
    expect(routing_key).toBe((JSON.parse(body) as Event).type.replaceAll('-', '.'));
  }
});

test('every task is sent and comes to an end, in the shares that were asked for', () => {
  const events = eventsOf(SOME);
  const uuids = new Set(events.filter(({ type }) => type === 'task-sent').map(({ uuid }) => uuid));
  expect(uuids.size).toBeGreaterThanOrEqual(1500);
  const ends = ['task-succeeded', 'task-failed', 'task-rejected', 'task-revoked'];
  const ended = events.filter(({ type }) => ends.includes(type)).map(({ uuid }) => uuid);
  expect(new Set(ended)).toEqual(uuids);
  expect(ended).toHaveLength(uuids.size);
  const started = count(events, 'task-started');
  expect(count(events, 'task-failed') / started).toBeCloseTo(0.1, 1);
  expect(count(events, 'task-retried') / started).toBeCloseTo(0.09, 1);
  expect(started).toBe(
    count(events, 'task-succeeded') +
      count(events, 'task-failed') +
      count(events, 'task-retried') +
      count(events, 'task-rejected'),
  );
});

test('a retry is its own parent and is sent before the worker says that it retries; chains keep their root', () => {
  const events = eventsOf(SOME);
  const retries = events.filter((event) => event.type === 'task-sent' && Number(event['retries']) > 0);
  expect(retries.length).toBeGreaterThan(100);
  for (const retry of retries) expect(retry['parent_id']).toBe(retry['uuid']);
  const first = retries[0];
  const life = events.filter(({ uuid }) => uuid === first?.['uuid']).map(({ type }) => type);
  expect(life.slice(0, 6)).toEqual([
    'task-sent',
    'task-received',
    'task-started',
    'task-sent',
    'task-received',
    'task-retried',
  ]);
  const children = events.filter(
    (event) => event.type === 'task-sent' && event['parent_id'] !== null && event['parent_id'] !== event['uuid'],
  );
  expect(children.length).toBeGreaterThan(100);
  const roots = new Map(
    events.map((event) => [event['uuid'], event['root_id'] ?? null] as const).filter(([, root]) => root !== null),
  );
  for (const child of children) expect(roots.get(child['parent_id'] ?? null)).toBe(child['root_id']);
  for (const failed of events.filter(({ type }) => type === 'task-failed'))
    expect(failed['traceback']).toMatch(/^Traceback[\s\S]{1000,}\n$/);
});

test('workers introduce themselves, beat, are restarted as new processes, and are all offline at the end', () => {
  const events = eventsOf({ ...SOME, rate: 1, count: 900 });
  const workers = new Map<unknown, Event[]>();
  for (const event of events) {
    if (event.type.startsWith('worker-'))
      workers.set(event['hostname'], [...(workers.get(event['hostname']) ?? []), event]);
  }
  expect(workers.size).toBe(3);
  for (const said of workers.values()) {
    expect(said[0]?.type).toBe('worker-online');
    expect(said.at(-1)?.type).toBe('worker-offline');
    const online = said.filter(({ type }) => type === 'worker-online');
    expect(new Set(online.map(({ pid }) => pid)).size).toBe(online.length);
    expect(online.length).toBeGreaterThan(1);
    for (const event of said) {
      expect(event).toMatchObject({
        freq: 2,
        sw_ident: 'py-celery',
        loadavg: [expect.any(Number), expect.any(Number), expect.any(Number)],
      });
      expect(event['active']).toBeGreaterThanOrEqual(0);
    }
  }
});

test('the clock of a process goes up with its time, though heartbeats overtake task events on the wire', () => {
  const clocks = new Map<string, number>();
  const events = eventsOf(SOME).filter(({ type }) => type !== 'task-sent');
  const byTime = events.toSorted((a, b) => Number(a['timestamp']) - Number(b['timestamp']));
  for (const event of byTime) {
    const process = `${String(event['hostname'])} ${String(event['pid'])}`;
    expect(event['clock']).toBeGreaterThan(clocks.get(process) ?? 0);
    clocks.set(process, Number(event['clock']));
  }
  expect(events).not.toEqual(byTime);
});

test('the simulated receiver pushes everything and says that it is simulated', async () => {
  const inbox = new Inbox({ batchSize: 100, maxBytes: 1e9 });
  const diagnostics = createDiagnostics();
  const ready: unknown[] = [];
  diagnostics.on('receiver:ready', (at) => ready.push(at));
  const options = { ...SOME, rate: 1e9, count: 20, workers: 1, retries: 0, tasks: ['a'] };
  await using receiver = new SimulatedReceiver('simulated', options, { inbox, diagnostics });
  expect(receiver.status).toMatchObject({ connected: false, simulated: true });
  const running = receiver.run(new AbortController().signal);
  expect(receiver.status).toMatchObject({ connected: true, simulated: true, error: null });
  await running;
  expect(ready).toHaveLength(1);
  expect(receiver.status.connected).toBe(false);
  const deliveries: Delivery[] = [];
  for await (const batch of inbox.batches(AbortSignal.abort())) deliveries.push(...batch);
  expect(deliveries).toHaveLength(receiver.status.received);
});

test('the agenda does things by time, then in the order in which they were added', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), (times) => {
      const agenda = new Agenda();
      const done: [number, number][] = [];
      for (const [order, time] of times.entries()) agenda.add(time, (at) => done.push([at, order]));
      while (!agenda.isEmpty) agenda.step();
      const expected = times
        .map((time, order) => [time, order])
        .toSorted(([a = 0, i = 0], [b = 0, j = 0]) => a - b || i - j);
      expect(done).toEqual(expected);
    }),
  );
});

describe('chance', () => {
  test('spreads evenly, for any seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const chance = new Chance(seed);
        const tenths = new Array<number>(10).fill(0);
        for (let n = 0; n < 10_000; n++) {
          const tenth = Math.floor(chance.fraction() * 10);
          tenths[tenth] = (tenths[tenth] ?? 0) + 1;
        }
        for (const times of tenths) expect(times).toBeGreaterThan(800);
      }),
      { numRuns: runs(20) },
    );
  });

  test('its uuids are of version 4 and differ', () => {
    const chance = new Chance(1);
    const uuids = Array.from({ length: 10_000 }, () => chance.uuid());
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(uuids).size).toBe(10_000);
  });
});
