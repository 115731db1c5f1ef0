/** Routes about tasks: lists from the record, one task from memory first. */
import { type Answer, answer, refuse } from '../answer.ts';
import { type TaskRecord, toTaskRecord } from '../contract/records.ts';
import type { ResultRecord } from '../contract/results.ts';
import type { EventRow, EventsPage, TaskAnswer, TreeAnswer } from '../contract/routes.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { JournalEntry, Seconds } from '../domain/event.ts';
import { type Explanation, explain } from '../domain/explain.ts';
import { livenessOf } from '../domain/liveness.ts';
import type { State } from '../domain/state.ts';
import { SUCCESS } from '../domain/states.ts';
import type { Task } from '../domain/task.ts';
import type { Asked, Handlers } from './answers.ts';
import { isTooEarly, nothingYet } from './questions.ts';
import { type ResultSources, storedResult } from './results.ts';

export interface TaskSources extends ResultSources {
  /** A task as memory has it, or a picture that is not written yet. */
  readonly recall: (state: State, uuid: string) => Task | undefined;
  readonly clock: () => Seconds;
}

/** Events of a task that are read, explained and listed. */
const MAX_EVENTS = 5000;

type TaskRoute = 'GET /api/tasks' | `GET /api/tasks/{uuid}${'' | '/events' | '/versions' | '/tree'}`;

export function taskHandlers(sources: TaskSources): Pick<Handlers, TaskRoute> {
  const { questions } = sources;
  return {
    'GET /api/tasks': async ({ query, filter, limit, database }) => {
      const { cursor = null, at = null, sort = 'received', order } = query;
      const asked = { filter, limit, cursor, at, sort, descending: order !== 'asc' };
      const page = await database(() => questions.tasks(asked));
      return isTooEarly(page, at) ? answer({ ...nothingYet(sources.clock()), searched_to: null }) : page;
    },
    'GET /api/tasks/{uuid}': async ({ params, query, database }) => {
      const which = { id: params.uuid, cluster: query.cluster ?? null };
      const { at } = query;
      if (at === undefined) return taskNow(sources, which, database);
      const found = await database(() => questions.taskAt(which, at));
      if (!found.ok) return found;
      const gaps = await database(() => questions.gapsBetween(at, at));
      return answer({ ...found.value, result_from: null, stored: null, gaps });
    },
    'GET /api/tasks/{uuid}/events': async ({ params, query, limit, database }) => {
      const cluster = query.cluster ?? null;
      const entries = await database(() => questions.eventsOf(cluster, params.uuid, MAX_EVENTS + 1));
      if (entries.length === 0) {
        const where = cluster === null ? '' : ` of cluster ${cluster}`;
        return refuse('unknown', `no event of a task ${params.uuid}${where} is recorded`);
      }
      return eventsPage(sources, params.uuid, entries, { limit, cursor: query.cursor ?? null }, database);
    },
    'GET /api/tasks/{uuid}/versions': async ({ params, query, database }) => {
      const found = await database(() => questions.versions({ id: params.uuid, cluster: query.cluster ?? null }));
      return found.ok ? answer({ items: [...found.value.items] }) : found;
    },
    'GET /api/tasks/{uuid}/tree': async ({ params, query, database }) => {
      const which = { id: params.uuid, cluster: query.cluster ?? null };
      const found = await database(() => questions.tree(which, query.at ?? null));
      return found.ok ? answer(withEdges(found.value)) : found;
    },
  };
}

type Database = Asked['database'];

/** Bytes of a stored result that are read with a task; `/api/results` reads more. */
const MAX_STORED = 200_000;

async function taskNow(
  sources: TaskSources,
  which: { readonly id: string; readonly cluster: string | null },
  database: Database,
): Promise<Answer<TaskAnswer>> {
  const { clusters, questions, recall, clock } = sources;
  const now = clock();
  const [latest] = [...clusters.byName.values()]
    .filter(({ cluster }) => which.cluster === null || which.cluster === cluster)
    .flatMap((state) => {
      const task = recall(state, which.id);
      return task ? [{ state, task }] : [];
    })
    .sort((a, b) => (b.task.timestamp ?? 0) - (a.task.timestamp ?? 0));
  // Record and position are read together, before anything is waited for.
  const as_of = { snapshot: null, taken_at: now, position: clusters.position };
  const record = latest && toTaskRecord(latest.state, latest.task, now);
  const found = record ? null : await database(() => questions.task(which));
  if (found && !found.ok) return found;
  const gaps = await database(() => questions.gapsBetween(now, now));
  const known = record ? { task: record, as_of } : (found as Exclude<typeof found, null>).value;
  const stored = await storedResult(sources, which.id, database, MAX_STORED);
  return stored.ok ? answer({ ...known, gaps, ...withStored(known.task, stored.value) }) : stored;
}

/** With the whole result in the place of one that the event cut, where it is of the same ending and can be told whole. */
function withStored(task: TaskRecord, stored: ResultRecord): Pick<TaskAnswer, 'task' | 'result_from' | 'stored'> {
  const isCut = task.state === SUCCESS && (task.result === null || task.result.includes('...'));
  const isWhole = stored.status === SUCCESS && stored.problem === null && stored.opaque.length === 0;
  const whole = isCut && isWhole ? stored.text : null;
  return {
    task: whole === null ? task : { ...task, result: whole },
    result_from: whole !== null ? 'table' : task.result === null ? null : 'event',
    stored: stored.table === null ? null : stored,
  };
}

async function eventsPage(
  { clusters, questions, clock }: TaskSources,
  uuid: string,
  entries: readonly JournalEntry[],
  { limit, cursor }: { readonly limit: number; readonly cursor: string | null },
  database: Database,
): Promise<Answer<EventsPage>> {
  const place = cursor === null ? [0] : fromCursor(cursor, 'events');
  const [after] = place ?? [];
  if (typeof after !== 'number')
    return refuse('cursor', 'this cursor is not one of a list of events; expected the `next` of its last page');
  const cut = entries.length > MAX_EVENTS;
  const read = entries.slice(0, MAX_EVENTS);
  const now = clock();
  const gaps = await database(() => questions.gapsBetween(read[0]?.local_received ?? now, now));
  const explanations = [...new Set(read.map((entry) => entry.cluster))].map((cluster) => {
    const own = read.filter((entry) => entry.cluster === cluster);
    const workers = workersOf(clusters.byName.get(cluster), now);
    return { cluster, ...explain(uuid, own, { gaps: gaps.filter((gap) => gap.cluster === cluster), workers }) };
  });
  const effects = new Map(explanations.flatMap(({ events }) => events.map((each) => [each.position, each] as const)));
  const left = read.filter(({ position }) => position > after);
  const items = left.slice(0, limit).map((entry) => toEventRow(entry, effects.get(entry.position)));
  const last = items.at(-1);
  return answer({
    items,
    next: left.length > limit && last ? toCursor(['events', last.position]) : null,
    explanations: explanations.map(({ cluster, state, why, runs }) => ({ cluster, state, why, runs: [...runs] })),
    cut,
  });
}

function toEventRow(entry: JournalEntry, explained: Explanation['events'][number] | undefined): EventRow {
  const { cluster, position, local_received, event } = entry;
  const { delay = null, effect = '' } = explained ?? {};
  return { cluster, position, type: event.type, local_received, delay, effect, event };
}

/** What is thought of the workers in memory. */
function workersOf(state: State | undefined, now: Seconds): ReadonlyMap<string, string> {
  const told = new Map<string, string>();
  if (!state) return told;
  for (const worker of state.workers.values()) {
    const { status, reason } = livenessOf(worker, state, now);
    told.set(worker.hostname, reason ? `${status} (${reason})` : status);
  }
  return told;
}

function withEdges(tree: Omit<TreeAnswer, 'edges' | 'missing'>): TreeAnswer {
  const known = new Set(tree.items.map(({ task_id }) => task_id));
  const edges = tree.items.flatMap(({ task_id, parent_id }) =>
    parent_id !== null && known.has(parent_id) ? [{ parent: parent_id, child: task_id }] : [],
  );
  const missing = new Set(
    tree.items.flatMap(({ parent_id }) => (parent_id === null || known.has(parent_id) ? [] : [parent_id])),
  );
  if (!known.has(tree.root_id)) missing.add(tree.root_id);
  return { ...tree, edges, missing: [...missing] };
}
