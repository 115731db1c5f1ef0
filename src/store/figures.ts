/**
 * What all rows of tasks add up to, by minute, hour and day: each shutter adds what its rows contribute and takes away what
 * the rows that they replace did. So the figures are at any time what an aggregate over the rows would give, and stay when
 * the rows go.
 */
import type { Seconds } from '../domain/event.ts';
import { FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS } from '../domain/states.ts';

/** Seconds of what is added up. */
const RESOLUTIONS = [60, 3600, 86_400] as const;

/** Figures of older tasks are not kept, those of minutes only so long. */
export const KEEP_FIGURES: Seconds = 366 * 86_400;
export const KEEP_MINUTES: Seconds = 8 * 86_400;

/** Names, and workers, that are told apart in a day of a cluster. */
const MOST_KEYS = 1000;

/** By code. The last stands for all others: senders may invent any number of them. Only ever added to, before that. */
export const COUNTED_STATES = [PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, REVOKED, REJECTED, RETRY] as const;
export const OTHER_STATES = '…';

/**
 * Lengths of time by powers of 1.2, the nearest one: n stands for lengths from 1.2^(n - 1/2) to 1.2^(n + 1/2), true to
 * within 10 %. Each measure has codes around one of its own.
 */
const BASE = 1.2;
const SHORTEST = -60;
const LONGEST = 100;
export const MEASURES = { runtime: 1100, wait: 1400, delivery: 1700 } as const;
export type Measure = keyof typeof MEASURES;

/** The measure of a code and the length that it stands for; null for the code of a state. */
export function lengthOf(code: number): { readonly measure: Measure; readonly seconds: Seconds } | null {
  for (const [measure, zero] of Object.entries(MEASURES)) {
    const n = code - zero;
    if (n >= SHORTEST && n <= LONGEST) return { measure: measure as Measure, seconds: BASE ** n };
  }
  return null;
}

function lengthCode(measure: Measure, length: string): string {
  const n = `round(ln(greatest(${length}, 1e-9)) / ln(${BASE}::float8))`;
  return `(${MEASURES[measure]} + least(${LONGEST}, greatest(${SHORTEST}, ${n})))::integer`;
}

/** Null where one of two times is not known. Senders may say any time: Postgres refuses a difference that is too large. */
function between(measure: Measure, later: string, earlier: string): string {
  const [to, from] = [later, earlier].map((time) => `least(greatest(${time}, -1e12), 1e12)`);
  return `case when ${later} is not null and ${earlier} is not null then ${lengthCode(measure, `${to} - ${from}`)} end`;
}

const STATE_CODE = `coalesce(array_position(array[${COUNTED_STATES.map((state) => `'${state}'`).join(', ')}], state) - 1,
  ${COUNTED_STATES.length})`;

const CODES = `array[${STATE_CODE}, case when runtime is not null then ${lengthCode('runtime', 'runtime')} end,
  ${between('wait', 'started', 'received')}, ${between('delivery', 'received', 'sent')}]`;

const COUNTED = 'cluster, name, worker, state, runtime, sent, received, started, ages_from';

/**
 * The statement that adds the rows of a table like `task_states` and takes away those of `task_states` under the same keys,
 * before these are replaced.
 */
export function addFigures(added: string, takenAt: Seconds): string {
  const replaced = COUNTED.replaceAll(/(^|, )/g, '$1o.');
  return `with counted as (
      select 1 as n, ${COUNTED} from ${added}
      union all
      select -1, ${replaced} from task_states o join ${added} a on a.cluster = o.cluster and a.task_id = o.task_id
    ), coded as (
      select n, floor(ages_from / 60)::bigint * 60 as start, cluster, coalesce(name, '') as name,
        coalesce(worker, '') as worker, code
      from counted cross join lateral unnest(${CODES}) as codes (code)
      where code is not null and ages_from > ${takenAt - KEEP_FIGURES}
    ), minutes as (
      select 'name' as kind, start, cluster, name as key, code, sum(n) as n from coded group by start, cluster, name, code
      having sum(n) <> 0
      union all
      select 'worker', start, cluster, worker, code, sum(n) from coded group by start, cluster, worker, code
      having sum(n) <> 0
    ), sizes as materialized (
      select kind, day, cluster, (select count(*) from task_figures f
        where f.resolution = 86400 and f.kind = days.kind and f.start = days.day and f.cluster = days.cluster) as size
      from (select distinct kind, start - mod(start, 86400) as day, cluster from minutes) as days
    ), ranked as (
      select m.*, f.key is not null as known, s.size,
        dense_rank() over (partition by m.kind, s.day, m.cluster, f.key is not null order by m.key) as rank
      from minutes m join sizes s on s.kind = m.kind and s.cluster = m.cluster and s.day = m.start - mod(m.start, 86400)
      left join task_figures f on f.resolution = 86400 and f.kind = m.kind and f.start = s.day and f.cluster = m.cluster
        and f.key = m.key
    ), keyed as (
      select kind, start, cluster, case when known or size + rank <= ${MOST_KEYS} then key else '' end as key, code, n
      from ranked
      union all
      select 'all', start, cluster, '', code, sum(n) from minutes where kind = 'name' group by start, cluster, code
    ), deltas as (
      select resolution, kind, start - mod(start, resolution) as start, cluster, key, code, sum(n) as n
      from keyed cross join unnest(array[${RESOLUTIONS.join(', ')}]) as resolutions (resolution)
      group by resolution, kind, start - mod(start, resolution), cluster, key, code
    ), touched as (
      select distinct resolution, kind, start, cluster, key from deltas
    ), summed as (
      select resolution, kind, start, cluster, key, code, sum(n)::bigint as n from (
        select * from deltas
        union all
        select t.*, were.code, were.n from touched t
          join task_figures f using (resolution, kind, start, cluster, key)
          cross join lateral unnest(f.codes, f.counts) as were (code, n)
      ) as both_of_them group by resolution, kind, start, cluster, key, code
    )
    insert into task_figures (resolution, kind, start, cluster, key, codes, counts)
    select resolution, kind, start, cluster, key,
      coalesce(array_agg(code order by code) filter (where n <> 0), '{}'),
      coalesce(array_agg(n order by code) filter (where n <> 0), '{}')
    from summed group by resolution, kind, start, cluster, key
    on conflict (resolution, kind, start, cluster, key) do update set codes = excluded.codes, counts = excluded.counts`;
}
