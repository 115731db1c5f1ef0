/** Routes about workers, figures, and the record itself. */
import { type Answer, answer, refuse } from '../answer.ts';
import type { ClusterAnswer } from '../contract/api.ts';
import { toWorkerRecord } from '../contract/records.ts';
import type { ClusterThen, WorkerAnswer } from '../contract/routes.ts';
import type { Seconds } from '../domain/event.ts';
import { livenessOf } from '../domain/liveness.ts';
import type { Clusters } from '../domain/state.ts';
import type { Listed } from '../journal/lists.ts';
import type { Asked, Handlers } from './answers.ts';
import { type Counts, sum } from './counts.ts';
import type { PeriodicRoute } from './periodic.ts';
import { isTooEarly, nothingYet, type Questions } from './questions.ts';
import type { ResultRoute } from './results.ts';

export interface RecordSources {
  readonly clusters: Clusters;
  readonly questions: Questions;
  readonly clock: () => Seconds;
  /** What is going on now. */
  readonly clusterNow: () => ClusterAnswer;
}

const BUCKETS = { '1m': 60, '5m': 300, '1h': 3600, '1d': 86_400 } as const;

/** What is told of where no times are given. */
const FIVE_MINUTES: Seconds = 300;
const HOUR: Seconds = 3600;
const DAY: Seconds = 86_400;

type RecordRoute = Exclude<
  keyof Handlers,
  `GET /api/tasks${string}` | 'GET /api/findings' | PeriodicRoute | ResultRoute
>;

export function recordHandlers(sources: RecordSources): Pick<Handlers, RecordRoute> {
  const { questions, clock } = sources;
  return {
    'GET /api/cluster': ({ query: { at }, database }) =>
      at === undefined ? answer(sources.clusterNow()) : clusterAt(questions, at, database),
    'GET /api/workers': async ({ query, limit, database }) => {
      const { cursor = null, cluster = null, at = null } = query;
      const page = await database(() => questions.workers({ limit, cursor, cluster, at }));
      return isTooEarly(page, at) ? answer(nothingYet(clock())) : page;
    },
    'GET /api/workers/{hostname}': async ({ params, query, database }) => {
      const which = { id: params.hostname, cluster: query.cluster ?? null };
      const now = clock();
      const { at } = query;
      const found =
        (at === undefined ? workerNow(sources, which, now) : null) ??
        (await database(() => questions.worker(which, at ?? null)));
      if (!found.ok) return found;
      return answer({ ...found.value, gaps: await database(() => questions.gapsBetween(at ?? now, at ?? now)) });
    },
    'GET /api/workers/{hostname}/changes': ({ params, query, database }) => {
      const which = { id: params.hostname, cluster: query.cluster ?? null };
      return database(() => questions.workerChanges({ ...which, ...spanOf(query, DAY, clock()) }));
    },
    'GET /api/difference': ({ query, database }) =>
      database(() => questions.difference({ ...spanOf(query, FIVE_MINUTES, clock()), cluster: query.cluster ?? null })),
    'GET /api/task-names': ({ query, database }) =>
      database(() => questions.taskNames({ ...spanOf(query, DAY, clock()), cluster: query.cluster ?? null })),
    'GET /api/stats': ({ query, database }) => {
      const { bucket = '1m', by = null, cluster = null, name = null, worker = null } = query;
      const span = spanOf(query, HOUR, clock());
      return database(() => questions.stats({ ...span, bucket: BUCKETS[bucket], by, cluster, name, worker }));
    },
    'GET /api/snapshots': ({ query, limit, database }) => database(() => questions.snapshots(listedOf(query, limit))),
    'GET /api/gaps': ({ query, limit, database }) => database(() => questions.gaps(listedOf(query, limit))),
    'GET /api/dead-letters': ({ query, limit, database }) =>
      database(() => questions.deadLetters(listedOf(query, limit))),
  };
}

interface Span {
  readonly from?: Seconds | undefined;
  readonly to?: Seconds | undefined;
}

interface Listing extends Span {
  readonly cluster?: string | undefined;
  readonly cursor?: string | undefined;
}

function listedOf({ cluster, from, to, cursor }: Listing, limit: number): Listed {
  return { cluster: cluster ?? null, from: from ?? null, to: to ?? null, cursor: cursor ?? null, limit };
}

function spanOf({ from, to }: Span, length: Seconds, now: Seconds): { readonly from: Seconds; readonly to: Seconds } {
  const end = to ?? (from === undefined ? now : Math.max(now, from));
  return { from: from ?? end - length, to: end };
}

/** The worker as memory has it: of several clusters the one heard of last. Null where none has it. */
function workerNow(
  { clusters }: RecordSources,
  which: { readonly id: string; readonly cluster: string | null },
  now: Seconds,
): Answer<Omit<WorkerAnswer, 'gaps'>> | null {
  const [latest] = [...clusters.byName.values()]
    .filter(({ cluster }) => which.cluster === null || which.cluster === cluster)
    .flatMap((state) => {
      const worker = state.workers.get(which.id);
      return worker ? [{ state, worker }] : [];
    })
    .sort((a, b) => (b.worker.heartbeats[0] ?? 0) - (a.worker.heartbeats[0] ?? 0));
  if (!latest) return null;
  const { state, worker } = latest;
  return answer({
    worker: toWorkerRecord(state, worker, livenessOf(worker, state, now)),
    as_of: { snapshot: null, taken_at: now, position: clusters.position },
  });
}

async function clusterAt(questions: Questions, at: Seconds, database: Asked['database']): Promise<Answer<ClusterThen>> {
  const page = await database(() => questions.snapshots({ from: null, to: at, limit: 1, cursor: null }));
  if (!page.ok) return page;
  const [last] = page.value.items;
  if (!last) return refuse('unrecorded', `nothing was recorded at or before ${new Date(at * 1000).toISOString()}`);
  const { snapshot, taken_at, position } = last;
  const clusters = Object.entries(last.clusters).map(([cluster, summary]) => ({ cluster, ...summary }));
  return answer({
    as_of: { snapshot, taken_at, position },
    gaps: await database(() => questions.gapsBetween(at, at)),
    workers: sum(clusters.map(({ workers }): Counts => workers)),
    tasks: sum(clusters.map(({ tasks }): Counts => tasks)),
    clusters,
  });
}
