/** What routes answer from, of an empty record and a quiet process. */
import { createDiagnostics } from '../../src/diagnostics.ts';
import { createClusters } from '../../src/domain/state.ts';
import type { ApiSources } from '../../src/http/routes.ts';
import { Activity } from '../../src/live/activity.ts';
import { now } from '../../src/runtime.ts';
import { createRecord, NO_PERIODIC_TASKS } from './questions.ts';

/** @param change instead of those */
export function apiSources(change: Partial<ApiSources> = {}): ApiSources {
  return {
    version: '1',
    simulated: false,
    clusters: createClusters({ maxTasks: 1000, maxWorkers: 10 }),
    activity: new Activity(createDiagnostics(), now),
    receivers: () => [],
    questions: createRecord(),
    periodic: NO_PERIODIC_TASKS,
    sendNow: async () => null,
    recall: (state, uuid) => state.tasks.get(uuid),
    feedClients: () => 0,
    watch: { until: async () => {} },
    resultRedactor: null,
    metrics: { render: () => '' },
    clock: now,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    ...change,
  };
}
