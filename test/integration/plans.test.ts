import type { Knex } from 'knex';
import pg from 'pg';
import { expect, test, vi } from 'vitest';
import { TASK_SORTS } from '../../src/contract/history.ts';
import { toCursor } from '../../src/cursor.ts';
import type { Filter } from '../../src/domain/filter.ts';
import { createHistory } from '../../src/store/history.ts';
import type { TasksQuestion } from '../../src/store/questions.ts';
import { migratedDatabase } from '../support/database.ts';
import { SNAPSHOTS, seed } from '../support/seed.ts';

const END = Math.floor(Date.now() / 3_600_000) * 3600;

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Actual Loops': number;
  readonly Plans?: readonly Plan[];
}

/** Every statement on the large tables that `work` makes, with the plan that Postgres had for it. */
async function plansOf(work: () => Promise<unknown>): Promise<{ text: string; plan: Plan }[]> {
  const plans: { text: string; plan: Plan }[] = [];
  const query = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => Promise<pg.QueryResult>;
  const spy = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(async function (
    this: pg.Client,
    ...args: unknown[]
  ) {
    const [text, values] = args;
    if (
      typeof text === 'string' &&
      /^\s*(with|select)/.test(text) &&
      /task_(states|history|versions|figures)/.test(text)
    ) {
      const { rows } = await query.call(this, `explain (analyze, format json) ${text}`, values);
      plans.push({ text, plan: rows[0]['QUERY PLAN'][0].Plan });
    }
    return query.apply(this, args);
  } as never);
  try {
    await work();
  } finally {
    spy.mockRestore();
  }
  return plans;
}

/** What reads a table whole, or far more rows than a page may look at. */
function tooMuch(plan: Plan): string[] {
  const relation = plan['Relation Name'] ?? '';
  const looked = (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops'];
  const large = /^task_(states|history)$/.test(relation);
  const own =
    large && (plan['Node Type'] === 'Seq Scan' || looked > 12_000)
      ? [`${plan['Node Type']} on ${relation}, ${looked} rows`]
      : [];
  return [...own, ...(plan.Plans ?? []).flatMap(tooMuch)];
}

function indexesOf(plan: Plan): string[] {
  return [plan['Index Name'] ?? [], ...(plan.Plans ?? []).map(indexesOf)].flat();
}

/** Every row counts in the statistics, and nobody makes them anew meanwhile: of a sample Postgres would believe otherwise each time. */
async function seeded(knex: Knex): Promise<void> {
  const tables = ['task_states', 'task_history'];
  for (const table of tables) await knex.raw(`alter table ${table} set (autovacuum_enabled = false)`);
  await seed(knex, { tasks: 60_000, end: END });
  await knex.transaction(async (trx) => {
    await trx.raw('set local default_statistics_target = 1000');
    await trx.raw(`analyze ${tables.join(', ')}`);
  });
}

test('no question reads a large table whole, or many more rows than it shows', { timeout: 600_000 }, async () => {
  await using database = await migratedDatabase();
  await seeded(database.knex);
  const history = createHistory(database.knex, async () => []);
  const ASKED: TasksQuestion = { filter: null, sort: 'received', descending: true, at: null, limit: 100, cursor: null };
  const text = (
    field: 'state' | 'name' | 'worker' | 'uuid' | 'root' | 'parent' | 'args',
    ...parts: string[]
  ): Filter => ({
    ...{ kind: 'text', field },
    pattern: { parts },
  });
  const filters: (Filter | null)[] = [
    ...[
      null,
      text('state', 'SUCCESS'),
      text('state', 'STARTED'),
      text('state', 'FAILURE'),
      text('name', 'proj.tasks.t7'),
    ],
    ...[
      text('name', 'nobody'),
      text('name', 'proj.', ''),
      text('worker', 'celery@web3'),
      text('uuid', 'x'),
      text('root', 'x'),
    ],
    ...[text('parent', 'x'), text('args', 'user-77'), { kind: 'number', field: 'runtime', op: '>', value: 1 } as const],
  ];
  // Of more than a hundred Postgres does not see by itself that an index has them.
  filters.push({ kind: 'or', of: Array.from({ length: 150 }, (_, n) => text('state', `STATE${n}`)) });
  const found: string[] = [];
  let statements = 0;
  const check = async (what: string, work: () => Promise<{ ok: boolean }>): Promise<void> => {
    let ok = false;
    const plans = await plansOf(async () => {
      ok = (await work()).ok;
    });
    statements += plans.length;
    if (!ok) found.push(`${what}: refused`);
    for (const { text, plan } of plans)
      for (const breach of tooMuch(plan)) found.push(`${what}: ${breach} in ${text.replaceAll(/\s+/g, ' ')}`);
  };
  for (const filter of filters)
    for (const sort of TASK_SORTS)
      for (const descending of [true, false])
        await check(`${JSON.stringify(filter)} ${sort} ${descending}`, () =>
          history.tasks({ ...ASKED, filter, sort, descending }),
        );
  for (const sort of TASK_SORTS)
    for (const descending of [true, false])
      for (const ago of [null, 60, 3600, 40_000, 130_000]) {
        const asked = { ...ASKED, sort, descending, at: ago && END - ago };
        await check(`all, ${ago} ${sort} ${descending}`, () => history.tasks(asked));
        // Among those without the value.
        const place = sort === 'name' ? [null, null, '5', ''] : [null, '5', ''];
        const list = `tasks ${sort} ${descending ? 'desc' : 'asc'}`;
        const cursor = toCursor([list, ago && SNAPSHOTS - Math.ceil(ago / 10), ...place]);
        await check(`without, ${ago} ${sort} ${descending}`, () => history.tasks({ ...asked, cursor }));
      }
  for (const ago of [60, 3600, 40_000, 130_000])
    for (const filter of filters.filter((each) => each?.kind !== 'text' || each.field !== 'args'))
      await check(`${ago} s ago ${JSON.stringify(filter)}`, () => history.tasks({ ...ASKED, filter, at: END - ago }));
  const [one] = await database.knex('task_states').select('task_id as id', 'cluster').limit(1);
  await check('task', () => history.task(one));
  await check('task then', () => history.taskAt(one, END - 1));
  await check('versions', () => history.versions(one));
  await check('tree', () => history.tree(one, null));
  await check('tree then', () => history.tree(one, END - 1));
  // Too many to be fetched whole, and rare: each order has an index of its own.
  for (const sort of TASK_SORTS)
    for (const descending of [true, false]) {
      const asked = { ...ASKED, filter: text('state', 'FAILURE'), sort, descending };
      const plans = await plansOf(() => history.tasks(asked));
      expect(plans.flatMap(({ plan }) => indexesOf(plan))).toContainEqual(
        expect.stringMatching(`^task_states_state_${sort}(_idx)?$`),
      );
    }
  expect(found).toEqual([]);
  expect(statements).toBeGreaterThan(300);
  // The check can see one.
  const spied = await plansOf(() =>
    database.knex.client.acquireConnection().then(async (client: pg.Client) => {
      await client.query('select count(*) from task_states');
      await database.knex.client.releaseConnection(client);
    }),
  );
  expect(spied.flatMap(({ plan }) => tooMuch(plan))).toHaveLength(1);
});
