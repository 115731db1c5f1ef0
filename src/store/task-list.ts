/** Pages of tasks, of the present and of any moment in the past. */
import type pg from 'pg';
import { type Answer, answer, type Refusal, refuse } from '../answer.ts';
import type { AsOf, TasksPage, Total } from '../contract/history.ts';
import { fromCursor, toCursor } from '../cursor.ts';
import type { Filter } from '../domain/filter.ts';
import { momentOf, rows, snapshotOf } from './ask.ts';
import { conjunctsOf, EVERYTHING, filterSql, unkept } from './filter-sql.ts';
import { asKey, type Key, type Order, orderOf } from './order.ts';
import { pastTasks } from './past.ts';
import { type Asked, presentTasks } from './present.ts';
import type { TasksQuestion } from './questions.ts';

/** How long a page looks for rows, milliseconds. */
const SEARCH = 20;

export async function tasksPage(client: pg.Client, question: TasksQuestion): Promise<Answer<Omit<TasksPage, 'gaps'>>> {
  const { filter, sort, descending, at, limit } = question;
  const order = orderOf(sort, descending);
  const lost = filter && at !== null ? unkept(filter) : null;
  if (lost !== null) {
    const field = lost.kind === 'text' ? lost.field : undefined;
    const asked = field ? `${field}:` : 'words, which may stand in args, kwargs, result and exception,';
    const kept = 'expected a filter without these, since the history keeps no args, kwargs, results and exceptions';
    return refuse('filter', `${asked} cannot be asked of the past; ${kept}`, field);
  }
  const place = placeOf(question, order);
  if ('problem' in place) return place;
  const asOf = place.pin === null ? await momentOf(client, at) : await snapshotOf(client, place.pin);
  if (asOf === null)
    return refuse('cursor', 'the snapshot that this list was begun with is kept no longer; begin anew');
  if ('problem' in asOf) return asOf;
  const asked: Asked = {
    order,
    conjuncts: conjunctsOf(filter),
    filter: filter === null ? EVERYTHING : filterSql(filter),
    from: place.from,
    limit,
    deadline: performance.now() + SEARCH,
  };
  const { items, upTo, exactly } =
    at === null ? await presentTasks(client, asked) : await pastTasks(client, asked, asOf);
  const whole = upTo === null && place.from === null ? items.length : exactly;
  const total: Total =
    whole !== null
      ? { count: whole, kind: 'exact' }
      : { count: Math.max(items.length, await estimate(client, filter, at === null ? null : asOf)), kind: 'estimate' };
  const full = items.length >= limit;
  const next = upTo === null ? null : toCursor([listName(question), at === null ? null : asOf.snapshot, ...upTo]);
  const searched_to = upTo === null || full ? null : { value: upTo[0] ?? null };
  return answer({ items: [...items], next, total, as_of: asOf, searched_to });
}

function listName({ sort, descending }: TasksQuestion): string {
  return `tasks ${sort} ${descending ? 'desc' : 'asc'}`;
}

/** Where a page begins, and the snapshot that a list of the past was begun with. */
function placeOf(question: TasksQuestion, order: Order): { from: Key | null; pin: number | null } | Refusal {
  const { cursor, at } = question;
  if (cursor === null) return { from: null, pin: null };
  const [pin, ...values] = fromCursor(cursor, listName(question)) ?? [];
  const from = asKey(order, values);
  const pinned = typeof pin === 'number' && Number.isSafeInteger(pin);
  if (from === null || pinned !== (at !== null) || (pin !== null && !pinned)) {
    const expected = 'expected the `next` of its last page, asked for with the same sort, direction and at';
    return refuse('cursor', `this cursor is not one of this list; ${expected}`);
  }
  return { from, pin: pinned ? pin : null };
}

/** How many rows Postgres believes that there are. */
async function estimate(client: pg.Client, filter: Filter | null, asOf: AsOf | null): Promise<number> {
  const asked = filter === null ? EVERYTHING : filterSql(filter);
  const parts =
    asOf === null
      ? [['task_states', 'true']]
      : [
          ['task_states', `since <= ${asOf.snapshot}`],
          // Of the versions that ended later, those that began later did not hold then.
          ['task_history', `until > ${asOf.snapshot}`],
          ['task_history', `since > ${asOf.snapshot}`],
        ];
  const [plan] = await rows<{ 'QUERY PLAN': readonly [{ Plan: { Plans?: readonly { 'Plan Rows': number }[] } }] }>(
    client,
    (p) => {
      const selects = parts.map(([table, when]) => `(select 1 from ${table} where (${asked(p)}) and ${when} offset 0)`);
      return `explain (format json) ${[...selects, '(select 1 offset 0)'].join(' union all ')}`;
    },
  );
  const [stays = 0, ended = 0, begun = 0] = (plan?.['QUERY PLAN'][0].Plan.Plans ?? []).map((part) => part['Plan Rows']);
  return asOf === null ? stays : stays + Math.max(0, ended - begun);
}
