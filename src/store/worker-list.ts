/** Workers, as they are and as they were. */
import type pg from 'pg';
import { type Answer, answer, refuse } from '../answer.ts';
import type { AsOf, WorkerChange, WorkerRow, WorkersPage } from '../contract/history.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { Seconds } from '../domain/event.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { momentOf, rows, snapshotOf } from './ask.ts';
import type { Parameters } from './parameters.ts';
import type { ChangesQuestion, Which, WorkersQuestion } from './questions.ts';

const VERSION = 'cluster, hostname, status, reason, pid, freq, active, processed, sw_ident, sw_ver, sw_sys';

const PRESENT = `select ${VERSION}, extract(epoch from last_heartbeat)::float8 as last_heartbeat, loadavg from worker_states`;

/** The version of each worker that held at a snapshot: of those that the history knows, which are looked up one by one, … */
export function workersAt(snapshot: number): string {
  return `with recursive known (cluster, hostname) as (
      (select cluster, hostname from worker_history order by cluster, hostname limit 1)
      union all
      select following.* from known cross join lateral (select h.cluster, h.hostname from worker_history h
        where (h.cluster, h.hostname) > (known.cluster, known.hostname) order by h.cluster, h.hostname limit 1) as following
    )
    select ${VERSION}, null::float8 as last_heartbeat, null::float8[] as loadavg from (
      select latest.* from known cross join lateral (select * from worker_history h
        where h.cluster = known.cluster and h.hostname = known.hostname and h.since <= ${snapshot}
        order by h.since desc limit 1) as latest where latest.until > ${snapshot}) as held
    union all
    ${/* … and of those that have not changed since. */ ''}select ${VERSION}, null, null from worker_states where since <= ${snapshot}`;
}

export async function workersPage(
  client: pg.Client,
  { cluster, at, cursor, limit }: WorkersQuestion,
): Promise<Answer<Omit<WorkersPage, 'gaps'>>> {
  const place = cursor === null ? [] : fromCursor(cursor, 'workers');
  const [pin = null, ...after] = place ?? [];
  const good =
    place !== null && (cursor === null || (after.length === 2 && after.every((part) => typeof part === 'string')));
  if (!good || (cursor !== null && Number.isSafeInteger(pin) !== (at !== null)))
    return refuse(
      'cursor',
      'this cursor is not one of this list; expected the `next` of its last page, asked for with the same at',
    );
  const asOf = typeof pin === 'number' ? await snapshotOf(client, pin) : await momentOf(client, at);
  if (asOf === null)
    return refuse('cursor', 'the snapshot that this list was begun with is kept no longer; begin anew');
  if ('problem' in asOf) return asOf;
  const from = `(${at === null ? PRESENT : workersAt(asOf.snapshot)}) as workers`;
  const ofCluster = (p: Parameters): string =>
    cluster === null ? 'true' : `cluster = ${p.add(storableText(cluster), 'text')}`;
  const found = await rows<WorkerRow>(client, (p) => {
    const beyond =
      after.length === 2 ? `(cluster, hostname) > (${p.add(after[0], 'text')}, ${p.add(after[1], 'text')})` : 'true';
    return `select * from ${from} where ${ofCluster(p)} and ${beyond} order by cluster, hostname limit ${limit + 1}`;
  });
  const [all] = await rows<{ count: number }>(client, (p) => `select count(*) from ${from} where ${ofCluster(p)}`);
  const items = found.slice(0, limit);
  const last = items.at(-1);
  const next =
    found.length > limit && last
      ? toCursor(['workers', at === null ? null : asOf.snapshot, last.cluster, last.hostname])
      : null;
  const total = { count: all?.count ?? items.length, kind: 'exact' } as const;
  return answer({ items, next, total, as_of: asOf });
}

/** One worker; of several clusters the one whose heartbeat came last, else the first. */
export async function oneWorker(
  client: pg.Client,
  { id, cluster }: Which,
  at: Seconds | null,
): Promise<Answer<{ readonly worker: WorkerRow; readonly as_of: AsOf }>> {
  const asOf = await momentOf(client, at);
  if ('problem' in asOf) return asOf;
  const [worker] = await rows<WorkerRow>(
    client,
    (p) => `select * from (${at === null ? PRESENT : workersAt(asOf.snapshot)}) as workers
      where hostname = ${p.add(storableKey(id), 'text')}
        ${cluster === null ? '' : `and cluster = ${p.add(storableText(cluster), 'text')}`}
      order by last_heartbeat desc nulls last, cluster limit 1`,
  );
  return worker
    ? answer({ worker, as_of: asOf })
    : refuse('unknown', `no worker ${JSON.stringify(id)} is recorded${at === null ? '' : ' of then'}`);
}

/** What makes another version of a worker a change: its counters and heartbeats alone do not. */
const KIND = ['status', 'reason', 'pid', 'sw_ident', 'sw_ver', 'sw_sys'];

/** Changes of a worker that are told. */
const MOST_CHANGES = 1000;

/** Each cluster of the history is found by one look into its index. */
const CLUSTERS = `with recursive known (cluster) as (
    (select cluster from worker_history order by cluster limit 1)
    union all
    select (select h.cluster from worker_history h where h.cluster > known.cluster order by h.cluster limit 1)
      from known where known.cluster is not null
  ), clusters as (select cluster from known where cluster is not null union select cluster from worker_states)`;

/** Whenever a worker was another than before, newest first; the last is what held at the beginning. */
export async function workerChanges(
  client: pg.Client,
  { id, cluster, from, to }: ChangesQuestion,
): Promise<Answer<{ readonly items: WorkerChange[]; readonly cut: boolean }>> {
  const later = await momentOf(client, to);
  if ('problem' in later) return answer({ items: [], cut: false });
  const earlier = await momentOf(client, from);
  const first = 'problem' in earlier ? 0 : earlier.snapshot;
  const found = await rows<WorkerChange>(
    client,
    (p) => `${CLUSTERS}, held as (
        select ${VERSION}, since, (${KIND.join()}) is distinct from (${KIND.map((column) => `lag(${column}) over one`).join()}) as is_change
        from clusters join lateral (select * from worker_versions v where v.cluster = clusters.cluster
          and v.hostname = ${p.add(storableKey(id), 'text')} and v.since <= ${later.snapshot}
          and (v.until > ${first} or v.until is null)) as versions using (cluster)
        ${cluster === null ? '' : `where cluster = ${p.add(storableText(cluster), 'text')}`}
        window one as (partition by cluster order by since))
      select cluster, hostname, status, reason, pid, active, processed, sw_ident, sw_ver, sw_sys, since,
        extract(epoch from s.taken_at)::float8 as since_at
      from held left join snapshots s on s.id = since where is_change
      order by since desc, cluster limit ${MOST_CHANGES + 1}`,
  );
  return answer({ items: found.slice(0, MOST_CHANGES), cut: found.length > MOST_CHANGES });
}
