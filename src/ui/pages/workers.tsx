/** Workers: which there are, how they are, what they do. */
import type { WorkerRow } from '../../contract/history.ts';
import { count, visible } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { Ago, Empty, Moment, Problem, State, Text, WorkerLink } from '../parts.tsx';
import { beat, history } from '../pulse.ts';
import { at, atTime, change, place } from '../router.ts';
import { type Column, Table } from '../table.tsx';
import { reasonIn } from '../worker-words.ts';
import '../style/lists.css';

type Order = readonly [key: string, by: (worker: WorkerRow) => number];

const STATUSES = ['ONLINE', 'SUSPECT', 'OFFLINE'] as const;
const ORDERS: readonly Order[] = [
  ['status', ({ status }) => STATUSES.indexOf(status)],
  ['active', ({ active }) => active ?? -1],
  ['processed', ({ processed }) => processed ?? -1],
  ['load', ({ loadavg }) => loadavg?.[0] ?? -1],
  ['heartbeat', ({ last_heartbeat }) => last_heartbeat ?? 0],
];

const COLUMNS: readonly Column<WorkerRow>[] = [
  {
    ...{ key: 'status', title: 'Status', width: 132, sort: 'status' },
    cell: ({ status, reason }) => (
      <span title={reasonIn(reason)}>
        <State of={status} /> <span class="soft">{reason}</span>
      </span>
    ),
  },
  {
    ...{ key: 'hostname', title: 'Worker', width: 280, sort: 'hostname' },
    cell: ({ hostname }) => <WorkerLink hostname={hostname} most={56} />,
  },
  {
    ...{ key: 'active', title: 'Active', width: 76, numeric: true, sort: 'active' },
    cell: ({ active }) => count(active),
  },
  {
    ...{ key: 'processed', title: 'Processed', width: 96, numeric: true, sort: 'processed' },
    cell: ({ processed }) => count(processed),
  },
  {
    ...{ key: 'load', title: 'Load', width: 132, numeric: true, sort: 'load' },
    cell: ({ loadavg }) => loadOf(loadavg),
  },
  {
    ...{ key: 'heartbeat', title: 'Last heartbeat', width: 124, numeric: true, sort: 'heartbeat' },
    cell: ({ last_heartbeat }) => <Ago of={last_heartbeat} then={atTime.value} />,
  },
  { ...{ key: 'pid', title: 'Pid', width: 80, numeric: true }, cell: ({ pid }) => (pid === null ? '–' : String(pid)) },
  {
    ...{ key: 'software', title: 'Software', width: 176 },
    cell: ({ sw_ident, sw_ver, sw_sys }) => <Text of={[sw_ident, sw_ver, sw_sys].filter(Boolean).join(' ') || null} />,
  },
  { ...{ key: 'cluster', title: 'Cluster', width: 112 }, cell: ({ cluster }) => <Text of={cluster} /> },
];

/** `0.12 0.10 0.08`: over 1, 5 and 15 minutes. */
export function loadOf(loadavg: readonly number[] | null): string {
  return loadavg === null ? '–' : loadavg.map((load) => load.toFixed(2)).join(' ');
}

export function Workers() {
  const asked = at.value ?? undefined;
  const { value, error, isOld } = useAnswer(`workers ${asked}`, beat.value, (signal) =>
    history.workers({ at: asked, limit: 1000 }, { signal }),
  );
  const { query } = place.value;
  const status = STATUSES.find((each) => each === query.get('status')) ?? null;
  const text = query.get('hostname') ?? '';
  const [by, order] = [query.get('sort') ?? 'hostname', query.get('order') === 'desc' ? 'desc' : 'asc'] as const;
  const rows = sorted(
    (value?.items ?? []).filter(
      (worker) => (status === null || worker.status === status) && worker.hostname.includes(text),
    ),
    by,
    order,
  );
  const sum = (of: (worker: WorkerRow) => number | null): number =>
    rows.reduce((total, row) => total + (of(row) ?? 0), 0);
  return (
    <div class="fill tasks">
      <div class="bar">
        <h1>Workers</h1>
        <input
          class="grow"
          type="search"
          aria-label="Part of the name"
          placeholder="Part of the name"
          value={text}
          onInput={({ currentTarget }) => change({ hostname: currentTarget.value }, 'replace')}
        />
        <fieldset class="pills">
          <legend class="hidden">Statuses</legend>
          {STATUSES.map((each) => (
            <button
              key={each}
              type="button"
              class="pill"
              aria-pressed={status === each}
              onClick={() => change({ status: status === each ? null : each })}
            >
              <State of={each} /> {count((value?.items ?? []).filter((worker) => worker.status === each).length)}
            </button>
          ))}
        </fieldset>
      </div>
      <Problem error={error} />
      <Table
        caption="Workers"
        columns={COLUMNS}
        rows={rows}
        keyOf={({ cluster, hostname }) => `${cluster}\0${hostname}`}
        sorting={{ by, order, change: (sort, next) => change({ sort, order: next }) }}
        isOld={isOld}
      />
      {value?.items.length === 0 && (
        <Empty title="No worker was heard of.">
          <p>
            Workers make themselves known by heartbeats, unless they are started with <code>--without-heartbeat</code>.
            Is one running on this broker? <code>celery -A proj worker -E</code>
          </p>
        </Empty>
      )}
      {value && value.items.length > 0 && rows.length === 0 && <Empty title={`No worker matches ${visible(text)}`} />}
      <p class="bar soft">
        <span>
          {count(rows.length)} of {count(value?.total.count)} workers, {count(sum(({ active }) => active))} tasks
          active, {count(sum(({ processed }) => processed))} processed since they started
        </span>
        {value && (
          <span>
            as of <Moment of={value.as_of.taken_at} />
          </span>
        )}
      </p>
    </div>
  );
}

/** Names with numbers in them as people count: worker2 before worker10. */
const NAMES = new Intl.Collator('en', { numeric: true });

function sorted(workers: readonly WorkerRow[], key: string, order: 'asc' | 'desc'): readonly WorkerRow[] {
  const by = ORDERS.find(([name]) => name === key)?.[1];
  const sign = order === 'asc' ? 1 : -1;
  return workers.toSorted((a, b) => {
    const [x, y] = by ? [by(a), by(b)] : [0, 0];
    return x === y ? (by ? 1 : sign) * NAMES.compare(a.hostname, b.hostname) : x < y ? -sign : sign;
  });
}
