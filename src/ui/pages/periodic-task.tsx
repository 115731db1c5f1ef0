/** One periodic task: what is set, when it is due, what became of it. Without an id: a new one. */
import { useState } from 'preact/hooks';
import type { PeriodicRunRecord, PeriodicTaskRow } from '../../contract/periodic.ts';
import { describeSchedule } from '../../domain/schedule.ts';
import { count, visible } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { Empty, Facts, Moment, Problem, TaskLink } from '../parts.tsx';
import { act, periodic, periodicBeat } from '../periodic.ts';
import { PeriodicForm } from '../periodic-form.tsx';
import { PeriodicRuns } from '../periodic-runs.tsx';
import { at, go, hrefOf, place } from '../router.ts';
import '../style/lists.css';
import '../style/periodic.css';

export function PeriodicTaskPage() {
  const id = place.value.query.get('id');
  return id === null ? <NewTask /> : <OneTask key={id} id={Number(id)} />;
}

function NewTask() {
  return (
    <>
      <h1>New periodic task</h1>
      <PeriodicForm task={null} onSaved={({ id }) => go(hrefOf('periodic-task', { id }))} />
    </>
  );
}

function OneTask({ id }: { readonly id: number }) {
  const { value, error } = useAnswer(`periodic task ${id}`, periodicBeat.value, (signal) =>
    periodic.one(id, { signal }),
  );
  if (!value) {
    if (error === null) return <Empty title="Looking …" />;
    return (
      <>
        <h1>Periodic task</h1>
        <Problem error={error} />
      </>
    );
  }
  const { schedule, unfit, next_due, last_run_at, total_run_count, date_changed } = value;
  return (
    <>
      <div class="title">
        <h1>{visible(value.name)}</h1>
        <span class="soft">{value.enabled ? 'enabled' : 'disabled'}</span>
        <Actions of={value} />
      </div>
      {at.value !== null && <p class="soft">Shown as it is now, not as it was.</p>}
      <Problem error={error ?? (unfit === null ? null : `It is never sent. ${unfit}`)} />
      <section class="panel">
        <h2 class="hidden">Facts</h2>
        <Facts
          of={[
            ['When', schedule && visible(describeSchedule(schedule))],
            ['Next due', <Moment key="next" of={next_due} />],
            ['Last sent', <Moment key="last" of={last_run_at} />],
            ['Sent', `${count(total_run_count)} times`],
            ['Changed', <Moment key="changed" of={date_changed} />],
          ]}
        />
      </section>
      <PeriodicForm task={value} onSaved={() => undefined} />
      <PeriodicRuns id={id} />
    </>
  );
}

function Actions({ of }: { readonly of: PeriodicTaskRow }) {
  const [failure, tell] = useState<string | null>(null);
  const [sent, say] = useState<PeriodicRunRecord | null>(null);
  const [isSure, ask] = useState(false);
  const doing = async (work: () => Promise<unknown>): Promise<boolean> => {
    const refused = await act(work);
    tell(refused?.error ?? null);
    return refused === null;
  };
  const remove = async (): Promise<void> => {
    ask(false);
    if (await doing(() => periodic.remove(of))) go(hrefOf('periodic'), 'replace');
  };
  const send = async (): Promise<void> => {
    say(null);
    await doing(async () => say(await periodic.delay(of.id)));
  };
  return (
    <>
      <span class="bar">
        <button type="button" class="small" onClick={() => void send()}>
          Run now
        </button>
        <button
          type="button"
          class="small"
          onClick={() => void doing(() => periodic.change(of, { enabled: !of.enabled }))}
        >
          {of.enabled ? 'Disable' : 'Enable'}
        </button>
        {isSure ? (
          <>
            <span>Delete it, and what is known of its runs?</span>
            <button type="button" class="small bad" onClick={() => void remove()}>
              Delete
            </button>
            <button type="button" class="small" onClick={() => ask(false)}>
              Keep it
            </button>
          </>
        ) : (
          <button type="button" class="small" onClick={() => ask(true)}>
            Delete …
          </button>
        )}
      </span>
      <Problem error={failure ?? (sent?.outcome === 'unroutable' ? `No queue has taken it. ${sent.reason}` : null)} />
      <span role="status">
        {sent?.outcome === 'sent' && sent.task_id !== null && (
          <>
            Sent as <TaskLink uuid={sent.task_id} />
          </>
        )}
      </span>
    </>
  );
}
