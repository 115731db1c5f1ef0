import { beforeEach, describe, expect, test } from 'vitest';
import type { ReceiverStatus } from '../../src/broker/receiver.ts';
import { clusterAnswer, errorAnswer, findingsAnswer, readyAnswer } from '../../src/contract/api.ts';
import { createDiagnostics, type Diagnostics } from '../../src/diagnostics.ts';
import { type Clusters, createClusters, fold } from '../../src/domain/state.ts';
import { type ApiSources, createRoutes } from '../../src/http/routes.ts';
import { Activity } from '../../src/live/activity.ts';
import { createRecord, NO_PERIODIC_TASKS } from '../support/questions.ts';

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const receiver: ReceiverStatus = {
  cluster: 'c',
  simulated: false,
  connected: true,
  url: 'amqp://guest:***@localhost:5672/%2F',
  version: '3.10.8',
  queue: 'q',
  mode: 'guest',
  since: 900,
  blocked: null,
  lastDelivery: null,
  received: 0,
  error: null,
  kept: null,
};

let now: number;
let clusters: Clusters;
let diagnostics: Diagnostics;
let activity: Activity;
let receivers: ReceiverStatus[];

beforeEach(() => {
  now = 1000;
  clusters = createClusters({ maxTasks: 1000, maxWorkers: 10 });
  diagnostics = createDiagnostics();
  activity = new Activity(diagnostics, () => now);
  receivers = [receiver];
});

const metrics = { render: () => 'up 1\n' };

function ask(path: string, change: Partial<ApiSources> = {}): Promise<Response> {
  const record = {
    questions: createRecord(),
    periodic: NO_PERIODIC_TASKS,
    sendNow: async () => null,
    recall: () => undefined,
  };
  const results = { watch: { until: async () => {} }, resultRedactor: null };
  const answers = { clusters, ...record, metrics, clock: () => now };
  const sources = {
    version: '1',
    simulated: false,
    activity,
    log: silent,
    feedClients: () => 0,
    ...answers,
    ...results,
  };
  return Promise.resolve(createRoutes({ ...sources, receivers: () => receivers, ...change }).request(path));
}

function folded(...events: { type: string; [field: string]: string | number }[]): void {
  for (const event of events) {
    const position = clusters.position + 1;
    const whole = { hostname: 'w@h', timestamp: now, clock: position, pid: 1, utcoffset: 0, ...event };
    fold(clusters, { position, cluster: 'c', local_received: now, event: whole });
  }
}

function appended(events: number): void {
  diagnostics.emit('journal:appended', {
    events,
    deadLetters: 1,
    duplicates: 2,
    position: 1,
    timestamp: now - 2,
    seconds: 0.1,
  });
}

describe('GET /api/cluster', () => {
  test('before anything happened', async () => {
    const answer = clusterAnswer.parse(await (await ask('/api/cluster')).json());
    expect(answer).toMatchObject({ position: 0, lag: null, clusters: [], last_shutter: null, recording_error: null });
  });

  test('counts by state and status, by cluster and in all', async () => {
    folded(
      { type: 'worker-heartbeat', freq: 2 },
      { type: 'worker-heartbeat', hostname: 'late@h', freq: 2 },
      { type: 'worker-heartbeat', hostname: 'old@h', freq: 2 },
      { type: 'task-received', uuid: 'a', name: 'n' },
      { type: 'task-received', uuid: 'b', name: 'n' },
      { type: 'task-succeeded', uuid: 'b', result: '1' },
      { type: 'task-started', uuid: 'd', hostname: 'old@h' },
      { type: 'worker-offline', hostname: 'old@h', active: 0 },
    );
    now += 3;
    folded({ type: 'worker-heartbeat', freq: 2 });
    now += 3;
    const answer = clusterAnswer.parse(await (await ask('/api/cluster')).json());
    expect(answer.workers).toEqual({ ONLINE: 1, SUSPECT: 1, OFFLINE: 1 });
    expect(answer.tasks).toEqual({ RECEIVED: 1, SUCCESS: 1, STARTED: 1 });
    expect(answer).toMatchObject({
      position: 9,
      orphaned: 1,
      clusters: [{ cluster: 'c', event_count: 9, orphaned: 1 }],
    });
    expect(answer.receivers).toMatchObject([{ cluster: 'c', last_delivery: null, mode: 'guest' }]);
  });

  test('how much of what workers did was heard of; null where nothing tells', async () => {
    folded({ type: 'worker-heartbeat', freq: 2, active: 0, processed: 0 });
    const before = clusterAnswer.parse(await (await ask('/api/cluster')).json());
    expect(before.capture).toEqual({ captured: 0, lost: 0, completeness: null });
    for (let processed = 1; processed <= 40; processed++) {
      now += 2;
      if (processed % 4 !== 0 || processed > 20) folded({ type: 'task-started', uuid: `u${processed}` });
      folded({ type: 'worker-heartbeat', freq: 2, active: 0, processed });
    }
    const { capture, clusters: each } = clusterAnswer.parse(await (await ask('/api/cluster')).json());
    // The counting began with the first task; of the latest ones nothing is certain yet.
    expect(capture).toEqual({ captured: 29, lost: 5, completeness: 29 / 34 });
    expect(each[0]?.capture).toEqual(capture);
  });

  test('rates, lag, counts since the start and the last shutter', async () => {
    for (let second = 0; second < 10; second++) {
      appended(30);
      now += 1;
    }
    const picture = { snapshot: 3, position: 9, tasks: 1, workers: 2, seconds: 0.5 };
    diagnostics.emit('camera:shutter', picture);
    const answer = clusterAnswer.parse(await (await ask('/api/cluster')).json());
    expect(answer.events_per_second).toEqual({ now: 30, minute: 30 });
    expect(answer.lag).toBe(2);
    expect(answer.since_start).toEqual({ events: 300, duplicates: 20, dead_letters: 10, gaps: 0 });
    expect(answer.last_shutter).toEqual({ at: now, ...picture });
    now += 120;
    expect(activity.rates()).toEqual({ now: 0, minute: 0 });
  });
});

describe('GET /readyz', () => {
  test('200 while it consumes and records', async () => {
    const response = await ask('/readyz');
    expect([response.status, readyAnswer.parse(await response.json())]).toEqual([200, { ready: true, reasons: [] }]);
  });

  test('503 with the reasons otherwise, until it is mended', async () => {
    receivers = [receiver, { ...receiver, cluster: 'd', connected: false, error: 'no broker answers' }];
    diagnostics.emit('journal:failed', { reason: 'the database is full', retryIn: 1 });
    const response = await ask('/readyz');
    expect(response.status).toBe(503);
    expect(readyAnswer.parse(await response.json()).reasons).toEqual([
      'not consuming from d: no broker answers',
      'not recording: the database is full',
    ]);
    receivers = [receiver];
    appended(1);
    expect((await ask('/readyz')).status).toBe(200);
  });
});

test('GET /healthz', async () => expect(await (await ask('/healthz')).json()).toEqual({ ok: true }));

test('errors are JSON too', async () => {
  const response = await ask('/nowhere');
  expect([response.status, errorAnswer.parse(await response.json())]).toEqual([
    404,
    { error: 'there is nothing at /nowhere' },
  ]);
  const broken = await ask('/api/cluster', {
    clock: () => {
      throw new Error('secret');
    },
  });
  expect([broken.status, errorAnswer.parse(await broken.json()).error]).toEqual([
    500,
    expect.not.stringContaining('secret'),
  ]);
});

describe('findings', () => {
  const told = async (): Promise<Record<string, readonly string[]>> => {
    const { parts } = findingsAnswer.parse(await (await ask('/api/findings')).json());
    return Object.fromEntries(
      parts.map(({ title, findings }) => [title, findings.map(({ level, text }) => `${level}: ${text}`)]),
    );
  };
  const broker = `Broker of cluster c: ${receiver.url}`;

  test('where all is well, as far as was heard', async () => {
    receivers = [{ ...receiver, mode: 'durable' }];
    folded({ type: 'worker-heartbeat' }, { type: 'task-sent', uuid: 'u' }, { type: 'task-started', uuid: 'u' });
    expect(await told()).toEqual({
      [broker]: [
        'ok: the broker answers: RabbitMQ 3.10.8',
        'ok: task events are on at w@h',
        'ok: task-sent events are on: tasks show as soon as they are published',
        'ok: the clocks agree within 0.00 s',
      ],
      Recorder: ['ok: what arrives is recorded'],
      Database: [
        'ok: the database answers: PostgreSQL 15.20',
        'ok: the schema "celerycam" is up to date (5 migrations)',
      ],
    });
  });

  test('what is missing', async () => {
    folded({ type: 'worker-heartbeat', active: 1, timestamp: now - 90 });
    diagnostics.emit('journal:failed', { reason: 'the disk is full', retryIn: 1 });
    const { [broker]: found, Recorder } = await told();
    expect(found).toContain(
      'problem: task events are off at w@h, which processed tasks meanwhile: nothing of them is recorded',
    );
    expect(found).toContain('problem: the clock of w@h is 90.0 s behind this machine’s');
    expect(Recorder).toEqual([
      'problem: nothing can be recorded: the disk is full',
      'note: a guest at the broker of c: what happens while celerycam is away is missed',
    ]);
    receivers = [{ ...receiver, connected: false, version: null, error: 'no broker answers' }];
    expect((await told())[broker]).toEqual(['problem: no broker answers']);
  });

  test('nobody was heard of', async () => {
    expect((await told())[broker]).toContain('problem: no worker is heard of');
  });
});
