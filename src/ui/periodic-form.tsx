/** The form of a periodic task. What is wrong is told at the field that it is about. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ErrorAnswer } from '../contract/api.ts';
import type { PeriodicTaskRow } from '../contract/periodic.ts';
import { SOLAR_EVENTS } from '../domain/solar.ts';
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
const CRONTAB = ['minute', 'hour', 'day_of_month', 'month_of_year', 'day_of_week'] as const;

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
            Take over what is there now, and lose what you wrote
          </button>
        </p>
      )}
      <fieldset>
        <legend>What</legend>
        <Line title="Name" {...text('name')} />
        <TaskName {...text('task')} />
        <Area title="Arguments, a JSON array" {...text('args')} />
        <Area title="Keyword arguments, a JSON object" {...text('kwargs')} />
        <Area title="What it is for" {...text('description')} />
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
            {CRONTAB.map((field) => (
              <Line key={field} title={field.replaceAll('_', ' ')} {...text(field, `schedule.${field}`)} />
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
            <MomentField label="Once, at" {...time('clocked_time')} />
          </Told>
        )}
        <Told {...at('start_time')}>
          <MomentField label="Not before" {...time('start_time')} />
        </Told>
        <Told {...at('expires')}>
          <MomentField label="Not from then on" {...time('expires')} />
        </Told>
        <Tick
          title="Once only: disable it when it was sent"
          value={draft.one_off}
          onChange={(one_off) => write({ ...draft, one_off })}
        />
        <Line title="Due times that were missed and are made up, at most" {...text('catch_up')} />
        <Tick title="Enabled" value={draft.enabled} onChange={(enabled) => write({ ...draft, enabled })} />
      </fieldset>
      <fieldset>
        <legend>How it is sent</legend>
        <Line title="Queue" {...text('queue')} />
        <Line title="Exchange" {...text('exchange')} />
        <Line title="Routing key" {...text('routing_key')} />
        <Line title="Priority" {...text('priority')} />
        <Line title="Seconds after which it is dropped, if nobody began it" {...text('expire_seconds')} />
        <Area title="Headers, a JSON object" {...text('headers')} />
      </fieldset>
      <Preview draft={draft} task={base} onFault={tellSchedule} />
      <div class="bar">
        <button type="submit" disabled={isSaving || (base !== null && !isEdited)}>
          {base ? 'Save' : 'Make it'}
        </button>
        {base !== null && isEdited && (
          <button type="button" onClick={() => takeOver(task)}>
            Undo
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

interface ToldProps {
  readonly parameter: string;
  readonly fault: ErrorAnswer | null;
}

/** A field, and what is wrong with it. */
function Told({ parameter, fault, children }: ToldProps & { readonly children: ComponentChildren }) {
  return (
    <div class="field">
      {children}
      {fault && (
        <p class="fault" id={`fault-${parameter}`} role="alert">
          {visible(fault.error)}
        </p>
      )}
    </div>
  );
}

interface FieldProps extends ToldProps {
  readonly title: string;
  readonly value: string;
  readonly onInput: (value: string) => void;
}

/** What ties an input to its fault. */
function tied({ parameter, fault }: ToldProps) {
  return { 'aria-invalid': fault !== null, 'aria-describedby': fault ? `fault-${parameter}` : undefined };
}

function Line(props: FieldProps & { readonly list?: readonly string[] }) {
  const { title, value, onInput, parameter, list } = props;
  const id = list && `list-${parameter}`;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <input
          type="text"
          autocomplete="off"
          spellcheck={false}
          list={id}
          value={value}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          {...tied(props)}
        />
      </label>
      {list && (
        <datalist id={id}>
          {list.map((each) => (
            <option key={each} value={each} />
          ))}
        </datalist>
      )}
    </Told>
  );
}

function Area(props: FieldProps) {
  const { title, value, onInput } = props;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <textarea
          class="mono"
          rows={Math.min(8, value.split('\n').length)}
          spellcheck={false}
          value={value}
          onInput={({ currentTarget }) => onInput(currentTarget.value)}
          {...tied(props)}
        />
      </label>
    </Told>
  );
}

function Choice(props: FieldProps & { readonly of: readonly string[] }) {
  const { title, value, onInput, of } = props;
  return (
    <Told {...props}>
      <label>
        <span>{title}</span>
        <select value={value} onChange={({ currentTarget }) => onInput(currentTarget.value)} {...tied(props)}>
          {of.map((each) => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
      </label>
    </Told>
  );
}

interface TickProps {
  readonly title: string;
  readonly value: boolean;
  readonly onChange: (value: boolean) => void;
}

function Tick({ title, value, onChange }: TickProps) {
  return (
    <div class="field">
      <label>
        <input type="checkbox" checked={value} onChange={({ currentTarget }) => onChange(currentTarget.checked)} />{' '}
        <span>{title}</span>
      </label>
    </div>
  );
}

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
