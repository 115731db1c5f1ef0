/** How long each question takes over a large record. */
import { createHash } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { TASK_SORTS } from '../../src/contract/history.ts';
import type { Seconds } from '../../src/domain/event.ts';
import type { Filter, TextField } from '../../src/domain/filter.ts';
import { gapsBetween } from '../../src/journal/lists.ts';
import { openDatabase } from '../../src/store/database.ts';
import { unkept } from '../../src/store/filter-sql.ts';
import { createHistory, type History } from '../../src/store/history.ts';
import { migrateUp } from '../../src/store/migrate.ts';
import type { TasksQuestion } from '../../src/store/questions.ts';
import { seed } from '../support/seed.ts';

export interface HistoryFigure {
  readonly question: string;
  /** Milliseconds: half, and 99 of a hundred, took at most so long. */
  readonly p50: number;
  readonly p99: number;
  /** What `p99` should be at most. */
  readonly goal: number;
  /** Items of the last answer, and whether it had to end its search. */
  readonly items: number;
  readonly bounded: boolean;
}

/** Seconds since the epoch at which the made up record ends: figures of minutes are kept for some days only. */
const END = Math.floor(Date.now() / 3_600_000) * 3600;

/** Milliseconds that 99 of 100 answers may take: figures of a day, everything else. */
const STATS_GOAL = 300;
const GOAL = 50;

/** Pages that are asked for one after the other, before a list is begun anew. */
const PAGES = 4;

export interface HistoryOptions {
  /** An empty database, or one that was seeded with as many tasks before. */
  readonly url: string;
  readonly tasks: number;
  /** Which questions, and how often each: of 200 the two slowest are left out of the 99 %. */
  readonly only: RegExp;
  readonly rounds: number;
}

export async function benchHistory(options: HistoryOptions, tell: (figure: HistoryFigure) => void): Promise<void> {
  const { url, tasks, only, rounds } = options;
  await using database = await openDatabase({ url, schema: 'celerycam' });
  await migrateUp(database);
  if (!(await database.knex('snapshots').first('id'))) await seed(database.knex, { tasks, end: END });
  const [{ end }] = await database
    .knex('snapshots')
    .select(database.knex.raw('extract(epoch from max(taken_at))::float8 as end'));
  const history = createHistory(database.knex, (from, to) => gapsBetween(database.knex, from, to));
  for (const [question, ask] of questions(history, end)) {
    if (!only.test(question)) continue;
    const times: number[] = [];
    let answer: Told | undefined;
    for (let n = 0; n < rounds; n += 1) {
      const begun = performance.now();
      answer = (await ask(n)) as Told;
      times.push(performance.now() - begun);
      if (!answer.ok) throw new Error(`${question}: ${answer.message}`);
    }
    times.sort((a, b) => a - b);
    const part = (of: number): number => times[Math.ceil(of * rounds) - 1] ?? 0;
    const items = answer?.value?.items?.length ?? answer?.value?.series?.length ?? 1;
    const bounded = Boolean(answer?.value?.searched_to);
    const goal = answer?.value?.series ? STATS_GOAL : GOAL;
    tell({ question, p50: part(0.5), p99: part(0.99), goal, items, bounded });
  }
}

interface Told {
  readonly ok: boolean;
  readonly message?: string;
  readonly value?: {
    readonly items?: readonly unknown[];
    readonly series?: readonly unknown[];
    readonly searched_to?: unknown;
  };
}

type Ask = (round: number) => Promise<unknown>;

function text(field: TextField, ...parts: string[]): Filter {
  return { kind: 'text', field, pattern: { parts } };
}

function uuidOf(n: number): string {
  const hash = createHash('md5').update(`${n}`).digest('hex');
  return hash.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** @param end when the record ends */
function questions(history: History, end: number): [string, Ask][] {
  const list = (more: Partial<TasksQuestion>, ago?: Seconds): Ask => {
    let cursor: string | null = null;
    return async (round) => {
      if (round % PAGES === 0) cursor = null;
      // Another moment each time that the list begins.
      const at = ago === undefined ? null : end - ago - (round - (round % PAGES)) * 37;
      const page = { filter: null, sort: 'received', descending: true, limit: 100, ...more } as const;
      const answered = await history.tasks({ ...page, at, cursor });
      cursor = answered.ok ? answered.value.next : null;
      return answered;
    };
  };
  const states = ['SUCCESS', 'FAILURE', 'REVOKED', 'STARTED', 'RECEIVED', 'NEVER'];
  const filters: [string, Filter][] = [
    ...states.map((state): [string, Filter] => [`state:${state}`, text('state', state)]),
    ['name:proj.tasks.t0', text('name', 'proj.tasks.t0')],
    ['name:proj.tasks.t39', text('name', 'proj.tasks.t39')],
    ['name:*t3*', text('name', '', 't3', '')],
    ['name:none', text('name', 'none')],
    ['worker:celery@web7', text('worker', 'celery@web7')],
    ['args:user-77777', text('args', 'user-77777')],
    ['exception:user 20', text('exception', 'user 20')],
    ['runtime>1', { kind: 'number', field: 'runtime', op: '>', value: 1 }],
    ['retries>=3', { kind: 'number', field: 'retries', op: '>=', value: 3 }],
    ['received in the last hour', { kind: 'number', field: 'received', op: '>', value: end - 3600 }],
    ['sent a day ago', { kind: 'number', field: 'sent', op: '<', value: end - 86_000 }],
    ['word user-4242', { kind: 'word', pattern: { parts: ['user-4242'] } }],
  ];
  const made: [string, Ask][] = [];
  const ways = [true, false];
  for (const sort of TASK_SORTS)
    for (const descending of ways)
      made.push([`all, ${sort} ${descending ? 'desc' : 'asc'}`, list({ sort, descending })]);
  for (const [name, filter] of filters)
    for (const sort of TASK_SORTS)
      for (const descending of ways)
        made.push([`${name}, ${sort} ${descending ? 'desc' : 'asc'}`, list({ filter, sort, descending })]);
  const day = { from: end - 86_400, to: end, cluster: null };
  const figures = { ...day, by: null, name: null, worker: null };
  const some = (round: number): string => uuidOf(1 + round * 1000);
  const none = { limit: 100, cursor: null };
  made.push(
    ['one task', async (round) => history.task({ id: some(round), cluster: null })],
    ['one task, an hour ago', async (round) => history.taskAt({ id: some(round), cluster: null }, end - 3600)],
    ['versions of a task', async (round) => history.versions({ id: some(round), cluster: null })],
    ['tree of a task', async (round) => history.tree({ id: uuidOf(10 + round * 1000), cluster: null }, null)],
    [
      'tree of a task, an hour ago',
      async (round) => history.tree({ id: uuidOf(10 + round), cluster: null }, end - 3600),
    ],
    ['workers', async () => history.workers({ ...none, cluster: null, at: null })],
    ['workers, an hour ago', async () => history.workers({ ...none, cluster: null, at: end - 3600 })],
    ['snapshots', async () => history.snapshots({ ...none, from: null, to: null })],
    ['task names of a day', async () => history.taskNames(day)],
    ['a day by the minute', async () => history.stats({ ...figures, bucket: 60 })],
    ['a day by five minutes', async () => history.stats({ ...figures, bucket: 300 })],
    ['a day by the hour', async () => history.stats({ ...figures, bucket: 3600 })],
    ['a day by the hour and name', async () => history.stats({ ...figures, bucket: 3600, by: 'name' })],
    [
      'four hours by five minutes and worker',
      async () => history.stats({ ...figures, from: end - 14_400, bucket: 300, by: 'worker' }),
    ],
    ['a day of one name by the minute', async () => history.stats({ ...figures, bucket: 60, name: 'proj.tasks.t7' })],
  );
  const kept = filters.filter(([, filter]) => unkept(filter) === null);
  const moments: [string, number][] = [
    ['a minute ago', 60],
    ['an hour ago', 3600],
    ['half a day ago', 43_200],
    ['a day and a half ago', 129_600],
  ];
  for (const [name, ago] of moments) {
    for (const sort of TASK_SORTS)
      for (const descending of ways)
        made.push([`${name}: all, ${sort} ${descending ? 'desc' : 'asc'}`, list({ sort, descending }, ago)]);
    for (const [filterName, filter] of kept) made.push([`${name}: ${filterName}`, list({ filter }, ago)]);
  }
  return made;
}
