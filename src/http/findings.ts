/** What is not as it should be, as far as the recorder has heard. */
import type { ReceiverStatus } from '../broker/receiver.ts';
import type { FindingsAnswer } from '../contract/api.ts';
import type { Seconds } from '../domain/event.ts';
import {
  examineBroker,
  examineDatabase,
  examineRecorder,
  type Finding,
  type SeenBroker,
  type SeenDatabase,
} from '../domain/findings.ts';
import { livenessOf } from '../domain/liveness.ts';
import { examinePeriodic, PERIODIC_TITLE } from '../domain/periodic-findings.ts';
import type { State } from '../domain/state.ts';
import { skewOf } from '../domain/worker.ts';
import { captureOf } from './counts.ts';
import type { ApiSources } from './routes.ts';

/** @param database as it is at this moment */
export function findingsAnswer(sources: ApiSources, database: SeenDatabase): FindingsAnswer {
  const { activity, clusters, clock } = sources;
  const receivers = sources.receivers().filter(({ simulated }) => !simulated);
  const states = [...clusters.byName.values()];
  const brokers = receivers.map((receiver) => {
    const seen = heardOf(receiver, clusters.byName.get(receiver.cluster), clock());
    return part(`Broker of cluster ${receiver.cluster}: ${receiver.url}`, examineBroker(seen));
  });
  const recorder = examineRecorder({
    error: activity.recordingError,
    guestOf: receivers.filter(({ mode }) => mode === 'guest').map(({ cluster }) => cluster),
    ...captureOf(states),
    gaps: activity.gaps,
    deadLetters: activity.deadLetters,
    evicted: states.reduce((sum, { evicted_active }) => sum + evicted_active, 0),
  });
  const periodic = database.periodic ? examinePeriodic(database.periodic) : [];
  const parts = [...brokers, part('Recorder', recorder), part('Database', examineDatabase(database))];
  return { parts: periodic.length > 0 ? [...parts, part(PERIODIC_TITLE, periodic)] : parts };
}

function part(title: string, findings: readonly Finding[]): FindingsAnswer['parts'][number] {
  return { title, findings: findings.map(({ level, text, remedy = [] }) => ({ level, text, remedy: [...remedy] })) };
}

/** What `doctor` would have seen of a broker, had it listened for as long. */
function heardOf({ version, error, since }: ReceiverStatus, state: State | undefined, now: Seconds): SeenBroker {
  const workers = state
    ? [...state.workers.values()].filter((each) => livenessOf(each, state, now).status !== 'OFFLINE')
    : [];
  const tasks = [...(state?.tasks.values() ?? [])];
  const skews = workers.map((worker) => [worker.hostname, skewOf(worker) ?? 0] as const);
  return {
    ...{ version, error: error ?? 'still connecting', workers: null, queue: null, listened: now - since },
    skews: new Map(skews),
    taskEvents: new Set(tasks.flatMap(({ worker }) => worker ?? [])),
    sentEvents: tasks.some(({ sent }) => sent !== null),
    atWork: new Set(workers.filter(({ active }) => (active ?? 0) > 0).map(({ hostname }) => hostname)),
  };
}
