/** Out: all that answers questions, put together: the API over record and state, metrics, the live feed. */
import { answer } from './answer.ts';
import { createSender } from './beating.ts';
import type { Inbox } from './broker/inbox.ts';
import type { QueueLength } from './broker/queue-watch.ts';
import type { ReceiverStatus } from './broker/receiver.ts';
import type { Camera } from './camera/camera.ts';
import type { Config } from './config.ts';
import type { Diagnostics } from './diagnostics.ts';
import type { Clusters } from './domain/state.ts';
import { MonitorError } from './errors.ts';
import type { Questions } from './http/questions.ts';
import { listen, type Server } from './http/server.ts';
import type { TaskSources } from './http/tasks.ts';
import type { Journal } from './journal/journal.ts';
import { deadLettersPage, gapsBetween, gapsPage } from './journal/lists.ts';
import { eventsOf, touchedBetween } from './journal/questions.ts';
import { Activity } from './live/activity.ts';
import type { Hub } from './live/hub.ts';
import type { Logger } from './log.ts';
import { Metrics } from './metrics/metrics.ts';
import { watchQueues } from './receivers.ts';
import { openRedactor } from './redaction-rules.ts';
import { type Loop, now } from './runtime.ts';
import type { Database } from './store/database.ts';
import { differenceBetween } from './store/difference.ts';
import { createHistory } from './store/history.ts';
import { lookAt } from './store/look.ts';
import { createPeriodicTasks } from './store/periodic-tasks.ts';
import { unreadable } from './store/result-tables.ts';
import { ResultWatch } from './store/result-watch.ts';
import { createResults, type Results } from './store/results.ts';
import type { Tokens } from './store/tokens.ts';
import { VERSION } from './version.ts';

export interface ServingParts {
  readonly database: Database;
  readonly journal: Journal;
  readonly camera: Camera;
  readonly inbox: Inbox;
  readonly hub: Hub;
  readonly clusters: Clusters;
  readonly simulated: boolean;
  readonly receivers: () => readonly ReceiverStatus[];
  readonly tokens: Tokens;
  readonly diagnostics: Diagnostics;
  readonly log: Logger;
}

export interface Serving {
  readonly server: Server;
  /** To be run while it serves. */
  readonly loops: readonly Loop[];
}

/** Serves what `parts` hold. @throws MonitorError LISTEN_FAILED, DATABASE_UNREACHABLE */
export async function serve(config: Config, parts: ServingParts): Promise<Serving> {
  const { database, journal, camera, hub, inbox, clusters, simulated, receivers, tokens, diagnostics, log } = parts;
  const activity = new Activity(diagnostics, now);
  const about = { version: VERSION, simulated, clusters, activity, receivers, clock: now };
  const watches = watchQueues(config, simulated, clusters, () => metrics.wanted);
  const queueLengths = (): readonly QueueLength[] => watches.flatMap(({ lengths }) => lengths);
  const metrics: Metrics = new Metrics({
    ...{ ...about, journal, inbox, hub, diagnostics, queueLengths },
    beats: config.periodic.beat,
  });
  await metrics.countGaps();
  const recall: TaskSources['recall'] = (state, uuid) => state.tasks.get(uuid) ?? camera.pending(state, uuid);
  const results = createResults(database.knex, config.camera.results.schemas);
  const watch = new ResultWatch(results.ready);
  await warnOfTables(results, log);
  const sources = {
    ...{ ...about, recall, metrics, tokens, log },
    questions: createQuestions(database, results),
    watch,
    // By the names that are asked for with each result, and not by what it remembers.
    resultRedactor: openRedactor(config, () => null),
    periodic: createPeriodicTasks(database.knex, now),
    sendNow: simulated ? refuseToSend : createSender(config, database.knex),
    feedClients: () => hub.clients,
  };
  return { server: await listen(sources, hub, config.http), loops: [...watches.map(({ run }) => run), watch.run] };
}

/** What stands in the way of results: tables that may not be read, or of django-celery, with the names that Celery's own need. */
async function warnOfTables(results: Results, log: Logger): Promise<void> {
  const found = await results.tables();
  for (const table of found.ok ? found.value : []) {
    const { kind, schema, name, isReadable } = table;
    if (!isReadable) log.warn({}, unreadable(table));
    if (kind === 'django-celery') {
      log.warn(
        { table: `${schema}.${name}` },
        'a table of django-celery: it is read, and no Celery since 4 can store into it',
      );
    }
  }
}

/** Everything that can be asked of the record, of journal and snapshots, in one. */
function createQuestions(database: Database, results: Results): Questions {
  const db = database.knex;
  const between: Questions['gapsBetween'] = (from, to) => gapsBetween(db, from, to);
  return {
    ...createHistory(db, between),
    ...results,
    difference: async (question) => {
      const { from, to } = question;
      const found = await differenceBetween(db, question, (range) => touchedBetween(db, range));
      return found.ok ? answer({ ...found.value, gaps: await between(from, to) }) : found;
    },
    gaps: (question) => gapsPage(db, question),
    gapsBetween: between,
    database: () => lookAt(database),
    deadLetters: (question) => deadLettersPage(db, question),
    eventsOf: (cluster, uuid, limit) => eventsOf(db, cluster, uuid, limit),
  };
}

/** A broker may be there all the same, with workers who would run it. */
async function refuseToSend(): Promise<never> {
  throw new MonitorError('QUESTION_REFUSED', 'it is not sent: what is shown is a simulated cluster');
}
