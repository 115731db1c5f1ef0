/** Periodic tasks: which there are, when they are due, what became of them. */
import { useState } from 'preact/hooks';
import type { PeriodicTaskRow } from '../../contract/periodic.ts';
import { PERIODIC_TITLE } from '../../domain/periodic-findings.ts';
import { describeSchedule } from '../../domain/schedule.ts';
import { Problems } from '../findings.tsx';
import { count, duration, visible } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { Ago, Empty, Moment, Problem, Text } from '../parts.tsx';
import { act, periodic, periodicBeat } from '../periodic.ts';
import { RunState } from '../periodic-runs.tsx';
import { now } from '../pulse.ts';
import { at, change, hrefOf, place } from '../router.ts';
import { type Column, Table } from '../table.tsx';
import '../style/lists.css';
import '../style/periodic.css';

/** More are found by their names. */
const MOST = 1000;

export function Periodic() {
  const search = place.value.query.get('search') ?? '';
  const { value, error, isOld } = useAnswer(`periodic ${search}`, periodicBeat.value, (signal) =>
    periodic.list({ limit: MOST, ...(search !== '' && { search }) }, { signal }),
  );
  const [failure, tell] = useState<string | null>(null);
  const doing = (work: () => Promise<unknown>): void => {
    void act(work).then((refused) => tell(refused?.error ?? null));
  };
  const rows = value?.items ?? [];
  return (
    <div class="fill tasks">
      <div class="bar">
        <h1>Periodic tasks</h1>
        <input
          class="grow"
          type="search"
          aria-label="Part of the name, or of that of the task"
          placeholder="Part of the name, or of that of the task"
          value={search}
          onInput={({ currentTarget }) => change({ search: currentTarget.value }, 'replace')}
        />
        <a class="button" href={hrefOf('periodic-task')}>
          New periodic task
        </a>
      </div>
      {at.value !== null && <p class="soft">Periodic tasks are shown as they are now, not as they were.</p>}
      <Problem error={error ?? failure} />
      <Problems title={PERIODIC_TITLE} />
      <Table
        caption="Periodic tasks"
        columns={columnsOf(doing)}
        rows={rows}
        keyOf={({ id }) => String(id)}
        isOld={isOld}
      />
      {value &&
        rows.length === 0 &&
        (search === '' ? <Nothing /> : <Empty title={`None is called ${visible(search)}`} />)}
      <p class="bar soft">
        <span>
          {count(rows.length)}
          {value?.next != null ? ' of more: look for the others by their names' : ''} periodic tasks,{' '}
          {count(rows.filter(({ enabled }) => enabled).length)} enabled,{' '}
          {count(rows.filter(({ unfit }) => unfit !== null).length)} with something wrong
        </span>
      </p>
    </div>
  );
}

type Doing = (work: () => Promise<unknown>) => void;

function columnsOf(doing: Doing): readonly Column<PeriodicTaskRow>[] {
  return [
    {
      ...{ key: 'enabled', title: 'Enabled', width: 84 },
      cell: (row) => (
        <button
          type="button"
          class="small"
          role="switch"
          aria-checked={row.enabled}
          aria-label={`${visible(row.name)} enabled`}
          onClick={() => doing(() => periodic.change(row, { enabled: !row.enabled }))}
        >
          {row.enabled ? 'on' : 'off'}
        </button>
      ),
    },
    {
      ...{ key: 'name', title: 'Name', width: 220 },
      cell: ({ id, name }) => (
        <a href={hrefOf('periodic-task', { id })}>
          <Text of={name} most={48} />
        </a>
      ),
    },
    { ...{ key: 'task', title: 'Task', width: 220 }, cell: ({ task }) => <Text of={task} most={48} /> },
    {
      ...{ key: 'when', title: 'When', width: 220 },
      cell: ({ schedule, unfit }) =>
        unfit === null && schedule ? (
          <Text of={describeSchedule(schedule)} />
        ) : (
          <span class="bad" title={visible(unfit ?? '')}>
            {visible(unfit ?? '')}
          </span>
        ),
    },
    { ...{ key: 'next', title: 'Next due', width: 160 }, cell: ({ next_due }) => <Moment of={next_due} /> },
    {
      ...{ key: 'in', title: 'In', width: 96, numeric: true },
      cell: ({ next_due }) => (next_due === null ? '–' : duration(Math.max(0, Math.round(next_due - now.value)))),
    },
    {
      ...{ key: 'last', title: 'Last run', width: 200 },
      cell: ({ last_run }) =>
        last_run && (
          <>
            <RunState of={last_run} /> <Ago of={last_run.sent_at ?? last_run.due_at} />
          </>
        ),
    },
    {
      ...{ key: 'runs', title: 'Runs', width: 72, numeric: true },
      cell: ({ total_run_count }) => count(total_run_count),
    },
  ];
}

/** What to type where there is none. */
function Nothing() {
  return (
    <Empty title="There are no periodic tasks.">
      <p>
        Make one here, or by <code>celerycam periodic add sweep --task proj.tasks.sweep --every 10m</code>. Take over
        those of Celery’s beat by <code>celerycam periodic import</code>.
      </p>
      <p>
        They are sent by <code>celerycam beat</code>, or <code>celerycam run --beat</code>.
      </p>
    </Empty>
  );
}
