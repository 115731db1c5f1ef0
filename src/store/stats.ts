/** Figures over time, from what each shutter has added up. */
import type pg from 'pg';
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import type { Spread, Stats, StatsPoint, TaskNameRow, TaskNames } from '../contract/history.ts';
import type { Seconds } from '../domain/event.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { rows } from './ask.ts';
import { COUNTED_STATES, KEEP_MINUTES, lengthOf, type Measure, OTHER_STATES } from './figures.ts';
import type { Condition, Parameters } from './parameters.ts';
import type { StatsQuestion } from './questions.ts';
import { addUp, type Sums } from './sums.ts';

const BUCKETS: readonly Seconds[] = [60, 300, 3600, 86_400];

/** Points of all series together, and series. */
const MOST_POINTS = 6000;
const MOST_SERIES = 50;
const MOST_NAMES = 1000;

const DAY: Seconds = 86_400;

/** @param time epoch seconds, now */
export async function statsOf(
  client: pg.Client,
  question: StatsQuestion,
  time: Seconds,
): Promise<Answer<Omit<Stats, 'gaps'>>> {
  const wrong = refusalOf(question, time);
  if (wrong) return wrong;
  const { bucket, by, cluster, name, worker } = question;
  const from = Math.floor(question.from / bucket) * bucket;
  const to = Math.ceil(question.to / bucket) * bucket;
  const points = Math.round((to - from) / bucket);
  const kind = name !== null || by === 'name' ? 'name' : worker !== null || by === 'worker' ? 'worker' : 'all';
  const columns = by === null ? [] : by === 'cluster' ? ['cluster'] : ['cluster', 'key'];
  const asked = (p: Parameters, resolution: number): string => `resolution = ${resolution} and kind = '${kind}'
    and start >= ${Math.floor(from / resolution) * resolution} and start < ${to}
    ${cluster === null ? '' : `and cluster = ${p.add(storableText(cluster), 'text')}`}
    ${(name ?? worker) ? `and key = ${p.add(storableKey(name ?? worker ?? ''), 'text')}` : ''}`;

  // By as coarse figures as there are.
  const coarse = to - from >= 2 * DAY ? DAY : to - from >= 7200 ? 3600 : 60;
  const most = Math.max(1, Math.min(MOST_SERIES, Math.floor(MOST_POINTS / points)));
  const busiest = by === null ? [] : await busiestOf(client, columns, (p) => asked(p, coarse), most + 1);
  const groups: readonly Group[] = by === null ? [{ cluster }] : busiest.slice(0, most);

  const idOf = (group: Group): string => (by === null ? '' : JSON.stringify([group.cluster, group.key]));
  const sums = new Map(groups.map((group) => [idOf(group), Array.from({ length: points }, (): Sums => new Map())]));
  const resolution = bucket >= DAY ? DAY : bucket >= 3600 ? 3600 : 60;
  await addUp<Group & { start: Seconds }>(
    client,
    ['start', ...columns].join(', '),
    (p) => `${asked(p, resolution)} ${by === null ? '' : chosen(groups, by, p)}`,
    (row) => sums.get(idOf(row))?.[Math.floor((row.start - from) / bucket)],
  );

  const events = kind === 'all' ? await eventsOf(client, from, to, bucket, by, cluster) : null;
  const series = groups.map((group) => ({
    cluster: group.cluster ?? null,
    key: group.key || (name ?? worker),
    points: (sums.get(idOf(group)) ?? []).map((each, n) =>
      toPoint(from + n * bucket, each, events?.(group.cluster ?? null, n) ?? null),
    ),
  }));
  return answer({ from, to, bucket, cut: busiest.length > most, series });
}

interface Group {
  readonly cluster?: string | null;
  readonly key?: string | null;
}

/** The groups with most tasks, and when one of them was last heard of. */
async function busiestOf(
  client: pg.Client,
  columns: readonly string[],
  where: Condition,
  limit: number,
): Promise<(Group & { readonly last_seen: Seconds | null })[]> {
  const by = columns.join(', ');
  // Codes of states are the lowest, and stand first.
  const states = COUNTED_STATES.length + 1;
  return rows(
    client,
    (p) => `select ${by}, max(start) filter (where n > 0) as last_seen
      from (select ${by}, start, (select sum(n::float8) from unnest(codes[1:${states}], counts[1:${states}]) as u (code, n)
        where code < ${states}) as n from task_figures where ${where(p)}) as counted
      group by ${by} order by sum(n) desc nulls last, ${by} limit ${limit}`,
  );
}

function chosen(groups: readonly Group[], by: 'cluster' | 'name' | 'worker', p: Parameters): string {
  const clusters = p.add(
    groups.map(({ cluster }) => cluster),
    'text[]',
  );
  if (by === 'cluster') return `and cluster = any(${clusters})`;
  const keys = p.add(
    groups.map(({ key }) => key),
    'text[]',
  );
  // One by one, not as pairs: pairs too many are left out afterwards, and to match pairs takes Postgres longer than all else.
  return `and cluster = any(${clusters}) and key = any(${keys})`;
}

function refusalOf({ from, to, bucket, by, name, worker }: StatsQuestion, time: Seconds): Refusal | null {
  if (!BUCKETS.includes(bucket))
    return refuse('range', `a bucket of ${bucket} s is not kept; expected one of ${BUCKETS.join(', ')}`);
  const points = (to - from) / bucket;
  if (!(from >= 0 && to > from && points <= MOST_POINTS)) {
    const expected = `expected from before to, and at most ${MOST_POINTS} buckets between them`;
    return refuse('range', `there is no series from ${from} to ${to} in buckets of ${bucket} s; ${expected}`);
  }
  if (bucket < 3600 && from < time - KEEP_MINUTES) {
    const expected = `expected a bucket of an hour or a day, or from within the last ${KEEP_MINUTES / DAY} days`;
    return refuse('range', `figures of minutes are not kept so long; ${expected}`);
  }
  if ((name !== null && (worker !== null || by === 'worker')) || (worker !== null && by === 'name'))
    return refuse(
      'filter',
      'figures are kept by name and by worker, not by both at once; expected one of them',
      by === null ? 'worker' : 'by',
    );
  return null;
}

function toPoint(at: Seconds, sums: Sums, events: number | null): StatsPoint {
  const { tasks, spreads } = told(sums);
  return { at, tasks, wait: spreads.wait, delivery: spreads.delivery, runtime: spreads.runtime, events };
}

/** What figures say, in words. */
function told(sums: Sums): { tasks: Record<string, number>; spreads: Record<Measure, Spread> } {
  const tasks: Record<string, number> = {};
  const lengths: Record<Measure, [Seconds, number][]> = { runtime: [], wait: [], delivery: [] };
  for (const [code, n] of [...sums].sort(([a], [b]) => a - b)) {
    // Rows that were there before figures were kept were never added.
    if (n <= 0) continue;
    const length = lengthOf(code);
    if (length) lengths[length.measure].push([length.seconds, n]);
    else tasks[COUNTED_STATES[code] ?? OTHER_STATES] = n;
  }
  const { runtime, wait, delivery } = lengths;
  return { tasks, spreads: { runtime: spreadOf(runtime), wait: spreadOf(wait), delivery: spreadOf(delivery) } };
}

/** @param lengths shortest first, each with how many there were */
function spreadOf(lengths: readonly (readonly [Seconds, number])[]): Spread {
  const count = lengths.reduce((sum, [, n]) => sum + n, 0);
  const quantile = (part: number): Seconds | null => {
    let rest = part * count;
    for (const [length, n] of lengths) {
      rest -= n;
      if (rest <= 0) return Number(length.toPrecision(3));
    }
    return null;
  };
  return { count, p50: quantile(0.5), p95: quantile(0.95), p99: quantile(0.99) };
}

/** Events in each bucket, of a cluster or of all: what the snapshots at its ends had counted. */
async function eventsOf(
  client: pg.Client,
  from: Seconds,
  to: Seconds,
  bucket: Seconds,
  by: StatsQuestion['by'],
  cluster: string | null,
): Promise<(cluster: string | null, bucket: number) => number | null> {
  const single = by === 'cluster' || cluster !== null;
  const found = await rows<{ position: number; counted: Readonly<Record<string, number>> | null }>(
    client,
    () => `select position, counted from generate_series(${from}, ${to}, ${bucket}) as ends (at)
      left join lateral (select position, ${single ? `(select jsonb_object_agg(key, value -> 'event_count') from jsonb_each(clusters))` : 'null::jsonb'} as counted
        from snapshots where taken_at <= to_timestamp(ends.at) order by snapshots.taken_at desc, id desc limit 1) as s on true
      order by ends.at`,
  );
  return (of, n) => {
    const [before, after] = [found[n], found[n + 1]].map((end) => (single ? end?.counted?.[of ?? ''] : end?.position));
    // Where another fold has begun to count anew, nobody knows.
    return typeof before === 'number' && typeof after === 'number' && after >= before ? after - before : null;
  };
}

export async function taskNamesOf(
  client: pg.Client,
  question: Pick<StatsQuestion, 'from' | 'to' | 'cluster'>,
): Promise<Answer<TaskNames>> {
  const { cluster } = question;
  if (!(question.from >= 0 && question.to > question.from))
    return refuse('range', `there is nothing from ${question.from} to ${question.to}; expected from before to`);
  const resolution = question.to - question.from > 2 * DAY ? DAY : 3600;
  const from = Math.floor(question.from / resolution) * resolution;
  const to = Math.ceil(question.to / resolution) * resolution;
  const where: Condition = (p) => `resolution = ${resolution} and kind = 'name' and start >= ${from} and start < ${to}
    ${cluster === null ? '' : `and cluster = ${p.add(storableText(cluster), 'text')}`}`;
  const columns = ['cluster', 'key'];
  const busiest = await busiestOf(client, columns, where, MOST_NAMES);
  const idOf = (group: Group): string => JSON.stringify([group.cluster, group.key]);
  const sums = new Map(busiest.map((group) => [idOf(group), new Map() as Sums]));
  await addUp<Group>(client, columns.join(', '), where, (row) => sums.get(idOf(row)));
  const items = busiest.map((group): TaskNameRow => {
    const { tasks, spreads } = told(sums.get(idOf(group)) ?? new Map());
    const { SUCCESS = 0, FAILURE = 0 } = tasks;
    const failure_rate = SUCCESS + FAILURE === 0 ? null : FAILURE / (SUCCESS + FAILURE);
    const { cluster, key, last_seen } = group;
    const { runtime } = spreads;
    return { cluster: cluster ?? '', name: key || null, states: tasks, runtime, failure_rate, last_seen };
  });
  return answer({ from, to, items });
}
