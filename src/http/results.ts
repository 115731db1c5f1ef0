/** Routes about stored results, and what redaction leaves of them. */
import { type Answer, answer, refuse } from '../answer.ts';
import { type ResultRecord, toGroupAnswer } from '../contract/results.ts';
import type { Redactor } from '../domain/redaction.ts';
import type { Clusters } from '../domain/state.ts';
import { READY_STATES } from '../domain/states.ts';
import type { ResultWatch } from '../store/result-watch.ts';
import type { Asked, Handlers } from './answers.ts';
import type { Questions } from './questions.ts';
import { redactResult } from './redact-result.ts';

export interface ResultSources {
  readonly clusters: Clusters;
  readonly questions: Questions;
  readonly watch: Pick<ResultWatch, 'until'>;
  /** Null: nothing is redacted. It is for results alone: events have one of their own. */
  readonly resultRedactor: Redactor | null;
}

type Database = Asked['database'];
export type ResultRoute = 'GET /api/results/{task_id}' | 'GET /api/groups/{id}';

export function resultHandlers(sources: ResultSources): Pick<Handlers, ResultRoute> {
  const { questions, watch } = sources;
  const group = async (id: string, database: Database) => {
    const found = await database(() => questions.group(id));
    if (!found.ok) return found;
    const redacted = await redactResults(sources, found.value.children, database);
    return redacted.ok ? answer(toGroupAnswer(found.value.group, redacted.value)) : redacted;
  };
  return {
    'GET /api/results/{task_id}': async ({ params, query: { wait = 0 }, database, signal }) => {
      const { task_id } = params;
      const found = await storedResult(sources, task_id, database);
      if (!found.ok || wait === 0 || READY_STATES.has(found.value.status)) return found;
      await watch.until([task_id], wait, signal);
      return storedResult(sources, task_id, database);
    },
    'GET /api/groups/{id}': async ({ params, query: { wait = 0 }, database, signal }) => {
      const found = await group(params.id, database);
      if (!found.ok || wait === 0 || found.value.ready) return found;
      const pending = found.value.children.filter(({ status }) => !READY_STATES.has(status));
      await watch.until(
        pending.map(({ task_id }) => task_id),
        wait,
        signal,
      );
      return group(params.id, database);
    },
  };
}

/** What is stored of a task, as it may be shown. @param most bytes of its result that are read */
export async function storedResult(
  sources: ResultSources,
  task_id: string,
  database: Database,
  most?: number,
): Promise<Answer<ResultRecord>> {
  const found = await database(() => sources.questions.results([task_id], most));
  if (!found.ok) return found;
  const redacted = await redactResults(sources, found.value, database);
  if (!redacted.ok) return redacted;
  const [record] = redacted.value;
  return record ? answer(record) : refuse('unknown', `nothing is stored of the task ${JSON.stringify(task_id)}`);
}

/** Rules for some tasks go by their names: as the row has it, as it is remembered, and as it is recorded. */
async function redactResults(
  { questions, clusters, resultRedactor }: ResultSources,
  records: readonly ResultRecord[],
  database: Database,
): Promise<Answer<readonly ResultRecord[]>> {
  if (!resultRedactor) return answer(records);
  const recorded = await database(() => questions.namesOf(records.map(({ task_id }) => task_id)));
  if (!recorded.ok) return recorded;
  return answer(
    records.map((record) => {
      const remembered = Array.from(clusters.byName.values(), ({ tasks }) => tasks.get(record.task_id)?.name);
      const names = new Set([record.name, ...remembered, ...(recorded.value.get(record.task_id) ?? [])]);
      return redactResult(
        resultRedactor,
        record,
        [...names].filter((name) => typeof name === 'string'),
      );
    }),
  );
}
