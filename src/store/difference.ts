/** What differs between two snapshots: tasks of which something was heard in between, and all workers. */
import type { Knex } from 'knex';
import type pg from 'pg';
import { type Answer, answer, refuse } from '../answer.ts';
import type { ChangedTask, ChangedWorker, Difference } from '../contract/difference.ts';
import type { AsOf } from '../contract/history.ts';
import type { Position, Seconds } from '../domain/event.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { ask, firstOf, momentOf, rows } from './ask.ts';
import { workersAt } from './worker-list.ts';

export interface DifferenceQuestion {
  readonly from: Seconds;
  readonly to: Seconds;
  /** Null: of all. */
  readonly cluster: string | null;
}

/** The tasks of which something was recorded in a range of the journal; null where it has not all of that any more. */
export type FindTouched = (range: {
  readonly after: Position;
  readonly upTo: Position;
  readonly cluster: string | null;
}) => Promise<readonly { readonly cluster: string; readonly uuid: string }[] | null>;

/** Events between two moments whose tasks are compared. */
const MOST_EVENTS = 200_000;

/** Tasks that are named of each kind of change. */
const LATEST = 10;

/** Workers that are told. */
const MOST_WORKERS = 1000;

/** Each part is a question of its own, so that none holds a connection while another waits for one. */
export async function differenceBetween(
  db: Knex,
  question: DifferenceQuestion,
  findTouched: FindTouched,
): Promise<Answer<Omit<Difference, 'gaps'>>> {
  const { from, to, cluster } = question;
  if (from > to) return refuse('range', 'from is later than to; expected the earlier moment first');
  const moments = await ask(db, (client) => momentsOf(client, from, to));
  if (!moments.ok) return moments;
  const [earlier, later] = moments.value;
  const range = { after: earlier.position, upTo: later.position, cluster };
  const events = Math.max(0, range.upTo - range.after);
  const touched = events > MOST_EVENTS ? null : await findTouched(range);
  const tasks = touched && (await ask(db, (client) => changedTasks(client, touched, earlier, later)));
  if (tasks && !tasks.ok) return tasks;
  const workers = await ask(db, (client) => changedWorkers(client, cluster, earlier, later));
  if (!workers.ok) return workers;
  return answer({
    ...{ from: earlier, to: later, events, workers: workers.value },
    tasks: tasks?.value ?? null,
    uncompared: touched ? null : events > MOST_EVENTS ? 'many' : 'expired',
  });
}

/** Where nothing was recorded as early as `from`, it is compared with the first snapshot. */
async function momentsOf(client: pg.Client, from: Seconds, to: Seconds): Promise<Answer<readonly [AsOf, AsOf]>> {
  const later = await momentOf(client, to);
  if ('problem' in later) return later;
  const earlier = await momentOf(client, from);
  return answer(['problem' in earlier ? ((await firstOf(client)) ?? later) : earlier, later]);
}

/** The version of a task that held at a snapshot. */
function heldAt({ snapshot }: AsOf): string {
  return `left join lateral (select state, name, worker, "timestamp" from task_versions v
    where v.task_id = touched.task_id and v.cluster = touched.cluster
      and v.since <= ${snapshot} and (v.until > ${snapshot} or v.until is null) limit 1)`;
}

type Changes = NonNullable<Difference['tasks']>;

async function changedTasks(
  client: pg.Client,
  touched: readonly { readonly cluster: string; readonly uuid: string }[],
  earlier: AsOf,
  later: AsOf,
): Promise<Answer<Changes>> {
  const clusters = touched.map(({ cluster }) => cluster);
  const ids = touched.map(({ uuid }) => storableKey(uuid));
  const found = await rows<ChangedTask & { before: string | null; after: string | null; count: number }>(
    client,
    (
      p,
    ) => `with touched (cluster, task_id) as (select * from unnest(${p.add(clusters, 'text[]')}, ${p.add(ids, 'text[]')})),
      changed as (
        select cluster, task_id, coalesce(after.name, before.name) as name, coalesce(after.worker, before.worker) as worker,
          coalesce(after."timestamp", before."timestamp") as "timestamp", before.state as before, after.state as after
        from touched ${heldAt(earlier)} as before on true ${heldAt(later)} as after on true
        where before.state is distinct from after.state),
      ranked as (
        select *, count(*) over kind as count, row_number() over (kind order by "timestamp" desc nulls last, task_id) as rank
        from changed window kind as (partition by before, after))
      select * from ranked where rank <= ${LATEST} order by count desc, before, after, rank`,
  );
  const kinds = new Map<string, Changes[number]>();
  for (const { before, after, count, cluster, task_id, name, worker, timestamp } of found) {
    const kind = JSON.stringify([before, after]);
    if (!kinds.has(kind)) kinds.set(kind, { before, after, count, latest: [] });
    kinds.get(kind)?.latest.push({ cluster, task_id, name, worker, timestamp });
  }
  return answer([...kinds.values()]);
}

async function changedWorkers(
  client: pg.Client,
  cluster: string | null,
  earlier: AsOf,
  later: AsOf,
): Promise<Answer<ChangedWorker[]>> {
  const found = await rows<ChangedWorker>(client, (p) => {
    const side = (snapshot: number): string =>
      `select cluster, hostname, status, reason, pid,
        jsonb_build_object('status', status, 'reason', reason, 'pid', pid, 'processed', processed) as told
      from (${workersAt(snapshot)}) as workers
      ${cluster === null ? '' : `where cluster = ${p.add(storableText(cluster), 'text')}`}`;
    return `select cluster, hostname, before.told as before, after.told as after
      from (${side(earlier.snapshot)}) as before full join (${side(later.snapshot)}) as after using (cluster, hostname)
      where (before.status, before.reason, before.pid) is distinct from (after.status, after.reason, after.pid)
      order by cluster, hostname limit ${MOST_WORKERS}`;
  });
  return answer(found);
}
