/** Names that an object has by nature are names like any other, wherever a sender may choose one. */
import { expect, test } from 'vitest';
import type { Event } from '../../src/domain/event.ts';
import { reportOf } from '../../src/domain/report.ts';
import { createClusters, fold, stateOf } from '../../src/domain/state.ts';

const NAMES = [...Object.getOwnPropertyNames(Object.prototype), 'prototype', 'length', ''];
const KINDS = ['sent', 'received', 'started', 'succeeded', 'failed', 'retried'];

test.each(['strict', 'celery'] as const)('the %s fold', (name) => {
  const clusters = createClusters({ maxTasks: 10_000, maxWorkers: 100 }, { fold: name });
  let position = 0;
  const say = (event: Event): void => {
    position += 1;
    fold(clusters, { position, cluster: 'default', local_received: position, event });
  };
  const base = { pid: 1, utcoffset: 0, timestamp: 1 };
  for (const odd of NAMES) {
    for (const type of [`task-${odd}`, `worker-${odd}`, odd])
      say({ ...base, clock: position + 1, type, uuid: `of ${odd}`, hostname: 'w' });
    for (const kind of KINDS) {
      const event = { ...base, clock: position + 1, type: `task-${kind}`, uuid: odd, hostname: odd, name: odd };
      say({ ...event, ...JSON.parse(`{"root_id": "${odd}", "parent_id": "${odd}", "${odd}": {"x": 1}}`), ...event });
    }
    say({ ...base, clock: position + 1, type: 'worker-heartbeat', hostname: odd });
  }
  const state = stateOf(clusters, 'default');
  expect(state.event_count).toBe(position);
  for (const odd of NAMES) {
    expect(state.tasks.get(odd)).toMatchObject({ uuid: odd, name: odd, worker: odd });
    expect(state.workers.get(odd)).toMatchObject({ hostname: odd });
  }
  expect(JSON.stringify(reportOf(state, position))).toContain('"uuid":"__proto__"');
  expect(({} as Record<string, unknown>)['x']).toBeUndefined();
});
