/** One task: its record, its versions, its workflow. */
import type pg from 'pg';
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import type { AsOf, TaskRow, TaskTree, TaskVersion } from '../contract/history.ts';
import type { TaskRecord } from '../contract/records.ts';
import type { Seconds } from '../domain/event.ts';
import { runsOf } from '../domain/runs.ts';
import { lifeOf } from '../domain/task.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { momentOf, rows } from './ask.ts';
import { conjunctsOf, EVERYTHING, indexed } from './filter-sql.ts';
import { orderOf } from './order.ts';
import { Parameters } from './parameters.ts';
import { pastOf } from './past.ts';
import type { Which } from './questions.ts';
import { AS_TEXT } from './recovery.ts';
import { TASK_RECORD, toTask } from './rows.ts';
import { PRESENT_ROW } from './task-rows.ts';
import { fetch } from './walk.ts';

/** Versions and relatives of a task that are told. */
const MOST = 1000;

/** The record as the latest snapshot has it. `doubt` is what memory alone can tell: null. */
export async function oneTask(
  client: pg.Client,
  which: Which,
): Promise<Answer<{ readonly task: TaskRecord; readonly as_of: AsOf }>> {
  const asOf = await momentOf(client, null);
  if ('problem' in asOf) return asOf;
  const p = new Parameters();
  const text = `select ${TASK_RECORD}, cluster, orphaned_at, orphaned_reason from task_states where ${ofTask(which, p)}
    order by "timestamp" desc nulls last, cluster limit 1`;
  const found = await client.query<(string | null)[]>({ text, values: p.values, rowMode: 'array', types: AS_TEXT });
  const [fields] = found.rows;
  if (!fields) return unknown(which);
  const [cluster, at, reason] = fields.slice(-3);
  const task = toTask(fields);
  const life = lifeOf(task);
  const { kind: _, uuid: _uuid, children, life: _life, stored_life: _stored, ...said } = task;
  return answer({
    as_of: asOf,
    task: {
      ...{ cluster: cluster ?? '', task_id: which.id, ...said },
      children: children === null ? [] : [...children],
      orphaned: at && reason ? { at: Number(at), reason: reason as 'goodbye' } : null,
      doubt: null,
      runs: life && runsOf(life),
    },
  });
}

const VERSION = [
  ...['cluster', 'task_id', 'name', 'state', 'worker', '"timestamp"', 'sent', 'received', 'started', 'runtime'],
  ...['retries', 'root_id', 'parent_id'],
]
  .map((column) => `v.${column}`)
  .join(', ');

const VERSIONS = `select ${VERSION}, v.since, extract(epoch from s.taken_at)::float8 as since_at, v.until,
  extract(epoch from u.taken_at)::float8 as until_at
  from task_versions v left join snapshots s on s.id = v.since left join snapshots u on u.id = v.until`;

export async function taskVersions(
  client: pg.Client,
  which: Which,
): Promise<Answer<{ readonly items: readonly TaskVersion[] }>> {
  const found = await rows<TaskVersion>(
    client,
    (p) => `${VERSIONS} where ${ofTask(which, p, 'v.')} order by v.since desc, v.cluster limit ${MOST}`,
  );
  return found.length === 0 ? unknown(which) : answer({ items: found.reverse() });
}

export async function taskAt(
  client: pg.Client,
  which: Which,
  at: Seconds,
): Promise<Answer<{ readonly task: TaskVersion; readonly as_of: AsOf }>> {
  const asOf = await momentOf(client, at);
  if ('problem' in asOf) return asOf;
  const { snapshot } = asOf;
  const [task] = await rows<TaskVersion>(
    client,
    (p) => `${VERSIONS} where ${ofTask(which, p, 'v.')} and v.since <= ${snapshot}
      and (v.until > ${snapshot} or v.until is null) order by v."timestamp" desc nulls last, v.cluster limit 1`,
  );
  return task ? answer({ task, as_of: asOf }) : unknown(which, 'at that moment');
}

export async function taskTree(
  client: pg.Client,
  which: Which,
  at: Seconds | null,
): Promise<Answer<Omit<TaskTree, 'gaps'>>> {
  const asOf = await momentOf(client, at);
  if ('problem' in asOf) return asOf;
  const [self] = await rows<{ root_id: string | null }>(
    client,
    (p) => `select root_id from task_versions where ${ofTask(which, p)}
      order by root_id is null, until desc nulls first limit 1`,
  );
  const root = self?.root_id ?? storableKey(which.id);
  const [conjunct] = conjunctsOf({ kind: 'text', field: 'root', pattern: { parts: [root] } });
  const own = conjunct && indexed(conjunct);
  if (!own) return unknown(which);
  const ofCluster =
    which.cluster === null
      ? EVERYTHING
      : (p: Parameters): string => `cluster = ${p.add(storableText(which.cluster ?? ''), 'text')}`;
  const order = orderOf('received', false);
  const found: readonly TaskRow[] =
    at === null
      ? await fetch(
          client,
          { table: 'task_states', columns: PRESENT_ROW, narrow: own, filter: ofCluster },
          order,
          null,
          MOST + 1,
        )
      : await pastOf(client, { order, filter: ofCluster, from: null, limit: MOST }, own, asOf.snapshot);
  if (found.length === 0) return unknown(which, at === null ? '' : 'at that moment');
  return answer({ root_id: root, items: found.slice(0, MOST), cut: found.length > MOST, as_of: asOf });
}

function ofTask({ id, cluster }: Which, p: Parameters, table = ''): string {
  const ofCluster = cluster === null ? '' : ` and ${table}cluster = ${p.add(storableText(cluster), 'text')}`;
  return `${table}task_id = ${p.add(storableKey(id), 'text')}${ofCluster}`;
}

function unknown({ id, cluster }: Which, when = ''): Refusal {
  const where = cluster === null ? '' : ` in the cluster ${JSON.stringify(cluster)}`;
  return refuse('unknown', `nothing is recorded of the task ${JSON.stringify(id)}${where}${when && ` ${when}`}`);
}
