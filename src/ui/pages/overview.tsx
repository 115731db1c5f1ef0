/** What a person on call looks at first. */
import type { ClusterAnswer } from '../../contract/api.ts';
import type { TaskNameRow } from '../../contract/history.ts';
import { quoted } from '../completion.ts';
import { Figures, failureRate, spanNow } from '../figures.tsx';
import { count, duration, percent } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { Empty, Problem, State, Text } from '../parts.tsx';
import { history, now, slowBeat, status } from '../pulse.ts';
import { at, atTime, hrefOf } from '../router.ts';
import { TaskTable } from '../task-table.tsx';

export function Overview() {
  const asked = at.value ?? undefined;
  const past = useAnswer(`cluster ${asked}`, 'once', async (signal) =>
    asked === undefined ? null : history.cluster({ at: asked }, { signal }),
  );
  const answer = asked === undefined ? status.value : past.value;
  const [span, seconds] = spanNow();
  const names = useAnswer(`names ${span} ${asked}`, slowBeat.value, (signal) => {
    const to = atTime.value ?? now.peek();
    return history.taskNames({ from: to - seconds, to }, { signal });
  });
  return (
    <>
      <h1 class="hidden">Overview</h1>
      <Problem error={past.error} />
      {answer && (
        <Tiles workers={answer.workers} tasks={answer.tasks} now={asked === undefined ? status.value : null} />
      )}
      {asked === undefined && status.value && Object.values(status.value.workers).every((n) => n === 0) && <Quiet />}
      <Figures />
      <Problem error={names.error} />
      <div class="panels">
        <Names
          title="Busiest"
          of={names.value?.items ?? []}
          by={(row) => sum(row.states)}
          show={(row) => count(sum(row.states))}
          unit="tasks"
        />
        <Names
          title="Slowest"
          of={names.value?.items ?? []}
          by={({ runtime }) => runtime.p95}
          show={({ runtime }) => duration(runtime.p95)}
          unit="95 % of runtimes"
        />
        <Names
          title="Most failing"
          of={names.value?.items ?? []}
          by={({ states }) => states['FAILURE'] ?? 0}
          show={({ states }) => `${count(states['FAILURE'])} · ${percent(failureRate(states))}`}
          unit="failures and their share"
        />
      </div>
      <TaskTable
        title="Latest failures"
        question={{ state: 'FAILURE', sort: 'timestamp' }}
        columns={['timestamp', 'name', 'worker', 'task_id', 'outcome']}
        none="No task has failed, as far as is recorded."
        more={hrefOf('tasks', { state: 'FAILURE', sort: 'timestamp' })}
      />
    </>
  );
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, n) => total + n, 0);
}

interface TilesProps {
  readonly workers: Readonly<Record<string, number>>;
  readonly tasks: Readonly<Record<string, number>>;
  readonly now: ClusterAnswer | null;
}

function Tiles({ workers, tasks, now: answer }: TilesProps) {
  return (
    <div class="tiles">
      {['ONLINE', 'SUSPECT', 'OFFLINE'].map((each) => (
        <a key={each} class="tile" href={hrefOf('workers', { status: each })}>
          <b>{count(workers[each] ?? 0)}</b>
          <span>
            <State of={each} /> workers
          </span>
        </a>
      ))}
      <a class="tile" href={hrefOf('tasks', { state: 'STARTED', sort: 'started' })}>
        <b>{count(tasks['STARTED'] ?? 0)}</b>
        <span>tasks executing</span>
      </a>
      <a class="tile" href={hrefOf('tasks', { state: 'RECEIVED' })}>
        <b>{count(tasks['RECEIVED'] ?? 0)}</b>
        <span>tasks waiting</span>
      </a>
      {answer && (
        <>
          {answer.orphaned > 0 && <Tile value={count(answer.orphaned)} bad title="orphaned: their worker is gone" />}
          <Tile value={count(Math.round(answer.events_per_second.minute * 10) / 10)} title="events per second" />
          <Tile
            value={duration(answer.lag === null ? null : Math.max(0, answer.lag))}
            title="lag of newest event"
            bad={(answer.lag ?? 0) > 10}
          />
          <Tile
            value={percent(answer.capture.completeness)}
            title="of tasks were heard of"
            bad={(answer.capture.completeness ?? 1) < 0.99}
          />
        </>
      )}
    </div>
  );
}

function Tile({
  value,
  title,
  bad = false,
}: {
  readonly value: string;
  readonly title: string;
  readonly bad?: boolean;
}) {
  return (
    <div class="tile">
      <b class={bad ? 'bad' : undefined}>{value}</b>
      <span>{title}</span>
    </div>
  );
}

function Quiet() {
  return (
    <Empty title="Nothing was heard of any worker yet.">
      <p>
        Is one running on this broker? <code>celery -A proj worker -E</code>. Are its events off?{' '}
        <code>celery -A proj control enable_events</code>
      </p>
    </Empty>
  );
}

interface NamesProps {
  readonly title: string;
  readonly of: readonly TaskNameRow[];
  readonly by: (row: TaskNameRow) => number | null;
  readonly show: (row: TaskNameRow) => string;
  readonly unit: string;
}

const TOP = 7;

function Names({ title, of, by, show, unit }: NamesProps) {
  const top = of
    .filter((row) => (by(row) ?? 0) > 0)
    .toSorted((a, b) => (by(b) ?? 0) - (by(a) ?? 0))
    .slice(0, TOP);
  return (
    <section class="panel">
      <div class="title">
        <h2>{title}</h2>
        <span class="soft">{unit}</span>
      </div>
      {top.length === 0 && <p class="soft">none</p>}
      <table>
        <tbody>
          {top.map((row) => (
            <tr key={`${row.cluster}\0${row.name}`}>
              <th scope="row">
                {row.name === null ? (
                  <span class="soft">all other names</span>
                ) : (
                  <a href={hrefOf('tasks', { q: `name:${quoted(row.name)}` })}>
                    <Text of={row.name} most={44} />
                  </a>
                )}
              </th>
              <td class="num">{show(row)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
