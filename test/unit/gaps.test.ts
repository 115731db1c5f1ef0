/** Which gaps are recorded when a cluster is joined. */
import { expect, test } from 'vitest';
import type { ReceiverStatus } from '../../src/broker/receiver.ts';
import type { Gap } from '../../src/domain/gap.ts';
import { GapRecorder } from '../../src/gaps.ts';

const STATUS: ReceiverStatus = {
  ...{ cluster: 'eu', simulated: false, connected: true, url: 'amqp://x', version: '4.1', queue: 'q', mode: 'durable' },
  ...{ since: 0, blocked: null, lastDelivery: null, received: 0, error: null, kept: false },
};

async function joined(lastReceived: number | null, status: Partial<ReceiverStatus>): Promise<Gap[]> {
  const gaps: Gap[] = [];
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const journal = { recordGap: async (gap: Gap) => void gaps.push(gap) };
  await using recorder = new GapRecorder(journal, log, new AbortController().signal);
  recorder.joining('eu', lastReceived);
  recorder.joined({ ...STATUS, ...status });
  recorder.joined({ ...STATUS, ...status });
  return gaps;
}

test('the time since the last event is one gap, unless a queue has kept what was sent', async () => {
  const gap = { cluster: 'eu', cause: 'recorder-down', started_at: 1000 };
  expect(await joined(1000, {})).toMatchObject([gap]);
  expect(await joined(1000, { mode: 'guest', kept: null })).toMatchObject([gap]);
  expect(await joined(1000, { kept: true })).toEqual([]);
});

test('where nothing was recorded before, or nothing is real, nothing is missing', async () => {
  expect(await joined(null, {})).toEqual([]);
  expect(await joined(1000, { simulated: true })).toEqual([]);
});
