/** The life of a task: a lane for each run, on the worker that it was on, to one scale. */
import type { TaskRecord } from '../contract/records.ts';
import { clock, duration, visible } from './format.ts';
import { State } from './parts.tsx';
import { now } from './pulse.ts';
import './style/task.css';

type Run = NonNullable<TaskRecord['runs']>[number];

export function Life({ of: task }: { readonly of: TaskRecord }) {
  const runs = task.runs ?? [];
  if (runs.length === 0)
    return <p class="soft">No run of it is known: it was not received by a worker, as far as was heard.</p>;
  const isOver = runs.every(({ ended }) => ended !== null);
  const times = [task.sent, ...runs.flatMap(({ received, started, ended }) => [received, started, ended])].filter(
    (time) => time !== null,
  );
  const from = Math.min(...times);
  const to = Math.max(...times, ...(isOver || task.orphaned ? [] : [now.value]));
  const place = (start: number, end: number) => {
    const whole = Math.max(to - from, 1e-6);
    return { left: `${(100 * (start - from)) / whole}%`, width: `${(100 * Math.max(0, end - start)) / whole}%` };
  };
  const first = runs[0]?.received ?? null;
  // Of retries only the latest call is known; it was sent after the first run.
  const isSentFirst = task.sent !== null && first !== null && task.sent <= first;
  return (
    <ol class="lanes">
      {isSentFirst && task.sent !== null && first !== null && (
        <li>
          <span class="soft">sent, on its way</span>
          <span class="lane" aria-hidden="true">
            <span class="wait" style={place(task.sent, first)} />
          </span>
          <span class="soft">{duration(first - task.sent)}</span>
        </li>
      )}
      {runs.map((run) => (
        <Lane key={run.number} run={run} place={place} to={to} />
      ))}
      <Axis from={from} to={to} />
    </ol>
  );
}

/** The last line of a list of lanes: when the scale begins and ends. */
export function Axis({ from, to }: { readonly from: number; readonly to: number }) {
  return (
    <li aria-hidden="true">
      <span />
      <span class="axis">
        <span>{clock(from)}</span>
        <span>{duration(to - from)} in all</span>
        <span>{clock(to)}</span>
      </span>
      <span />
    </li>
  );
}

interface LaneProps {
  readonly run: Run;
  readonly place: (start: number, end: number) => { readonly left: string; readonly width: string };
  /** End of the scale. */
  readonly to: number;
}

function Lane({ run, place, to }: LaneProps) {
  const { number, worker, pid, received, started, ended, state } = run;
  const begun = received ?? started;
  const waited = received !== null ? (started ?? ended ?? to) - received : null;
  const ran = started !== null ? (ended ?? to) - started : null;
  return (
    <li>
      <span title={pid === null ? undefined : `pid ${pid}`}>
        run {number} <span class="soft">on {worker === null ? 'an unknown worker' : visible(worker)}</span>
      </span>
      <span class="lane" aria-hidden="true">
        {received !== null && <span class="wait" style={place(received, started ?? ended ?? to)} />}
        {started !== null && <span data-state={state} style={place(started, ended ?? to)} />}
      </span>
      <span>
        <State of={state} />{' '}
        <span class="soft">
          {waited !== null && `waited ${duration(waited)}`}
          {waited !== null && ran !== null && ', '}
          {ran !== null && `${ended === null ? 'running for' : 'ran'} ${duration(ran)}`}
          {begun === null && 'times not known'}
        </span>
      </span>
    </li>
  );
}
