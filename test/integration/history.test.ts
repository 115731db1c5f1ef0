import fc from 'fast-check';
import type { Knex } from 'knex';
import { expect, test } from 'vitest';
import { TASK_SORTS, type TaskRow, tasksPage } from '../../src/contract/history.ts';
import { toCursor } from '../../src/cursor.ts';
import { gapsBetween } from '../../src/journal/lists.ts';
import { createHistory, type History } from '../../src/store/history.ts';
import type { TasksQuestion } from '../../src/store/questions.ts';
import { createStudio } from '../support/camera.ts';
import { migratedDatabase, NOON } from '../support/database.ts';
import { event } from '../support/events.ts';
import { matchesNaively, pastFilter, presentFilter, sortNaively, taskRows } from '../support/naive.ts';

const sort = fc.constantFrom(...TASK_SORTS);
const ASKED: TasksQuestion = { filter: null, sort: 'received', descending: true, at: null, limit: 1000, cursor: null };

function historyOf(knex: Knex): History {
  return createHistory(knex, async () => []);
}

/** All pages of a list, each checked against the contract. */
async function listed(
  history: History,
  question: Partial<TasksQuestion>,
  between?: () => Promise<unknown>,
): Promise<TaskRow[]> {
  const items: TaskRow[] = [];
  for (let cursor: string | null = null, n = 0; ; n += 1) {
    const answer = await history.tasks({ ...ASKED, ...question, cursor });
    if (!answer.ok) throw new Error(answer.message);
    const page = tasksPage.parse(answer.value);
    items.push(...page.items);
    if (page.total.kind === 'exact' && n === 0 && page.next === null) expect(page.total.count).toBe(items.length);
    cursor = page.next;
    if (cursor === null) return items;
    expect(n).toBeLessThan(1000);
    await between?.();
  }
}

async function insert(knex: Knex, rows: readonly TaskRow[]): Promise<void> {
  const fields = { ready: false, ages_from: 0, since: 1 };
  if (rows.length > 0) await knex('task_states').insert(rows.map(({ orphaned: _, ...row }) => ({ ...row, ...fields })));
}

async function snapshot(knex: Knex): Promise<void> {
  await knex('snapshots').insert({ taken_at: new Date(NOON * 1000), position: 1, tasks: 0, workers: 0, clusters: {} });
}

test('every sort, direction, filter and size of page gives what the long way gives', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await snapshot(knex);
  const history = historyOf(knex);
  await fc.assert(
    fc.asyncProperty(
      taskRows,
      fc.array(
        fc.record({ filter: presentFilter, sort, descending: fc.boolean(), limit: fc.integer({ min: 1, max: 30 }) }),
        {
          minLength: 5,
          maxLength: 5,
        },
      ),
      async (rows, questions) => {
        await knex('task_states').delete();
        await insert(knex, rows);
        for (const question of questions) {
          const expected = sortNaively(
            rows.filter((row) => matchesNaively(question.filter, row)),
            question.sort,
            question.descending,
          );
          expect(await listed(history, question)).toEqual(expected);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a list of the past is the list of then, through changes and cleanups, also of clocks that are ahead', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const history = historyOf(knex);
  const step = fc.oneof(
    { weight: 8, arbitrary: event.map((said) => ({ kind: 'say' as const, said })) },
    { weight: 3, arbitrary: fc.constant({ kind: 'shutter' as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'cleanup' as const }) },
  );
  const question = fc.record({
    filter: pastFilter,
    sort,
    descending: fc.boolean(),
    limit: fc.integer({ min: 1, max: 9 }),
    which: fc.nat(),
  });
  let ahead = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 60 }),
      fc.array(question, { minLength: 8, maxLength: 8 }),
      async (steps, questions) => {
        for (const table of [
          'snapshots',
          'task_states',
          'task_history',
          'worker_states',
          'worker_history',
          'task_figures',
        ])
          await knex(table).delete();
        const studio = createStudio(knex, {
          ...{ historyRetention: null, expireSuccess: 0, expireError: 0, expirePending: null, fold: 'celery' },
        });
        /** By the time at which the snapshot was taken. */
        const then = new Map<number, TaskRow[]>();
        for (const now of [...steps, { kind: 'shutter' as const }]) {
          if (now.kind === 'say') studio.say(now.said, 'default', NOON);
          else if (now.kind === 'cleanup') await studio.camera.cleanup();
          else {
            const before = studio.taken.length;
            await studio.camera.shutter();
            if (studio.taken.length > before) then.set(await latest(knex), await present(knex));
          }
        }
        ahead += (await knex('task_history').where('ahead', true)).length;
        const moments = [...then.keys()];
        for (const { which, ...asked } of moments.length > 0 ? questions : []) {
          const at = moments[which % moments.length] ?? 0;
          const rows = (then.get(at) ?? []).filter((row) => matchesNaively(asked.filter, row));
          const found = await listed(history, { ...asked, at });
          expect(found).toEqual(sortNaively(rows, asked.sort, asked.descending));
        }
      },
    ),
    { numRuns: 40 },
  );
  expect(ahead).toBeGreaterThan(0);
});

test('of versions that stand at one place of a list, each is found when it held', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  for (const id of [1, 2, 3])
    await knex('snapshots').insert({
      taken_at: new Date((NOON + id) * 1000),
      position: id,
      tasks: 0,
      workers: 0,
      clusters: {},
    });
  const version = { cluster: 'default', task_id: 'a', state: 'FAILURE', runtime: 2, retries: 0 };
  for (const since of [1, 2]) await knex('task_history').insert({ ...version, since, until: since + 1 });
  const history = historyOf(knex);
  for (const at of [1, 2])
    for (const descending of [true, false]) {
      // A list by runtime begins with a step of a quarter of a page: of one row.
      const found = await listed(history, { sort: 'runtime', descending, limit: 2, at: NOON + at });
      expect([at, descending, found.map(({ task_id }) => task_id)]).toEqual([at, descending, ['a']]);
    }
});

async function latest(knex: Knex): Promise<number> {
  const [row] = await knex('snapshots').select(knex.raw('extract(epoch from max(taken_at))::float8 as at'));
  return row.at;
}

/** What the history keeps of the tasks that there are. */
async function present(knex: Knex): Promise<TaskRow[]> {
  const rows: TaskRow[] = await knex('task_states')
    .select('cluster', 'task_id', 'name', 'state', 'worker', 'timestamp', 'sent', 'received', 'started', 'runtime')
    .select('retries', 'root_id', 'parent_id');
  const unkept = { args: null, kwargs: null, result: null, exception: null, orphaned: null };
  return rows.map((row) => ({ ...row, ...unkept }));
}

test('pages stay true while rows arrive: none is told twice, and none that was there is left out', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await snapshot(knex);
  const made = (n: number, received: number): string =>
    `insert into task_states (cluster, task_id, state, name, received, ready, ages_from, since)
      select 'default', '${n}-' || i, 'SUCCESS', 'n' || i % 7, ${received} + i / 10, true, 0, 1 from generate_series(1, 2000) i`;
  await knex.raw(made(0, 5000));
  const before = new Set((await present(knex)).map(({ task_id }) => task_id));
  for (const question of [{ descending: true }, { descending: false }, { sort: 'name' as const }]) {
    let n = 1;
    const found = await listed(historyOf(knex), { ...question, limit: 300 }, async () => {
      if (n < 4) await knex.raw(made(n, 5000 + n * 60));
      n += 1;
    });
    const ids = found.map(({ task_id }) => task_id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.filter((id) => before.has(id))).toHaveLength(before.size);
    await knex('task_states').whereNot('task_id', 'like', '0-%').delete();
  }
});

test('what few rows match is found page by page, and each page says how far it looked', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await snapshot(knex);
  await knex.raw(`insert into task_states (cluster, task_id, state, args, received, ready, ages_from, since)
    select 'default', i, 'SUCCESS', case when i % 40000 = 77 then 'needle' else repeat('hay ', 100) end,
      case when i % 5 > 0 then i end, true, 0, 1 from generate_series(1, 120000) i`);
  const filter = { kind: 'text', field: 'args', pattern: { parts: ['needle'] } } as const;
  const first = await historyOf(knex).tasks({ ...ASKED, filter });
  if (!first.ok) throw new Error(first.message);
  if (first.value.next !== null) expect(first.value.searched_to).not.toBeNull();
  const found = await listed(historyOf(knex), { filter });
  expect(found.map(({ task_id }) => task_id)).toEqual(['80077', '40077', '77']);
});

test('what was asked wrongly is said, and harms nothing', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  const history = historyOf(knex);
  expect(await history.tasks(ASKED)).toMatchObject({ problem: 'unrecorded', message: 'nothing was recorded yet' });
  await snapshot(knex);
  expect(await history.tasks({ ...ASKED, at: NOON - 1 })).toMatchObject({
    problem: 'unrecorded',
    message: `nothing was recorded at or before ${new Date((NOON - 1) * 1000).toISOString()}`,
  });
  for (const limit of [0, -1, 1001, 1.5, Number.NaN])
    expect(await history.tasks({ ...ASKED, limit })).toMatchObject({ problem: 'limit' });
  const past = { kind: 'text', field: 'args', pattern: { parts: ['1'] } } as const;
  expect(await history.tasks({ ...ASKED, at: NOON, filter: { kind: 'not', of: past } })).toMatchObject({
    problem: 'filter',
    message: expect.stringContaining('args: cannot be asked of the past'),
    field: 'args',
  });
  const good = ['tasks received desc', null, 5, 'id', 'default'] as const;
  const refused: string[] = [
    ...[
      '',
      'x',
      '!',
      'a'.repeat(100_000),
      Buffer.from('[]').toString('base64url'),
      Buffer.from('[1,"tasks received desc"]').toString('base64url'),
    ],
    toCursor(['tasks received asc', ...good.slice(1)]),
    toCursor(['tasks received desc', 1, 5, 'id', 'default']),
    toCursor(['tasks received desc', null, '5', 'id', 'default']),
    toCursor(['tasks received desc', null, 5, 5, 'default']),
    toCursor(['tasks received desc', null, 5, 'id']),
  ];
  for (const cursor of refused) expect(await history.tasks({ ...ASKED, cursor })).toMatchObject({ problem: 'cursor' });
  expect(await history.tasks({ ...ASKED, cursor: toCursor(good) })).toMatchObject({ ok: true });
  expect(
    await history.tasks({ ...ASKED, at: NOON, cursor: toCursor(['tasks received desc', 99, 5, 'id', 'default']) }),
  ).toMatchObject({
    problem: 'cursor',
    message: expect.stringContaining('kept no longer'),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.base64String(),
        fc.jsonValue().map((json) => Buffer.from(JSON.stringify(json)).toString('base64url')),
      ),
      async (cursor) => {
        expect(await history.tasks({ ...ASKED, cursor })).toMatchObject({ problem: 'cursor' });
      },
    ),
    { numRuns: 200 },
  );
  // SQL in a filter is a text like any other.
  for (const text of [`'; drop table task_states; --`, `\\'`, '$1', '\0', '\ud800'])
    for (const parts of [[text], [text, '']])
      for (const field of ['state', 'name', 'uuid', 'root', 'parent', 'args'] as const)
        expect(await history.tasks({ ...ASKED, filter: { kind: 'text', field, pattern: { parts } } })).toMatchObject({
          ok: true,
        });
});

test('more questions at once than there are connections are all answered, with the gaps that cover the moment', async () => {
  await using database = await migratedDatabase();
  const { knex } = database;
  await snapshot(knex);
  const time = (seconds: number): Date => new Date((NOON + seconds) * 1000);
  const gap = { cluster: 'default', cause: 'recorder-down', estimate: null, detail: 'd' };
  await knex('gaps').insert([
    { ...gap, started_at: time(-60), ended_at: time(-30) },
    { ...gap, started_at: time(1), ended_at: time(90) },
  ]);
  const history = createHistory(knex, (from, to) => gapsBetween(knex, from, to));
  const gapsAt = async (at: number | null): Promise<number | undefined> => {
    const answer = await history.tasks({ ...ASKED, at });
    return answer.ok ? answer.value.gaps.length : undefined;
  };
  expect(await Promise.all(Array.from({ length: 30 }, () => gapsAt(NOON + 30)))).toEqual(Array(30).fill(1));
  expect(await gapsAt(NOON)).toBe(0);
  expect(await gapsAt(null)).toBe(0);
});
