/** The form of a periodic task. What is wrong is told at the field that it is about. */
import { useEffect, useState } from 'preact/hooks';
import type { ErrorAnswer } from '../contract/api.ts';
import type { PeriodicTaskRow } from '../contract/periodic.ts';
import { SOLAR_EVENTS } from '../domain/solar.ts';
import { Area, Choice, type FieldProps, Line, Tick, Told } from './fields.tsx';
import { visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { MomentField } from './moment-field.tsx';
import { act, periodic } from './periodic.ts';
import { changesIn, type Draft, draftOf, KINDS, type TextField, type TimeField } from './periodic-draft.ts';
import { Preview } from './periodic-preview.tsx';
import { history } from './pulse.ts';

interface FormProps {
  /** Null: a new one. */
  readonly task: PeriodicTaskRow | null;
  readonly onSaved: (task: PeriodicTaskRow) => void;
}

const HERE = Intl.DateTimeFormat().resolvedOptions().timeZone;
const PERIODS = ['days', 'hours', 'minutes', 'seconds', 'microseconds'];
const CRONTAB = [
  ['minute', 'Minute'],
  ['hour', 'Hour'],
  ['day_of_month', 'Day of month'],
  ['month_of_year', 'Month'],
  ['day_of_week', 'Day of week'],
] as const;

export function PeriodicForm({ task, onSaved }: FormProps) {
  // What is edited: it stays while others change the task, until the reader takes over what they did.
  const [base, setBase] = useState(task);
  const [draft, write] = useState<Draft>(() => draftOf(task, HERE));
  const [fault, tell] = useState<ErrorAnswer | null>(null);
  const [scheduleFault, tellSchedule] = useState<ErrorAnswer | null>(null);
  const [isSaving, setSaving] = useState(false);
  const changes = changesIn(draft, base);
  const isEdited = Object.keys(changes).length > 0;
  const isStale = task !== null && base !== null && task.etag !== base.etag;
  const takeOver = (from: PeriodicTaskRow | null): void => {
    setBase(from);
    write(draftOf(from, HERE));
    tell(null);
  };
  useEffect(() => {
    if (isStale && !isEdited) takeOver(task);
  }, [isStale, isEdited]);

  const save = async (): Promise<void> => {
    setSaving(true);
    let saved: PeriodicTaskRow | null = null;
    const refused = await act(async () => {
      saved = base
        ? await periodic.change(base, changes)
        : await periodic.create(changes as Parameters<typeof periodic.create>[0]);
    });
    setSaving(false);
    tell(refused);
    if (saved === null) return;
    if (base) takeOver(saved);
    onSaved(saved);
  };

  const shown = fault ?? scheduleFault;
  const at = (parameter: string) => ({ parameter, fault: shown?.parameter === parameter ? shown : null });
  const text = (field: TextField, parameter: string = field) => ({
    ...at(parameter),
    value: draft.texts[field],
    onInput: (value: string) => {
      write({ ...draft, texts: { ...draft.texts, [field]: value } });
      tell(null);
    },
  });
  const time = (field: TimeField) => ({
    value: draft.times[field],
    onChange: (value: number | null) => write({ ...draft, times: { ...draft.times, [field]: value } }),
  });
  const isKnown = shown?.parameter !== undefined && FIELDS.test(shown.parameter);
  return (
    <form
      class="panel periodic-form"
      aria-label={task ? 'Change it' : 'New periodic task'}
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      {fault !== null && !isKnown && (
        <p class="problem" role="alert">
          {visible(fault.error)}
        </p>
      )}
      {isStale && isEdited && (
        <p class="problem" role="alert">
          Somebody has changed it since you began.{' '}
          <button type="button" class="small" onClick={() => takeOver(task)}>
            Load what is there now, and discard your changes
          </button>
        </p>
      )}
      <fieldset>
        <legend>What</legend>
        <Line title="Name" {...text('name')} />
        <TaskName {...text('task')} />
        <Area title="Arguments (JSON array)" {...text('args')} />
        <Area title="Keyword arguments (JSON object)" {...text('kwargs')} />
        <Area title="Description" {...text('description')} />
      </fieldset>
      <fieldset>
        <legend>When</legend>
        <div class="pills">
          {KINDS.map((kind) => (
            <button
              key={kind}
              type="button"
              class="pill"
              aria-pressed={draft.kind === kind}
              onClick={() => write({ ...draft, kind })}
            >
              {kind}
            </button>
          ))}
        </div>
        {draft.kind === 'interval' && (
          <>
            <Line title="Every" {...text('every', 'schedule.every')} />
            <Choice title="Period" of={PERIODS} {...text('period', 'schedule.period')} />
          </>
        )}
        {draft.kind === 'crontab' && (
          <>
            {CRONTAB.map(([field, title]) => (
              <Line key={field} title={title} {...text(field, `schedule.${field}`)} />
            ))}
            <Line title="Time zone" list={zones()} {...text('timezone', 'schedule.timezone')} />
          </>
        )}
        {draft.kind === 'solar' && (
          <>
            <Choice title="Event" of={SOLAR_EVENTS} {...text('event', 'schedule.event')} />
            <Line title="Latitude, degrees north" {...text('latitude', 'schedule.latitude')} />
            <Line title="Longitude, degrees east" {...text('longitude', 'schedule.longitude')} />
          </>
        )}
        {draft.kind === 'clocked' && (
          <Told {...at('schedule.clocked_time')}>
            <MomentField label="Send at" {...time('clocked_time')} />
          </Told>
        )}
        <Told {...at('start_time')}>
          <MomentField label="Send from" {...time('start_time')} />
        </Told>
        <Told {...at('expires')}>
          <MomentField label="Send until" {...time('expires')} />
        </Told>
        <Tick
          title="Send once, then disable"
          value={draft.one_off}
          onChange={(one_off) => write({ ...draft, one_off })}
        />
        <Line title="Missed runs to make up, at most" {...text('catch_up')} />
        <Tick title="Enabled" value={draft.enabled} onChange={(enabled) => write({ ...draft, enabled })} />
      </fieldset>
      <fieldset>
        <legend>How it is sent</legend>
        <Line title="Queue" {...text('queue')} />
        <Line title="Exchange" {...text('exchange')} />
        <Line title="Routing key" {...text('routing_key')} />
        <Line title="Priority" {...text('priority')} />
        <Line title="Drop if not started within, seconds" {...text('expire_seconds')} />
        <Area title="Headers (JSON object)" {...text('headers')} />
      </fieldset>
      <Preview draft={draft} task={base} onFault={tellSchedule} />
      <div class="bar">
        <button type="submit" disabled={isSaving || (base !== null && !isEdited)}>
          {base ? 'Save' : 'Create'}
        </button>
        {base !== null && isEdited && (
          <button type="button" onClick={() => takeOver(task)}>
            Discard changes
          </button>
        )}
        <span class="soft" role="status">
          {isSaving ? 'Saving …' : base !== null && isEdited ? 'Not saved yet' : ''}
        </span>
      </div>
    </form>
  );
}

/** Those that are in the form whatever is chosen. */
const FIELDS =
  /^(name|task|args|kwargs|headers|description|queue|exchange|routing_key|priority|expire_seconds|expires|start_time|catch_up|schedule\.\w+)$/;

/** Names of tasks that were seen lately are offered. */
function TaskName(props: Omit<FieldProps, 'title'>) {
  const { value } = useAnswer('task names', 'once', (signal) => history.taskNames({}, { signal }));
  const names = new Set((value?.items ?? []).flatMap(({ name }) => (name === null ? [] : [name])));
  return <Line title="Task" list={[...names]} {...props} />;
}

let known: readonly string[] | null = null;

function zones(): readonly string[] {
  known ??= ['UTC', ...Intl.supportedValuesOf('timeZone')];
  return known;
}
