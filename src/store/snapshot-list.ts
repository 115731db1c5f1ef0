/** The snapshots that are kept, newest first. */
import type pg from 'pg';
import { type Answer, answer, refuse } from '../answer.ts';
import type { SnapshotRow, SnapshotsPage } from '../contract/history.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { Seconds } from '../domain/event.ts';
import { momentOf, rows } from './ask.ts';
import type { PageQuestion } from './questions.ts';

export async function snapshotsPage(
  client: pg.Client,
  { limit, cursor, from, to }: PageQuestion & { readonly from: Seconds | null; readonly to: Seconds | null },
): Promise<Answer<SnapshotsPage>> {
  const place = cursor === null ? [] : fromCursor(cursor, 'snapshots');
  const [before] = place ?? [];
  if (place === null || (cursor !== null && !Number.isSafeInteger(before)))
    return refuse('cursor', 'this cursor is not one of this list; expected the `next` of its last page');
  const latest = await momentOf(client, to);
  if ('problem' in latest) return answer({ items: [], next: null });
  const found = await rows<SnapshotRow>(
    client,
    (p) => `select id as snapshot, extract(epoch from taken_at)::float8 as taken_at, position, tasks, workers,
        (select jsonb_object_agg(key, jsonb_build_object('event_count', value -> 'event_count', 'task_count',
          value -> 'task_count', 'tasks', value -> 'tasks', 'workers', value -> 'workers')) from jsonb_each(clusters)) as clusters
      from snapshots where id <= ${latest.snapshot} ${typeof before === 'number' ? `and id < ${before}` : ''}
        ${from === null ? '' : `and snapshots.taken_at >= to_timestamp(${p.add(from, 'float8')})`}
      order by id desc limit ${limit + 1}`,
  );
  const items = found.slice(0, limit).map((row) => ({ ...row, clusters: row.clusters ?? {} }));
  const last = items.at(-1);
  return answer({ items, next: found.length > limit && last ? toCursor(['snapshots', last.snapshot]) : null });
}
