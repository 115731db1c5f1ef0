/** One task: its life, what went in and came out, the workflow that it is part of, and why it is in its state. */
import type { ComponentChildren } from 'preact';
import type { TaskVersion } from '../../contract/history.ts';
import type { TaskRecord } from '../../contract/records.ts';
import type { EventsPage } from '../../contract/routes.ts';
import { count, duration, visible, visibleLines } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { useKeys } from '../keys.ts';
import { Life } from '../life.tsx';
import { Copy, Empty, Facts, Moment, Problem, State, TaskLink, Text, WorkerLink } from '../parts.tsx';
import { beat, history } from '../pulse.ts';
import { at, hrefOf, place } from '../router.ts';
import { PythonValue } from '../value.tsx';
import { Workflow } from '../workflow.tsx';
import '../style/task.css';

export function TaskPage() {
  const { query } = place.value;
  const uuid = query.get('uuid') ?? '';
  const cluster = query.get('cluster') ?? undefined;
  const then = at.value ?? undefined;
  const asked = { at: then, cluster };
  const { value, error } = useAnswer(`task ${JSON.stringify([uuid, asked])}`, beat.value, (signal) =>
    history.task(uuid, asked, { signal }),
  );
  const events = useAnswer(`events ${JSON.stringify([uuid, cluster])}`, beat.value, (signal) =>
    history.events(uuid, { cluster, limit: 200 }, { signal }),
  );
  useKeys({ Escape: () => globalThis.history.back() });
  const { task } = value ?? {};
  if (!task || task.task_id !== uuid) {
    return error === null ? <Empty title="Looking …" /> : <Missing uuid={uuid} error={error} />;
  }
  const table = value?.result_from === 'table' ? (value.stored?.table ?? null) : null;
  const explanation = events.value?.explanations.find((each) => each.cluster === task.cluster);
  return (
    <>
      <div class="title">
        <h1>
          {task.name === null ? <span class="soft">name not known</span> : visible(task.name)} <State of={task.state} />
        </h1>
        <code>{visible(uuid)}</code> <Copy text={uuid} what="the id" />
      </div>
      <Problem error={error} />
      {'runs' in task ? <Doubts of={task} /> : null}
      {'runs' in task ? <Now of={task} why={explanation?.why ?? null} table={table} /> : <Then of={task} />}
      <Workflow of={task} />
      {then === undefined && <Events of={events.value} error={events.error} />}
    </>
  );
}

function Missing({ uuid, error }: { readonly uuid: string; readonly error: string }) {
  return (
    <>
      <h1>Task {visible(uuid)}</h1>
      <Problem error={error} />
      <p>
        It may have expired from the record, or was never heard of.{' '}
        <a href={hrefOf('tasks', { q: `uuid:${uuid.slice(0, 8)}*` })}>Ids that begin alike</a>
      </p>
    </>
  );
}

function Doubts({ of }: { readonly of: TaskRecord }) {
  const why = {
    goodbye: 'its worker said goodbye',
    lost: 'its worker is lost',
    replaced: 'another process took the place of its worker',
  };
  return (
    <>
      {of.orphaned && (
        <p class="problem">
          Orphaned: {why[of.orphaned.reason]} at <Moment of={of.orphaned.at} /> while executing it, so it may never end.
        </p>
      )}
      {of.doubt && <p class="problem">{visible(of.doubt)}</p>}
    </>
  );
}

interface Present {
  readonly of: TaskRecord;
  readonly why: string | null;
  /** Where the result is whole from; null where it is as the event told it. */
  readonly table: string | null;
}

function Now({ of: task, why, table }: Present) {
  const { exception, traceback } = task;
  const wait = task.received !== null && task.started !== null ? task.started - task.received : null;
  return (
    <>
      <section class="panel">
        <h2>Life</h2>
        <Life of={task} />
        {why && <p class="why">{visible(why)}</p>}
      </section>
      <section class="panel">
        <h2 class="hidden">Facts</h2>
        <Facts
          of={[
            ['Worker', task.worker === null ? null : <WorkerLink hostname={task.worker} />],
            ['Sent', given(task.sent)],
            ['Received', given(task.received)],
            ['Started', given(task.started)],
            ['Ended', given(task.succeeded ?? task.failed ?? task.revoked ?? task.rejected)],
            ['Waited', wait === null ? null : duration(wait)],
            ['Runtime', task.runtime === null ? null : duration(task.runtime)],
            ['Retries', task.retries === null ? null : count(task.retries)],
            ['ETA', text(task.eta)],
            ['Expires', text(task.expires)],
            ['Exchange', task.exchange === '' ? null : text(task.exchange)],
            ['Routing key', text(task.routing_key)],
            ['Client', text(task.client)],
            ['Parent', parentOf(task)],
            ['Root', task.root_id === null || task.root_id === task.task_id ? null : <TaskLink uuid={task.root_id} />],
            ['Cluster', text(task.cluster)],
            ...Object.entries(task.extra ?? {}).map(
              ([name, value]) =>
                [visible(name), text(typeof value === 'string' ? value : JSON.stringify(value))] as const,
            ),
          ]}
        />
      </section>
      {exception !== null && (
        <section class="panel">
          <div class="title">
            <h2>Exception</h2>
            <Copy text={traceback ?? exception} what="the traceback" />
          </div>
          {traceback === null ? <code>{visible(exception)}</code> : <Traceback of={traceback} />}
        </section>
      )}
      <div class="panels values">
        <PythonValue title="Args" of={task.args} />
        <PythonValue title="Kwargs" of={task.kwargs} />
        {task.state === 'SUCCESS' && <PythonValue title="Result" of={task.result} table={table} />}
      </div>
    </>
  );
}

/** What a snapshot of the past has of it. */
function Then({ of: task }: { readonly of: TaskVersion }) {
  return (
    <section class="panel">
      <Facts
        of={[
          ['Worker', task.worker === null ? null : <WorkerLink hostname={task.worker} />],
          ['Sent', given(task.sent)],
          ['Received', given(task.received)],
          ['Started', given(task.started)],
          ['Runtime', task.runtime === null ? null : duration(task.runtime)],
          ['Retries', task.retries === null ? null : count(task.retries)],
          ['So since', given(task.since_at)],
          ['So until', task.until === null ? 'now' : given(task.until_at)],
          ['Parent', parentOf(task)],
        ]}
      />
      <p class="soft">
        Of the past, arguments, results and tracebacks are not kept.{' '}
        <a href={hrefOf('task', { uuid: task.task_id, at: null })}>What it is now</a>
      </p>
    </section>
  );
}

/** Who called it; each retry is called by the one before, which is itself. */
function parentOf({ task_id, parent_id }: TaskRecord | TaskVersion): ComponentChildren {
  return parent_id === null || parent_id === task_id ? null : <TaskLink uuid={parent_id} />;
}

/** Lines of frames and the last one stand out. */
function Traceback({ of }: { readonly of: string }) {
  const lines = visibleLines(of).trimEnd().split('\n');
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <pre class="traceback" tabIndex={0}>
      {lines.map((line, n) => {
        const style = n === lines.length - 1 ? 'last' : /^\s+File "/.test(line) ? 'frame-line' : undefined;
        return (
          <span key={String(n)} class={style}>
            {line}
            {'\n'}
          </span>
        );
      })}
    </pre>
  );
}

function Events({ of, error }: { readonly of: EventsPage | null; readonly error: string | null }) {
  return (
    <section class="panel">
      <h2>Events, and what each did</h2>
      <Problem error={error} />
      {of?.items.length === 0 && <p class="soft">The journal has none of them any more.</p>}
      {of && of.items.length > 0 && (
        <div class="wide">
          <table class="wrap">
            <thead>
              <tr>
                <th scope="col">Time</th>
                <th scope="col">Event</th>
                <th scope="col">From</th>
                <th scope="col">Effect</th>
                <th scope="col" class="num">
                  Delay
                </th>
                <th scope="col" class="num">
                  Position
                </th>
              </tr>
            </thead>
            <tbody>
              {of.items.map(({ position, type, event, effect, delay, local_received }) => (
                <tr key={position}>
                  <td>
                    <Moment of={typeof event['timestamp'] === 'number' ? event['timestamp'] : local_received} ms />
                  </td>
                  <td>
                    <details>
                      <summary>
                        <code>{visible(type)}</code>
                      </summary>
                      <pre class="value">{visibleLines(JSON.stringify(event, null, 2))}</pre>
                    </details>
                  </td>
                  <td>
                    <Text of={typeof event['hostname'] === 'string' ? event['hostname'] : null} most={40} />
                  </td>
                  <td>{visible(effect)}</td>
                  <td class="num">{duration(delay)}</td>
                  <td class="num">{count(position)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {(of.next !== null || of.cut) && <p class="soft">There are more events than these.</p>}
        </div>
      )}
    </section>
  );
}

function given(time: number | null): ComponentChildren {
  return time === null ? null : <Moment of={time} ms />;
}

function text(of: string | null): ComponentChildren {
  return of === null ? null : <Text of={of} />;
}
