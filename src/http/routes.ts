/** The HTTP API: routes of `contract/routes.ts` bound to the state. Every answer, errors too, is JSON; but for the pages. */
import { Hono } from 'hono';
import { answer } from '../answer.ts';
import type { ReceiverStatus } from '../broker/receiver.ts';
import type { ClusterAnswer, ReadyAnswer, ReceiverRecord } from '../contract/api.ts';
import type { Seconds } from '../domain/event.ts';
import { livenessOf, orphanOf } from '../domain/liveness.ts';
import type { State } from '../domain/state.ts';
import type { Activity } from '../live/activity.ts';
import type { Logger } from '../log.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { type Handlers, mount, publicReason } from './answers.ts';
import { type Counts, captureOf, sum } from './counts.ts';
import { mountDocuments } from './documents.ts';
import { findingsAnswer } from './findings.ts';
import { metricsHandler } from './metrics.ts';
import { mountPages } from './pages.ts';
import { type PeriodicSources, periodicHandlers } from './periodic.ts';
import { recordHandlers } from './record.ts';
import { resultHandlers } from './results.ts';
import { type TaskSources, taskHandlers } from './tasks.ts';

/** What the routes answer from. */
export interface ApiSources extends TaskSources, PeriodicSources {
  readonly version: string;
  readonly simulated: boolean;
  readonly activity: Activity;
  readonly receivers: () => readonly ReceiverStatus[];
  /** How many clients of the live feed are connected. */
  readonly feedClients: () => number;
  readonly metrics: Pick<Metrics, 'render'>;
  readonly log: Logger;
}

/** Of HTTP, as far as some route takes them. */
const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

export function createRoutes(sources: ApiSources): Hono {
  const app = new Hono();
  app.use(async (context, next) => {
    await next();
    const { headers } = context.res;
    if (!headers.has('etag') && !headers.has('cache-control')) context.header('cache-control', 'no-store');
  });
  mountPages(app);
  const clusterNow = (): ClusterAnswer => clusterAnswer(sources);
  const handlers: Handlers = {
    ...recordHandlers({ ...sources, clusterNow }),
    ...taskHandlers(sources),
    ...periodicHandlers(sources),
    ...resultHandlers(sources),
    'GET /api/findings': async ({ database }) =>
      answer(findingsAnswer(sources, await database(() => sources.questions.database()))),
  };
  mount(app, handlers, sources.clock, sources.log);
  mountDocuments(app, sources.version);
  app.get('/metrics', metricsHandler(sources.metrics));
  app.get('/healthz', (context) => context.json({ ok: true }));
  app.get('/readyz', (context) => {
    const answer = readyAnswer(sources);
    return context.json(answer, answer.ready ? 200 : 503);
  });
  app.notFound((context) => {
    const { method, path } = context.req;
    const allowed = METHODS.filter((each) =>
      app.router.match(each, path)[0].some(([[, route]]) => route.method === each),
    );
    // A route may find nothing itself, as that of files does.
    const isTaken = allowed.some((each) => each === (method === 'HEAD' ? 'GET' : method));
    if (allowed.length === 0 || isTaken) return context.json({ error: `there is nothing at ${path}` }, 404);
    context.header('allow', allowed.join(', '));
    return context.json({ error: `${path} takes no ${method}; expected ${allowed.join(' or ')}` }, 405);
  });
  app.onError((error, context) => {
    sources.log.error({ error, path: context.req.path }, 'request failed');
    const reason = publicReason(error);
    return reason === null
      ? context.json({ error: 'this request failed; the log of celerycam says why' }, 500)
      : context.json({ error: reason }, 503);
  });
  return app;
}

function readyAnswer({ receivers, activity }: ApiSources): ReadyAnswer {
  const reasons = receivers()
    .filter(({ connected }) => !connected)
    .map(({ cluster, error }) => `not consuming from ${cluster}: ${error ?? 'still connecting'}`);
  if (activity.recordingError !== null) reasons.push(`not recording: ${activity.recordingError}`);
  return { ready: reasons.length === 0, reasons };
}

function clusterAnswer(sources: ApiSources): ClusterAnswer {
  const { version, simulated, clusters, activity, receivers, clock } = sources;
  const now = clock();
  const each = Array.from(clusters.byName.values(), (state) => ({
    cluster: state.cluster,
    workers: workersByStatus(state, now),
    ...countTasks(state, now),
    capture: captureOf([state]),
    event_count: state.event_count,
    task_count: state.task_count,
    evicted_active: state.evicted_active,
  }));
  return {
    version,
    now,
    started: activity.started,
    simulated,
    position: clusters.position,
    lag: activity.lag,
    events_per_second: activity.rates(),
    workers: sum(each.map(({ workers }) => workers)),
    tasks: sum(each.map(({ tasks }) => tasks)),
    orphaned: each.reduce((total, { orphaned }) => total + orphaned, 0),
    capture: captureOf([...clusters.byName.values()]),
    clusters: each,
    receivers: receivers().map(toReceiverRecord),
    feed_clients: sources.feedClients(),
    since_start: {
      events: activity.events,
      duplicates: activity.duplicates,
      dead_letters: activity.deadLetters,
      gaps: activity.gaps,
    },
    recording_error: activity.recordingError,
    last_shutter: activity.lastShutter,
  };
}

function toReceiverRecord({ lastDelivery, kept: _, ...status }: ReceiverStatus): ReceiverRecord {
  return { ...status, last_delivery: lastDelivery };
}

function workersByStatus(state: State, now: Seconds): Counts {
  const counts: Record<string, number> = { ONLINE: 0, SUSPECT: 0, OFFLINE: 0 };
  for (const worker of state.workers.values()) {
    const { status } = livenessOf(worker, state, now);
    counts[status] = (counts[status] ?? 0) + 1;
  }
  return counts;
}

function countTasks(state: State, now: Seconds): { readonly tasks: Counts; readonly orphaned: number } {
  const counts = new Map<string, number>();
  let orphaned = 0;
  for (const task of state.tasks.values()) {
    counts.set(task.state, (counts.get(task.state) ?? 0) + 1);
    if (orphanOf(task, state, now)) orphaned += 1;
  }
  return { tasks: Object.fromEntries(counts), orphaned };
}
