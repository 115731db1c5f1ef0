/**
 * The workflow that a task is part of, chain, group or chord: who called whom, indented, each with its state and when it waited
 * and ran, to one scale; and what the whole took so long for.
 */
import { useState } from 'preact/hooks';
import type { TaskRow } from '../contract/history.ts';
import { beganAt, criticalPath, endedAt } from './critical-path.ts';
import { count, duration, visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Axis } from './life.tsx';
import { Problem, State, TaskLink, Text } from './parts.tsx';
import { beat, history, now } from './pulse.ts';
import { at, atTime } from './router.ts';
import './style/task.css';

interface Of {
  readonly task_id: string;
  readonly cluster: string;
}

/** Tasks that are shown at first. */
const FEW = 100;

export function Workflow({ of: { task_id, cluster } }: { readonly of: Of }) {
  const then = at.value ?? undefined;
  const { value, error } = useAnswer(`tree ${JSON.stringify([task_id, cluster, then])}`, beat.value, (signal) =>
    history.tree(task_id, { cluster, at: then }, { signal }),
  );
  const [isWhole, showWhole] = useState(false);
  if (!value) return <Problem error={error} />;
  if (value.items.length < 2 && value.missing.length === 0) return null;
  const rows = rowsOf(value.items, value.edges);
  const path = criticalPath(value.items);
  const states = new Map<string, number>();
  for (const { state } of value.items) states.set(state, (states.get(state) ?? 0) + 1);
  return (
    <section class="panel">
      <div class="title">
        <h2>Workflow</h2>
        {[...states].map(([state, n]) => (
          <span key={state}>
            {count(n)} <State of={state} />
          </span>
        ))}
      </div>
      <Problem error={error} />
      {value.missing.length > 0 && (
        <p class="soft">
          {value.missing.length}{' '}
          {value.missing.length === 1 ? 'task that called others has' : 'tasks that called others have'} expired, or{' '}
          {value.missing.length === 1 ? 'was' : 'were'} never heard of:{' '}
          {value.missing.slice(0, 5).map(visible).join(', ')}
        </p>
      )}
      <Flow rows={isWhole ? rows : rows.slice(0, FEW)} all={value.items} path={path} current={task_id} />
      {rows.length > FEW && !isWhole && (
        <button type="button" class="small" onClick={() => showWhole(true)}>
          Show all {count(rows.length)}
        </button>
      )}
      {value.cut && <p class="soft">There are more tasks than these {count(value.items.length)}.</p>}
      {path.length > 1 && (
        <p class="soft">
          <span class="critical">★</span> The critical path, {count(path.length)} tasks: what the whole took so long
          for. It is found by times: events do not say what waited for what.
        </p>
      )}
    </section>
  );
}

interface Row {
  readonly task: TaskRow;
  /** Levels below the root. */
  readonly depth: number;
  /** The only one that the task above called: a chain goes on at one level, so that a long one does not wander off. */
  readonly isNext: boolean;
}

/** Whoever nobody called, and whatever hangs together in a ring, each with those below it. */
function rowsOf(items: readonly TaskRow[], edges: readonly { readonly parent: string; readonly child: string }[]) {
  const byId = new Map(items.map((item) => [item.task_id, item]));
  const children = new Map<string, string[]>();
  const called = new Set<string>();
  for (const { parent, child } of edges) {
    if (parent === child) continue;
    children.set(parent, [...(children.get(parent) ?? []), child]);
    called.add(child);
  }
  const rows: Row[] = [];
  const shown = new Set<string>();
  const add = (id: string, depth: number, isNext: boolean): void => {
    const task = byId.get(id);
    if (!task || shown.has(id)) return;
    shown.add(id);
    rows.push({ task, depth, isNext });
    const below = children.get(id) ?? [];
    for (const child of below) add(child, below.length === 1 ? depth : depth + 1, below.length === 1);
  };
  for (const { task_id } of items) if (!called.has(task_id)) add(task_id, 0, false);
  for (const { task_id } of items) add(task_id, 0, false);
  return rows;
}

interface FlowProps {
  readonly rows: readonly Row[];
  /** The scale holds them all. */
  readonly all: readonly TaskRow[];
  readonly path: readonly string[];
  readonly current: string;
}

function Flow({ rows, all, path, current }: FlowProps) {
  const latest = atTime.value ?? now.value;
  const times = all.flatMap((task) => [beganAt(task), endedAt(task)]).filter((time) => time !== null);
  const isOver = all.every((task) => beganAt(task) === null || endedAt(task) !== null);
  const [from, to] = [Math.min(...times), Math.max(...times, ...(isOver ? [] : [latest]))];
  const whole = Math.max(to - from, 1e-6);
  const place = (start: number, end: number) => ({
    left: `${(100 * (start - from)) / whole}%`,
    width: `${(100 * Math.max(0, end - start)) / whole}%`,
  });
  const critical = new Set(path);
  return (
    <ol class="flow">
      {rows.map(({ task, depth, isNext }) => {
        const [begin, end] = [beganAt(task), endedAt(task) ?? to];
        return (
          <li key={task.task_id} aria-current={task.task_id === current ? 'true' : undefined}>
            <span class="called" style={{ paddingLeft: `${6 + Math.min(depth, 12) * 16}px` }}>
              <span class="soft" title={isNext ? 'called by the one above' : undefined}>
                {isNext ? '↳ ' : ''}
              </span>
              <State of={task.state} />{' '}
              <TaskLink uuid={task.task_id}>
                <Text of={task.name ?? task.task_id} most={48} />
              </TaskLink>
              {critical.has(task.task_id) && path.length > 1 && (
                <span class="critical" title="On the critical path">
                  {' '}
                  ★<span class="hidden"> on the critical path</span>
                </span>
              )}
            </span>
            <span class="lane" data-critical={critical.has(task.task_id) ? '' : undefined} aria-hidden="true">
              {begin !== null && <span class="wait" style={place(begin, task.started ?? end)} />}
              {task.started !== null && <span data-state={task.state} style={place(task.started, end)} />}
            </span>
            <span class="soft num">
              {task.started === null ? '' : duration(Math.max(0, end - task.started))}
              {endedAt(task) === null && task.started !== null && '…'}
            </span>
          </li>
        );
      })}
      {times.length > 0 && <Axis from={from} to={to} />}
    </ol>
  );
}
