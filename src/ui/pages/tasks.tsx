/** Tasks: filtered, sorted, live; everything that is chosen is in the URL, in the API's own words. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { TaskRow } from '../../contract/history.ts';
import { readTime } from '../../domain/filter-values.ts';
import type { Known } from '../completion.ts';
import { count } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { useKeys } from '../keys.ts';
import { Empty, Moment, Problem, State } from '../parts.tsx';
import { beat, history, paused, status } from '../pulse.ts';
import { at, atTime, change, go, hrefOf, place } from '../router.ts';
import { Search } from '../search.tsx';
import { Table } from '../table.tsx';
import { PRESENT_ONLY, TASK_COLUMNS, USUAL } from '../task-columns.tsx';
import { TaskList, type TaskQuestion } from '../task-list.ts';
import { localOf } from '../travel.tsx';
import '../style/lists.css';

const STATES = ['PENDING', 'RECEIVED', 'STARTED', 'SUCCESS', 'FAILURE', 'RETRY', 'REVOKED', 'REJECTED'];
const RANGES: readonly (readonly [string, string])[] = [
  ['', 'any time'],
  ['-5m', 'last 5 minutes'],
  ['-15m', 'last 15 minutes'],
  ['-1h', 'last hour'],
  ['-6h', 'last 6 hours'],
  ['-1d', 'last day'],
  ['-7d', 'last 7 days'],
];
const SORTS = ['received', 'started', 'timestamp', 'runtime', 'name'] as const;

/** What the URL asks, as the API is asked. */
function questionOf(query: URLSearchParams): TaskQuestion {
  const given = (name: string): string | undefined => query.get(name) || undefined;
  const then = at.value;
  // Before the moment that is shown, not before now.
  const bound = (name: string): string | number | undefined => {
    const text = given(name);
    return text?.startsWith('-') && then ? (readTime(text, atTime.value ?? 0) ?? text) : text;
  };
  return {
    ...{ q: given('q'), state: given('state')?.split(','), cluster: given('cluster'), at: then ?? undefined },
    ...{ received_from: bound('received_from'), received_to: bound('received_to') },
    sort: SORTS.find((sort) => sort === given('sort')) ?? 'received',
    order: given('order') === 'asc' ? 'asc' : 'desc',
  };
}

export function Tasks() {
  const { query } = place.value;
  const question = questionOf(query);
  const key = JSON.stringify(question);
  const [list] = useState(() => new TaskList());
  const [isTop, setTop] = useState(true);
  const [selected, select] = useState<string | null>(null);
  const follows = isTop && !paused.value;
  // Where the reader has scrolled down, only another question is asked.
  useEffect(() => list.want(key, question), [key, follows ? beat.value : '']);
  useEffect(() => () => list.close(), []);
  const { rows, page, isLoading, error, key: shown } = list.listed.value;

  const index = useMemo(() => rows.findIndex((row) => keyOf(row) === selected), [rows, selected]);
  const move = (by: number): void => {
    const row = rows[Math.min(rows.length - 1, Math.max(0, index + by))];
    if (row) select(keyOf(row));
  };
  useKeys({
    '/': () => document.querySelector<HTMLInputElement>('.search input')?.focus(),
    j: () => move(1),
    k: () => move(index < 0 ? 0 : -1),
    Enter: () => {
      const row = rows[index];
      if (row) go(hrefOf('task', { uuid: row.task_id, cluster: severalClusters() ? row.cluster : null }));
    },
    Escape: () => select(null),
  });

  const wanted = (query.get('columns')?.split(',') ?? USUAL) as readonly string[];
  const columns = TASK_COLUMNS.filter(
    ({ key }) => wanted.includes(key) && (at.value === null || !PRESENT_ONLY.includes(key)),
  );
  const sorting = {
    by: question.sort ?? 'received',
    order: question.order ?? 'desc',
    change: (sort: string, order: string) => change({ sort, order }),
  };
  return (
    <div class="fill tasks">
      <div class="bar">
        <h1>Tasks</h1>
        <Box />
        <Range />
        <Columns wanted={wanted} />
        <Export question={question} />
      </div>
      <Pills />
      <Problem error={shown === key ? error : null} />
      <Table
        caption="Tasks"
        columns={columns}
        rows={rows}
        keyOf={keyOf}
        total={page?.total.kind === 'exact' ? page.total.count : null}
        sorting={sorting}
        selected={index}
        isOld={shown !== key}
        onEnd={() => list.more()}
        onScroll={(top) => setTop(top < 8)}
      />
      {rows.length === 0 && shown === key && !isLoading && error === null && <Nothing />}
      <p class="bar soft" aria-live="off">
        <span>
          {count(rows.length)} of {page?.total.kind === 'estimate' ? 'about ' : ''}
          {count(page?.total.count)} tasks
          {isLoading && shown === key && !isTop ? ', loading more' : ''}
        </span>
        {page && (
          <span>
            as of <Moment of={page.as_of.taken_at} />
          </span>
        )}
        {!isTop && at.value === null && !paused.value && (
          <strong>Held while you scroll: go to the top for what is new.</strong>
        )}
        {(page?.gaps.length ?? 0) > 0 && <strong class="bad">Events may have been missed around this moment.</strong>}
        <span class="keys">
          <kbd>/</kbd> filter <kbd>j</kbd> <kbd>k</kbd> rows <kbd>Enter</kbd> open <kbd>Esc</kbd> back <kbd>p</kbd>{' '}
          pause
        </span>
      </p>
    </div>
  );
}

function keyOf({ cluster, task_id }: TaskRow): string {
  return `${cluster}\0${task_id}`;
}

function severalClusters(): boolean {
  return (status.peek()?.clusters.length ?? 0) > 1;
}

function Box() {
  const [isUsed, use] = useState(false);
  const then = at.value ?? undefined;
  const { value } = useAnswer(isUsed ? `known ${then}` : 'none', 'once', async (signal) => {
    if (!isUsed) return null;
    const [names, workers] = await Promise.all([
      history.taskNames({}, { signal }),
      history.workers({ at: then, limit: 1000 }, { signal }),
    ]);
    return {
      name: names.items.flatMap(({ name }) => (name === null ? [] : [name])),
      worker: workers.items.map(({ hostname }) => hostname),
    };
  });
  const clusters = status.value?.clusters.map(({ cluster }) => cluster) ?? [];
  const known: Known = { state: STATES, cluster: clusters, ...value };
  return (
    <Search
      value={place.value.query.get('q') ?? ''}
      known={known}
      onFocus={() => use(true)}
      onChange={(q, isFinal) => change({ q }, isFinal ? 'push' : 'replace')}
    />
  );
}

function Range() {
  const { query } = place.value;
  const [from, to] = [query.get('received_from') ?? '', query.get('received_to') ?? ''];
  const isUsual = to === '' && RANGES.some(([value]) => value === from);
  return (
    <>
      <label>
        Received
        <select
          value={isUsual ? from : 'custom'}
          onChange={({ currentTarget: { value } }) => {
            if (value !== 'custom') change({ received_from: value, received_to: null });
            else
              change({
                received_from: new Date(Date.now() - 3_600_000).toISOString(),
                received_to: new Date().toISOString(),
              });
          }}
        >
          {RANGES.map(([value, title]) => (
            <option key={value} value={value}>
              {title}
            </option>
          ))}
          <option value="custom">between …</option>
        </select>
      </label>
      {!isUsual && <Bound name="received_from" title="from" value={from} />}
      {!isUsual && <Bound name="received_to" title="to" value={to} />}
    </>
  );
}

function Bound({ name, title, value }: { readonly name: string; readonly title: string; readonly value: string }) {
  const time = value === '' ? undefined : readTime(value, Date.now() / 1000);
  return (
    <label>
      {title}
      <input
        type="datetime-local"
        step="1"
        value={time === undefined ? '' : localOf(time)}
        onChange={({ currentTarget }) => {
          const date = new Date(currentTarget.value);
          change({ [name]: Number.isNaN(date.getTime()) ? null : date.toISOString() });
        }}
      />
    </label>
  );
}

function Columns({ wanted }: { readonly wanted: readonly string[] }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const toggle = (key: string): void => {
    const next = TASK_COLUMNS.map((column) => column.key).filter((each) => (each === key) !== wanted.includes(each));
    if (next.length > 0) change({ columns: next.join() === USUAL.join() ? null : next.join() }, 'replace');
  };
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.currentTarget.open = false;
        event.currentTarget.querySelector('summary')?.focus();
      }}
    >
      <summary>Columns</summary>
      <div>
        {TASK_COLUMNS.map(({ key, title }) => (
          <label key={key}>
            <input type="checkbox" checked={wanted.includes(key)} onChange={() => toggle(key)} /> {title}
          </label>
        ))}
      </div>
    </details>
  );
}

/** Links to the same list, all of it. */
function Export({ question }: { readonly question: TaskQuestion }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(question)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) query.append(name, String(each));
  }
  return (
    <span class="bar">
      Export
      {['csv', 'ndjson'].map((format) => (
        <a key={format} href={`api/tasks?${query}&format=${format}`} download={`tasks.${format}`}>
          {format.toUpperCase()}
        </a>
      ))}
    </span>
  );
}

/** The states, with how many tasks in the recorder's memory are in each, whatever the filter. */
function Pills() {
  const then = at.value ?? undefined;
  const past = useAnswer(`states ${then}`, 'once', async (signal) =>
    then === undefined ? null : (await history.cluster({ at: then }, { signal })).tasks,
  );
  const counts = (then === undefined ? status.value?.tasks : past.value) ?? {};
  const chosen = place.value.query.get('state')?.split(',').filter(Boolean) ?? [];
  const all = [...new Set([...STATES, ...Object.keys(counts), ...chosen])];
  return (
    <fieldset class="pills" title="How many tasks the recorder has in memory in each state, whatever the filter">
      <legend class="hidden">States</legend>
      {all.map((state) => (
        <button
          key={state}
          type="button"
          class="pill"
          aria-pressed={chosen.includes(state)}
          onClick={() =>
            change({
              state: chosen.includes(state)
                ? chosen.filter((each) => each !== state).join()
                : [...chosen, state].join(),
            })
          }
        >
          <State of={state} /> {count(counts[state] ?? 0)}
        </button>
      ))}
    </fieldset>
  );
}

/** Why the list is empty. */
function Nothing() {
  const answer = status.value;
  const isAsked = ['q', 'state', 'received_from', 'received_to'].some((name) => place.value.query.get(name));
  if (isAsked) {
    return (
      <Empty title="No task matches.">
        <p>
          <a href={hrefOf('tasks')}>Show all tasks</a>
        </p>
      </Empty>
    );
  }
  const workers = Object.values(answer?.workers ?? {}).reduce((sum, n) => sum + n, 0);
  if (workers > 0) {
    return (
      <Empty title="Workers are there, but nothing is heard of tasks.">
        <p>
          Events of tasks are probably off. Turn them on: <code>celery -A proj control enable_events</code>, or start
          workers with <code>-E</code>. What clients send is told with <code>task_send_sent_event = True</code>.
        </p>
      </Empty>
    );
  }
  return (
    <Empty title="Nothing was heard of any task yet.">
      <p>
        Is a worker running on this broker? <code>celery -A proj worker -E</code>. Which broker is joined: see{' '}
        <a href={hrefOf('system')}>System</a>.
      </p>
    </Empty>
  );
}
