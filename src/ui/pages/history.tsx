/** What differs between two moments: which tasks finished, failed and started, which workers came and went. */
import type { ChangedWorker, Difference } from '../../contract/difference.ts';
import { readTime } from '../../domain/filter-values.ts';
import { count, dateTime, plural, visible, wholeDuration } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { MomentField } from '../moment-field.tsx';
import { Empty, Moment, Problem, State, TaskLink, Text, WorkerLink } from '../parts.tsx';
import { history, now } from '../pulse.ts';
import { atTime, change, hrefOf, place } from '../router.ts';
import { happened } from '../worker-words.ts';
import '../style/history.css';

/** Seconds before the later moment, and how that is called. */
const SPANS = [
  [60, '1 minute'],
  [300, '5 minutes'],
  [3600, '1 hour'],
  [86_400, '1 day'],
] as const;
const USUAL = 300;

export function HistoryPage() {
  const { query } = place.value;
  const latest = atTime.value ?? now.peek();
  const read = (name: string): number | null => readTime(query.get(name) ?? '', latest) ?? null;
  const to = read('to') ?? latest;
  const from = read('from') ?? to - USUAL;
  // What ends now is a new question whenever it is asked; it is asked once, until the moments are changed.
  const key = `difference ${query.get('from')} ${query.get('to')} ${atTime.value}`;
  const { value, error, isOld } = useAnswer(key, 'once', (signal) => history.difference({ from, to }, { signal }));
  return (
    <>
      <h1>What differs between two moments</h1>
      <div class="moments">
        <MomentField label="From" value={from} onChange={(time) => change({ from: time })} />
        <MomentField label="to" value={to} onChange={(time) => change({ to: time })} />
        <span class="soft">or from</span>
        {SPANS.map(([seconds, name]) => (
          <button key={seconds} type="button" class="small" onClick={() => change({ from: to - seconds, to })}>
            {name} before
          </button>
        ))}
        {query.has('to') && atTime.value === null && (
          <button type="button" class="small" onClick={() => change({ to: null })}>
            up to now
          </button>
        )}
      </div>
      {value === null && error !== null ? (
        <Empty title="There is nothing to compare.">
          <p>{visible(error)}</p>
        </Empty>
      ) : (
        <Problem error={error} />
      )}
      {value && (
        <div class="difference" aria-busy={isOld}>
          <Compared of={value} />
          <Tasks of={value} />
          <Workers of={value.workers} />
        </div>
      )}
    </>
  );
}

/** Which snapshots were compared, and whether the record in between is whole. */
function Compared({ of: { from, to, events, gaps } }: { readonly of: Difference }) {
  return (
    <p>
      Snapshot {count(from.snapshot)} of <a href={hrefOf('', { at: from.taken_at })}>{dateTime(from.taken_at)}</a>,
      compared with {count(to.snapshot)} of <a href={hrefOf('', { at: to.taken_at })}>{dateTime(to.taken_at)}</a>:{' '}
      {wholeDuration(to.taken_at - from.taken_at)} and {plural(events, 'event')} later.{' '}
      {gaps.length > 0 && (
        <strong class="bad">Events may have been missed in between: {plural(gaps.length, 'gap')}.</strong>
      )}
    </p>
  );
}

/** What became of tasks, in the order in which one asks. */
const TITLES: readonly (readonly [state: string, title: string, tile: string])[] = [
  ['FAILURE', 'Failed', 'failed'],
  ['STARTED', 'Executing, and were not before', 'more began and execute'],
  ['RETRY', 'Wait for a retry', 'wait for a retry'],
  ['SUCCESS', 'Finished', 'finished'],
  ['RECEIVED', 'Wait at a worker', 'wait at a worker'],
  ['PENDING', 'Sent', 'sent, and not received'],
  ['REVOKED', 'Revoked', 'revoked'],
  ['REJECTED', 'Rejected', 'rejected'],
];

type Kinds = NonNullable<Difference['tasks']>;

function Tasks({ of: { tasks, uncompared, events } }: { readonly of: Difference }) {
  if (uncompared === 'many') {
    return (
      <Empty title="Too much lies in between to compare every task.">
        <p>
          {count(events)} events; tasks are compared where there are at most 200,000. Choose moments that are nearer to
          each other.
        </p>
      </Empty>
    );
  }
  if (uncompared === 'expired') {
    return (
      <Empty title="The journal has not all events of that time any more.">
        <p>
          So nobody can say which tasks changed. How long events are kept: <code>--journal-retention</code>.
        </p>
      </Empty>
    );
  }
  if (!tasks || tasks.length === 0) return <Empty title="No task was in another state." />;
  const known = TITLES.map(([state]) => state);
  const custom = [...new Set(tasks.flatMap(({ after }) => (after === null || known.includes(after) ? [] : [after])))];
  const groups = [
    ...TITLES,
    ...custom.map((state) => [state, `Became ${visible(state)}`, `became ${visible(state)}`] as const),
    [null, 'Expired from the record', 'expired'] as const,
  ].flatMap(([state, title, tile]) => {
    const kinds = tasks.filter(({ after }) => after === state);
    return kinds.length === 0
      ? []
      : [{ state, title, tile, kinds, n: kinds.reduce((sum, each) => sum + each.count, 0) }];
  });
  return (
    <>
      <div class="tiles">
        {groups.map(({ tile, n }) => (
          <div key={tile} class="tile">
            <b>{count(n)}</b>
            <span>{tile}</span>
          </div>
        ))}
      </div>
      {groups.map(({ state, title, kinds, n }) => (
        <section key={title} class="panel">
          <div class="title">
            <h2>{title}</h2>
            {state !== null && <State of={state} />}
            <span class="soft">{count(n)}</span>
          </div>
          <Latest of={kinds} />
        </section>
      ))}
    </>
  );
}

/** Those last heard of, of all kinds of change to one state. */
function Latest({ of: kinds }: { readonly of: Kinds }) {
  const tasks = kinds
    .flatMap(({ before, latest }) => latest.map((task) => ({ ...task, before })))
    .toSorted((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0))
    .slice(0, 10);
  return (
    <>
      <p class="soft">
        {kinds.map(({ before, count: n }, at) => (
          <span key={before}>
            {at > 0 && ', '}
            {count(n)} {before === null ? 'new since then' : `${visible(before)} before`}
          </span>
        ))}
        {tasks.length < kinds.reduce((sum, each) => sum + each.count, 0) && `; the latest ${tasks.length}:`}
      </p>
      <div class="wide">
        <table>
          <thead>
            <tr>
              <th scope="col">Last heard of</th>
              <th scope="col">Name</th>
              <th scope="col">Id</th>
              <th scope="col">Worker</th>
              <th scope="col">Before</th>
            </tr>
          </thead>
          <tbody>
            {tasks.map(({ cluster, task_id, name, worker, timestamp, before }) => (
              <tr key={`${cluster}\0${task_id}`}>
                <td>
                  <Moment of={timestamp} />
                </td>
                <td>
                  <TaskLink uuid={task_id}>
                    {name === null ? <span class="soft">name not known</span> : <Text of={name} most={48} />}
                  </TaskLink>
                </td>
                <td>
                  <Text of={task_id} most={13} mono />
                </td>
                <td>
                  <WorkerLink hostname={worker} most={32} />
                </td>
                <td>{before === null ? <span class="soft">new</span> : <State of={before} />}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function Workers({ of: workers }: { readonly of: readonly ChangedWorker[] }) {
  return (
    <section class="panel">
      <div class="title">
        <h2>Workers</h2>
        <span class="soft">that came, went, or are another process</span>
      </div>
      {workers.length === 0 && <p class="soft">None did.</p>}
      {workers.length > 0 && (
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">Before</th>
                <th scope="col">After</th>
                <th scope="col">What happened</th>
              </tr>
            </thead>
            <tbody>
              {workers.map((worker) => (
                <tr key={`${worker.cluster}\0${worker.hostname}`}>
                  <td>
                    <WorkerLink hostname={worker.hostname} most={48} />
                  </td>
                  {[worker.before, worker.after].map((then, at) => (
                    <td key={String(at)}>{then === null ? <span class="none">–</span> : <State of={then.status} />}</td>
                  ))}
                  <td>{happened(worker.before, worker.after)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
