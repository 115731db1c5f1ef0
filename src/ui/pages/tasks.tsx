/** Tasks: filtered, sorted, live; everything that is chosen is in the URL, in the API's own words. */
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { TaskRow, Total } from '../../contract/history.ts';
import { readTime } from '../../domain/filter-values.ts';
import { count, plural } from '../format.ts';
import { useKeys } from '../keys.ts';
import { Empty, Moment, Problem } from '../parts.tsx';
import { beat, paused, status } from '../pulse.ts';
import { at, atTime, change, go, hrefOf, place } from '../router.ts';
import { Table } from '../table.tsx';
import { PRESENT_ONLY, TASK_COLUMNS, USUAL } from '../task-columns.tsx';
import { Box, Pills, Range } from '../task-filters.tsx';
import { TaskList, type TaskQuestion } from '../task-list.ts';
import { Columns, Export } from '../task-tools.tsx';
import '../style/lists.css';

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
          {page && howMany(rows.length, page.total, page.next !== null)}
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

/** An estimate may be lower than what is there already. */
function howMany(shown: number, total: Total, hasMore: boolean): string {
  if (total.kind === 'exact') return `${count(shown)} of ${plural(total.count, 'task')}`;
  if (!hasMore) return plural(shown, 'task');
  return total.count > shown
    ? `${count(shown)} of about ${count(total.count)} tasks`
    : `${count(shown)} tasks, and more`;
}

function keyOf({ cluster, task_id }: TaskRow): string {
  return `${cluster}\0${task_id}`;
}

function severalClusters(): boolean {
  return (status.peek()?.clusters.length ?? 0) > 1;
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
