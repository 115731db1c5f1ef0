/** Filters and tasks made up for property tests, and what matching means, told as plainly as can be. */
import fc from 'fast-check';
import {
  allOf,
  anyOf,
  FIELDS,
  type Filter,
  type NumberField,
  type TextField,
  WORD_FIELDS,
} from '../../src/domain/filter.ts';
import { containedPattern, textFilter } from '../../src/domain/filter-values.ts';
import { createTask, type Task } from '../../src/domain/task.ts';

/** Few characters, so that texts and patterns meet; all that mean something to the language. */
const piece = fc.constantFrom(
  'a',
  'b',
  'A',
  'ab',
  '*',
  '"',
  '\\',
  '(',
  ')',
  ',',
  ' ',
  ':',
  '>',
  '-',
  'OR',
  'not',
  'ß',
  '😀',
  '.',
);
const text = fc.array(piece, { maxLength: 4 }).map((pieces) => pieces.join(''));

/** Parts as the parser leaves them: none between two wildcards that is empty. */
const parts = fc
  .array(text, { minLength: 1, maxLength: 4 })
  .map((all) => all.filter((part, i) => part !== '' || i === 0 || i === all.length - 1));

const seconds = fc.double({ min: 0, max: 1e12, maxExcluded: true, noNaN: true });

const leaf: fc.Arbitrary<Filter> = fc.oneof(
  parts.map((all): Filter => ({ kind: 'word', pattern: containedPattern(all) })),
  ...FIELDS.map(({ name, kind }): fc.Arbitrary<Filter> => {
    if (kind === 'whole' || kind === 'contained') return parts.map((all) => textFilter(name as TextField, kind, all));
    const field = name as NumberField;
    const value = kind === 'count' ? fc.maxSafeNat() : fc.oneof(seconds, fc.nat(3), fc.constantFrom(2026, 20_260_301));
    const op = fc.constantFrom('<', '<=', '>', '>=', ...(kind === 'time' ? [] : (['='] as const)));
    return fc.record({ kind: fc.constant('number'), field: fc.constant(field), op, value: fc.oneof(value, fc.nat(3)) });
  }),
);

/** Any filter that a parser may give. */
export const filters: fc.Arbitrary<Filter> = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.record({ kind: fc.constant('not'), of: tie('filter') }),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((of) => allOf(of) as Filter),
    fc.array(tie('filter'), { minLength: 1, maxLength: 3 }).map((of) => anyOf(of) as Filter),
  ),
})).filter;

const known = fc.option(
  fc.oneof(
    text,
    fc.array(text, { maxLength: 4 }).map((all) => all.join('a')),
  ),
);
const number = fc.option(fc.nat(3));

/** Tasks of the same few characters and numbers. */
export const tasks: fc.Arbitrary<Task> = fc
  .record({
    ...{ name: known, worker: known, root_id: known, parent_id: known },
    ...{ args: known, kwargs: known, result: known, exception: known },
    ...{ runtime: number, retries: number, sent: number, received: number, started: number, timestamp: number },
    state: text.map((state) => state.toUpperCase()),
  })
  .chain((fields) => text.map((uuid) => ({ ...createTask(uuid), ...fields })));

/** Whether a filter means a task, by regular expressions and no cleverness. */
export function isMeant(filter: Filter, task: Task, cluster: string): boolean {
  const record: Record<string, unknown> = { ...task, cluster, task_id: task.uuid };
  const told = (field: string): unknown => record[FIELDS.find(({ name }) => name === field)?.record ?? ''];
  switch (filter.kind) {
    case 'and':
      return !filter.of.some((each) => !isMeant(each, task, cluster));
    case 'or':
      return filter.of.some((each) => isMeant(each, task, cluster));
    case 'not':
      return !isMeant(filter.of, task, cluster);
    case 'word':
      return WORD_FIELDS.some((field) => isLike(told(field), filter.pattern.parts, false));
    case 'text': {
      const whole = FIELDS.some(({ name, kind }) => name === filter.field && kind === 'whole');
      return isLike(told(filter.field), filter.pattern.parts, whole);
    }
    case 'number': {
      const value = told(filter.field);
      if (typeof value !== 'number') return false;
      const sign = Math.sign(value - filter.value);
      return { '<': [-1], '<=': [-1, 0], '>': [1], '>=': [1, 0], '=': [0] }[filter.op].includes(sign);
    }
  }
}

function isLike(value: unknown, all: readonly string[], whole: boolean): boolean {
  const pattern = all.map((part) => part.replace(/[^\w\s]/g, '\\$&')).join('[^]*');
  return typeof value === 'string' && new RegExp(whole ? `^(?:${pattern})$` : pattern).test(value);
}
