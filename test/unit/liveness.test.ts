/** What is to be thought of workers, and of the tasks of those that went away. */
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { createHearing, hear, heardSince } from '../../src/domain/hearing.ts';
import { doubtOf, executedBy, livenessOf, orphanOf } from '../../src/domain/liveness.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';
import { statusOf } from '../../src/domain/worker.ts';
import { received } from '../support/celery-events.ts';
import { runs } from '../support/effort.ts';
import { Strict } from '../support/strict.ts';

let strict: Strict;
beforeEach(() => {
  strict = new Strict();
});
const liveness = (now: number) => livenessOf(strict.worker(), strict.state, now);
const orphan = (now: number) => orphanOf(strict.task(), strict.state, now);
/** This monitor hears from one moment up to another. */
function listen(from: number, to: number): void {
  for (let at = from; at <= to; at += 0.5) hear(strict.state.hearing, at);
}

describe('a worker', () => {
  test('is late after two heartbeats, and lost after five and thirty seconds', () => {
    strict.beat(90);
    strict.beat(100);
    expect(liveness(103.9)).toEqual({ status: 'ONLINE', reason: null, since: 90 });
    expect(liveness(104)).toEqual({ status: 'SUSPECT', reason: null, since: 100 });
    expect(liveness(129.9).status).toBe('SUSPECT');
    expect(liveness(130)).toEqual({ status: 'OFFLINE', reason: 'lost', since: 100 });
    strict.beat(200, { freq: 60 });
    expect([liveness(319).status, liveness(499).status, liveness(500).status]).toEqual([
      'ONLINE',
      'SUSPECT',
      'OFFLINE',
    ]);
  });

  test('is kept by the events of its tasks', () => {
    strict.beat(100);
    strict.tellTask('started', 140);
    expect(liveness(143).status).toBe('ONLINE');
  });

  test('that never sends heartbeats by itself is not called lost', () => {
    strict.tell('worker-heartbeat', 100, { freq: 5 });
    expect([liveness(109).status, liveness(111).status, liveness(1e6).status]).toEqual([
      'ONLINE',
      'SUSPECT',
      'SUSPECT',
    ]);
  });

  test('is to the celery reducer what Celery says', () => {
    fc.assert(
      fc.property(fc.array(received, { maxLength: 30 }), fc.integer({ min: 0, max: 200 }), (events, later) => {
        const clusters = createClusters({ maxTasks: 100, maxWorkers: 100 }, { fold: 'celery' });
        for (const [event, local_received] of events) {
          fold(clusters, { position: clusters.position + 1, cluster: 'c', local_received, event });
        }
        const state = stateOf(clusters, 'c');
        const now = (state.last_received ?? 0) + later;
        for (const worker of state.workers.values()) {
          expect(livenessOf(worker, state, now)).toEqual({ status: statusOf(worker, now), reason: null, since: null });
        }
      }),
      { numRuns: runs(300) },
    );
  });
});

describe('while this monitor was deaf', () => {
  test('nobody falls silent: disconnected, nobody becomes late', () => {
    strict.beat(100);
    listen(90, 101);
    expect(liveness(1000).status).toBe('ONLINE');
  });

  test('back again, a worker has its time, and thirty seconds more before it is lost', () => {
    strict.beat(100);
    listen(90, 101);
    listen(500, 502);
    expect(liveness(502).status).toBe('ONLINE');
    listen(502, 503);
    expect(liveness(503).status).toBe('SUSPECT');
    listen(503, 558.5);
    expect(liveness(558.5).status).toBe('SUSPECT');
    listen(558.5, 559);
    expect(liveness(559)).toEqual({ status: 'OFFLINE', reason: 'lost', since: 100 });
  });

  test('one that was lost before stays so', () => {
    strict.beat(100);
    listen(90, 200);
    expect(liveness(200).reason).toBe('lost');
    listen(5000, 5001);
    expect(liveness(5001).reason).toBe('lost');
  });

  test('a goodbye counts whenever it is asked for', () => {
    strict.beat(100);
    listen(90, 101);
    strict.tell('worker-offline', 101);
    expect(liveness(1000).reason).toBe('goodbye');
  });

  test('heard time is what is left when the outages are taken away, however many there are', () => {
    const step = fc.record({ deaf: fc.boolean(), length: fc.integer({ min: 6, max: 50 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.nat(100), (steps, begun) => {
        const hearing = createHearing();
        hear(hearing, 0);
        let now = 0;
        let truth = 0;
        for (const { deaf, length } of steps) {
          for (let n = 1; n <= length; n++) {
            if (!deaf) hear(hearing, now + n);
            if (!deaf && now + n > begun) truth++;
          }
          now += length;
        }
        const { seconds } = heardSince(hearing, begun, now);
        // Where it was deaf up to now it does not know yet; and more than 32 outages are told as fewer, longer ones.
        const slack = steps.length + 2;
        expect(seconds).toBeLessThanOrEqual(truth + slack);
        if (hearing.outages.length < 32) expect(seconds).toBeGreaterThanOrEqual(Math.min(truth, now - begun) - slack);
        expect(hearing.outages.length).toBeLessThanOrEqual(32);
      }),
    );
  });
});

describe('a task is orphaned', () => {
  beforeEach(() => {
    strict.beat(90);
    strict.tellTask('received', 95);
  });

  test('when its worker is lost while it executes it, and no more when the worker is heard of', () => {
    strict.tellTask('started', 96);
    expect([orphan(100), orphan(125)]).toEqual([null, null]);
    expect(orphan(126)).toEqual({ at: 96, reason: 'lost' });
    strict.beat(300, { active: 1, processed: 1 });
    expect(orphan(301)).toBeNull();
    expect(strict.task().state).toBe('STARTED');
  });

  test('in a custom state, too', () => {
    strict.tellTask('started', 96);
    strict.tellTask('progress', 97, { pid: 7, clock: 3 });
    expect(strict.task().state).toBe('PROGRESS');
    expect(orphan(200)).toEqual({ at: 96, reason: 'lost' });
  });

  test('not when it was only received: that goes back to the queue', () => {
    strict.tell('worker-offline', 100, { active: 0 });
    expect(orphan(1000)).toBeNull();
  });

  test('not when it has ended, or is known by its sender alone', () => {
    strict.tellTask('started', 96);
    strict.tellTask('succeeded', 97);
    strict.tellTask('sent', 98, { uuid: 'v', hostname: 'gen9@h', pid: 9 });
    strict.tell('worker-offline', 100, { active: 0 });
    expect([orphan(1000), orphanOf(strict.task('v'), strict.state, 1000)]).toEqual([null, null]);
  });

  test('when its worker said goodbye and had nothing left to do', () => {
    strict.tellTask('started', 96);
    strict.tell('worker-offline', 100, { active: 0 });
    expect(orphan(100)).toEqual({ at: 100, reason: 'goodbye' });
  });

  test('in a warm shutdown only when it has not ended in time', () => {
    strict.tellTask('started', 96);
    strict.tell('worker-offline', 100, { active: 1, processed: 1 });
    expect([orphan(101), orphan(129)]).toEqual([null, null]);
    expect(orphan(130)).toEqual({ at: 100, reason: 'goodbye' });
    strict.tellTask('succeeded', 140);
    expect(orphan(141)).toBeNull();
  });

  test.each([
    ['another pid', { pid: 2, clock: 1 }],
    ['the same pid', { pid: 1, clock: 1 }],
  ])('when its process was replaced by one with %s', (_, process) => {
    strict.tellTask('started', 96);
    strict.tell('worker-online', 110, { ...process, active: 0, processed: 0 });
    expect(orphan(111)).toEqual({ at: 110, reason: 'replaced' });
    strict.tellTask('received', 112, { ...process, clock: 2 });
    expect(orphan(113)).toBeNull();
  });

  test('not when the process that is said to have replaced it is its rival', () => {
    strict.tellTask('started', 96);
    for (let at = 110; at < 120; at++) strict.beat(at, { pid: 1 + (at % 2) });
    expect(orphan(120)).toBeNull();
  });

  test('not when it was started while the other process was there already', () => {
    strict.beat(120);
    strict.tellTask('started', 110, { uuid: 'v', pid: 2, clock: 9 });
    expect(orphanOf(strict.task('v'), strict.state, 121)).toBeNull();
  });

  test('not by what its new worker does: it was run again there', () => {
    strict.tellTask('started', 96);
    strict.tellTask('received', 200, { hostname: 'v@h', pid: 5, clock: 1 });
    strict.tellTask('started', 201, { hostname: 'v@h', pid: 5, clock: 2 });
    expect(orphan(202)).toBeNull();
  });

  test('by a worker that first became known through another process', () => {
    const late = new Strict();
    late.tellTask('started', 96);
    late.tell('worker-online', 110, { pid: 2, clock: 1, active: 0, processed: 0 });
    expect(orphanOf(late.task(), late.state, 111)?.reason).toBe('replaced');
  });
});

test('the tasks that a worker executes', () => {
  strict.beat(90);
  for (const [n, subjects] of [['started'], ['received'], ['started', 'failed'], ['started', 'progress']].entries()) {
    for (const subject of subjects) strict.tellTask(subject, 91 + n, { uuid: `u${n}` });
  }
  strict.tellTask('started', 99, { uuid: 'other', hostname: 'v@h' });
  expect([...executedBy(strict.state, new Set(['w@h']))].map(({ uuid }) => uuid)).toEqual(['u0', 'u3']);
});

describe('there is doubt', () => {
  test('when the worker goes on telling that it executes nothing', () => {
    strict.tellTask('started', 90);
    for (let at = 92; at <= 104; at += 2) strict.beat(at, { processed: 1 });
    expect(doubtOf(strict.task(), strict.state)).toMatch(/executes nothing/);
    // A task that was started since is not meant.
    strict.tellTask('started', 105, { uuid: 'v' });
    expect(doubtOf(strict.task('v'), strict.state)).toBeNull();
    strict.tellTask('succeeded', 106);
    expect(doubtOf(strict.task(), strict.state)).toBeNull();
  });

  test('not while it tells of something to do, nor before its lists can have come', () => {
    strict.tellTask('started', 90);
    for (let at = 92; at <= 120; at += 2) strict.beat(at, { active: 1, processed: 1 });
    strict.beat(122, { processed: 1 });
    expect(doubtOf(strict.task(), strict.state)).toBeNull();
  });
});
