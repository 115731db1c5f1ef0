/** Who is a worker to the strict reducer, and which process under its name is the present one. */
import { beforeEach, describe, expect, test } from 'vitest';
import { livenessOf } from '../../src/domain/liveness.ts';
import { skewOf } from '../../src/domain/worker.ts';
import { Strict } from '../support/strict.ts';

let strict: Strict;
beforeEach(() => {
  strict = new Strict();
});
const status = (now: number) => livenessOf(strict.worker(), strict.state, now);

describe('who is a worker', () => {
  test('no client, whatever it sends, and no pool child', () => {
    const client = { hostname: 'gen9@h', pid: 9 };
    strict.tell('worker-note', 1, client);
    strict.tell('worker-elect', 1, { ...client, id: 'x' });
    strict.tellTask('sent', 2, client);
    strict.tellTask('note', 3, client);
    strict.tellTask('progress', 4, { pid: 7 });
    expect([...strict.state.workers.keys()]).toEqual([]);
  });

  test('who runs tasks, also when it never sends heartbeats', () => {
    strict.tellTask('received', 5);
    expect(strict.worker()).toMatchObject({ pid: 1, heartbeats: [5] });
    expect(status(6)).toEqual({ status: 'ONLINE', reason: null, since: 5 });
  });

  test('a pool child’s event is no sign of life', () => {
    strict.beat(5);
    strict.tellTask('progress', 50, { pid: 7 });
    expect(strict.worker().heartbeats).toEqual([5]);
  });
});

describe('a goodbye', () => {
  test('is not taken back by a late or repeated heartbeat', () => {
    strict.beat(10, { clock: 5 });
    strict.tell('worker-offline', 11, { clock: 7, active: 0 });
    const goodbye = { status: 'OFFLINE', reason: 'goodbye', since: 11 };
    strict.tell('worker-heartbeat', 10.5, { clock: 6, freq: 2, active: 0, processed: 0 }, 12);
    expect(status(12)).toEqual(goodbye);
    strict.beat(10, { clock: 5 });
    expect(status(12)).toEqual(goodbye);
  });

  test('nor by the tasks that a warm shutdown finishes', () => {
    strict.tellTask('started', 9);
    strict.tell('worker-offline', 11, { active: 1, processed: 1 });
    strict.tellTask('succeeded', 14);
    expect(status(15)).toEqual({ status: 'OFFLINE', reason: 'goodbye', since: 11 });
  });

  test('is taken back by the process itself', () => {
    strict.beat(10);
    strict.tell('worker-offline', 11);
    strict.tell('worker-online', 13, { active: 0, processed: 0 });
    expect(status(14).status).toBe('ONLINE');
  });
});

describe('the process behind the name', () => {
  test('another pid takes over, and starts from nothing', () => {
    strict.beat(10, { processed: 70, loadavg: [1, 2, 3] });
    strict.tell('worker-online', 20, { pid: 2, clock: 1, freq: 2, active: 0, processed: 0 });
    expect(strict.worker()).toMatchObject({ pid: 2, clock: 1, processed: 0, loadavg: null, heartbeats: [20] });
    expect(strict.worker().incarnation).toMatchObject({ pid: 2, since: 20, before: { pid: 1, reached: 10 } });
  });

  test('what comes late from the one before tells nothing', () => {
    strict.beat(10);
    strict.tell('worker-online', 20, { pid: 2, clock: 1, active: 0, processed: 0 });
    strict.tell('worker-offline', 15, { pid: 1, clock: 900 }, 21);
    strict.tellTask('succeeded', 14);
    expect(strict.worker()).toMatchObject({ pid: 2, clock: 1 });
    expect(status(22).status).toBe('ONLINE');
  });

  test.each([
    ['whose clock began anew', { clock: 1, processed: 0 }],
    ['that learnt the clock from its neighbours', { clock: 5000, processed: 0 }],
  ])('a restarted container has the same pid: %s', (_, fields) => {
    strict.beat(10, { clock: 100, processed: 70 });
    strict.tell('worker-online', 20, { freq: 2, active: 0, ...fields });
    strict.beat(22, { clock: fields.clock + 1 });
    expect(strict.worker().incarnation).toMatchObject({ pid: 1, since: 20, before: { pid: 1, reached: 10 } });
    expect(status(23).status).toBe('ONLINE');
    // A straggler of the old process.
    strict.tell('worker-heartbeat', 9.5, { clock: 99, active: 0, processed: 69 }, 24);
    expect(strict.worker()).toMatchObject({ processed: 0, clock: fields.clock + 1 });
  });

  test('coming back to the broker is no restart', () => {
    strict.beat(10, { processed: 70 });
    strict.tell('worker-online', 20, { active: 0, processed: 70 });
    expect(strict.worker().incarnation).toMatchObject({ since: 10, before: null });
  });

  test('a sender’s time in the far future does not lock its successor out', () => {
    strict.beat(10, { timestamp: 9e9 });
    strict.tell('worker-online', 20, { pid: 2, clock: 1, active: 0, processed: 0 });
    expect(strict.worker().pid).toBe(2);
  });

  test('two processes under one name are both believed', () => {
    for (let at = 10; at < 20; at++) strict.beat(at, { pid: 1 + (at % 2), processed: at % 2 ? 50 : 3 });
    expect(strict.worker().incarnation?.contested).toBe(true);
    expect(strict.state.losses).toEqual([]);
  });
});

describe('what it says', () => {
  test('the answer to a wake-up blanks nothing, and its freq is not the worker’s', () => {
    strict.beat(10, { freq: 3, active: 1, processed: 70, loadavg: [1, 2, 3] });
    strict.tell('worker-heartbeat', 11, { freq: 5, sw_ver: '5.6.3' });
    expect(strict.worker()).toMatchObject({ freq: 3, active: 1, processed: 70, loadavg: [1, 2, 3], sw_ver: '5.6.3' });
  });

  test('skew is that of the quickest of its latest events', () => {
    strict.beat(10);
    expect(skewOf(strict.worker())).toBe(0);
    for (const [n, delay] of [3, 0.2, 1, 5, 0.4, 2, 2, 2, 2].entries()) {
      strict.tell('worker-heartbeat', 110 + n, { active: 0, processed: 0 }, 10 + n + delay);
    }
    expect(skewOf(strict.worker())).toBeCloseTo(99.8);
    for (let n = 20; n < 28; n++) strict.tell('worker-heartbeat', n - 50, { active: 0, processed: 0 }, n + 0.1);
    expect(skewOf(strict.worker())).toBeCloseTo(-50.1);
  });
});
