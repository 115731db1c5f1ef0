/** The columns that a list of tasks can have. */
import type { TaskRow } from '../contract/history.ts';
import { count, duration } from './format.ts';
import { Elapsed, Moment, State, TaskLink, Text, WorkerLink } from './parts.tsx';
import { atTime } from './router.ts';
import type { Column } from './table.tsx';

/** What the history keeps of no task. */
export const PRESENT_ONLY = ['args', 'kwargs', 'outcome'];

/** Shown where nothing else is chosen. */
export const USUAL = ['state', 'name', 'task_id', 'received', 'runtime', 'worker', 'args', 'kwargs', 'outcome'];

export const TASK_COLUMNS: readonly Column<TaskRow>[] = [
  {
    ...{ key: 'state', title: 'State', width: 116 },
    cell: ({ state, orphaned }) => (
      <>
        <State of={state} />
        {orphaned && (
          <span class="cut" title="The process that executed it is gone: it may never end">
            {' '}
            orphaned
          </span>
        )}
      </>
    ),
  },
  {
    ...{ key: 'name', title: 'Name', width: 240, sort: 'name' },
    cell: ({ name, task_id }) => (
      <TaskLink uuid={task_id}>
        {name === null ? <span class="soft">name not known</span> : <Text of={name} most={48} />}
      </TaskLink>
    ),
  },
  {
    ...{ key: 'task_id', title: 'Id', width: 120 },
    cell: ({ task_id }) => <Text of={task_id} most={13} mono />,
  },
  { ...{ key: 'sent', title: 'Sent', width: 92 }, cell: ({ sent }) => <Moment of={sent} /> },
  {
    ...{ key: 'received', title: 'Received', width: 108, sort: 'received' },
    cell: ({ received }) => <Moment of={received} />,
  },
  {
    ...{ key: 'started', title: 'Started', width: 104, sort: 'started' },
    cell: ({ started }) => <Moment of={started} />,
  },
  {
    ...{ key: 'timestamp', title: 'Last heard of', width: 116, sort: 'timestamp' },
    cell: ({ timestamp }) => <Moment of={timestamp} />,
  },
  {
    ...{ key: 'runtime', title: 'Runtime', width: 100, numeric: true, sort: 'runtime' },
    cell: ({ runtime, state, started }) =>
      runtime === null && state === 'STARTED' && started !== null ? (
        <Elapsed since={started} then={atTime.value} />
      ) : (
        duration(runtime)
      ),
  },
  {
    ...{ key: 'worker', title: 'Worker', width: 152 },
    cell: ({ worker }) => <WorkerLink hostname={worker} most={32} />,
  },
  { ...{ key: 'retries', title: 'Retries', width: 72, numeric: true }, cell: ({ retries }) => count(retries) },
  { ...{ key: 'args', title: 'Args', width: 140 }, cell: ({ args }) => <Text of={args} mono /> },
  { ...{ key: 'kwargs', title: 'Kwargs', width: 152 }, cell: ({ kwargs }) => <Text of={kwargs} mono /> },
  {
    ...{ key: 'outcome', title: 'Result or exception', width: 184 },
    cell: ({ result, exception }) => <Text of={exception ?? result} mono />,
  },
  { ...{ key: 'root_id', title: 'Root', width: 120 }, cell: ({ root_id }) => <Text of={root_id} most={13} mono /> },
  {
    ...{ key: 'parent_id', title: 'Parent', width: 120 },
    cell: ({ parent_id }) => <Text of={parent_id} most={13} mono />,
  },
  { ...{ key: 'cluster', title: 'Cluster', width: 104 }, cell: ({ cluster }) => <Text of={cluster} /> },
];
