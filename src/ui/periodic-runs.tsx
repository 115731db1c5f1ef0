/** What became of each due time of a periodic task. */
import { useState } from 'preact/hooks';
import type { PeriodicRunRow } from '../contract/periodic.ts';
import { duration, visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Moment, Problem, State, TaskLink, Text, WorkerLink } from './parts.tsx';
import { periodic, periodicBeat } from './periodic.ts';

const FEW = 20;
const MOST = 1000;
/** Seconds after which a run is told to have been late. */
const LATE = 1;

export function PeriodicRuns({ id }: { readonly id: number }) {
  const [limit, want] = useState(FEW);
  const { value, error, isOld } = useAnswer(`runs ${id} ${limit}`, periodicBeat.value, (signal) =>
    periodic.runs(id, { limit }, { signal }),
  );
  return (
    <section class="panel" aria-busy={isOld}>
      <h2>Runs</h2>
      <Problem error={error} />
      {value?.items.length === 0 && (
        <p class="soft">
          None yet. Runs are the work of <code>celerycam beat</code>, or <code>celerycam run --beat</code>: is one
          running?
        </p>
      )}
      {value && value.items.length > 0 && <Runs of={value.items} />}
      {value?.next != null && limit < MOST && (
        <button type="button" class="small" onClick={() => want(Math.min(MOST, limit * 5))}>
          Older ones
        </button>
      )}
    </section>
  );
}

function Runs({ of }: { readonly of: readonly PeriodicRunRow[] }) {
  return (
    <div class="wide">
      <table class="wrap">
        <caption class="hidden">Runs, newest first</caption>
        <thead>
          <tr>
            <th scope="col">Due</th>
            <th scope="col">Sent</th>
            <th scope="col">Task</th>
            <th scope="col">State</th>
            <th scope="col" class="num">
              Runtime
            </th>
            <th scope="col">Outcome</th>
            <th scope="col">Worker</th>
            <th scope="col">Notes</th>
          </tr>
        </thead>
        <tbody>
          {of.map((run) => (
            <tr key={run.id}>
              <td>{run.due_at === null ? 'by hand' : <Moment of={run.due_at} ms />}</td>
              <td>
                <Moment of={run.sent_at} ms />
              </td>
              <td>{run.task_id === null ? <span class="none">–</span> : <TaskLink uuid={run.task_id} />}</td>
              <td>
                <RunState of={run} />
              </td>
              <td class="num">{duration(run.runtime)}</td>
              <td>
                <Text of={run.exception ?? run.result} most={80} mono />
              </td>
              <td>
                <WorkerLink hostname={run.worker} most={32} />
              </td>
              <td>{notesOn(run).join('; ')}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** How the task that a run became is, or why there is none. */
export function RunState({ of }: { readonly of: PeriodicRunRow }) {
  if (of.state !== null) return <State of={of.state} />;
  if (of.outcome === 'sent') {
    return (
      <span class="soft" title="Of the task that it became nothing was heard, or no longer is known">
        sent
      </span>
    );
  }
  return <span class={of.outcome === 'unroutable' ? 'bad' : 'soft'}>{of.outcome}</span>;
}

function notesOn({ missed, late, overlapping, reason }: PeriodicRunRow): string[] {
  return [
    ...(missed > 0 ? [`${missed} missed before it`] : []),
    ...(late !== null && late >= LATE ? [`${duration(late)} late`] : []),
    ...(overlapping ? ['the run before had not ended'] : []),
    ...(reason === null ? [] : [visible(reason)]),
  ];
}
