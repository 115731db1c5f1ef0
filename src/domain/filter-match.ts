/** A filter asked of a task. */
import { type Field, type Filter, type Filterable, type Pattern, WORD_FIELDS } from './filter.ts';

/** Whether a task, of the named cluster, is meant. */
export type Matches = (task: Filterable, cluster: string) => boolean;

/** @returns a function to be kept and asked of many tasks; null means every task */
export function compileFilter(filter: Filter | null): Matches {
  if (filter === null) return () => true;
  switch (filter.kind) {
    case 'and': {
      const of = filter.of.map(compileFilter);
      return (task, cluster) => of.every((each) => each(task, cluster));
    }
    case 'or': {
      const of = filter.of.map(compileFilter);
      return (task, cluster) => of.some((each) => each(task, cluster));
    }
    case 'not': {
      const of = compileFilter(filter.of);
      return (task, cluster) => !of(task, cluster);
    }
    case 'text':
      return compileText(filter.field, filter.pattern);
    case 'word': {
      const isIn = compileContained(filter.pattern);
      const reads = WORD_FIELDS.map((field) => READ[field]);
      return (task, cluster) => reads.some((read) => isIn(read(task, cluster)));
    }
    case 'number':
      return compileNumber(filter);
  }
}

type Text = string | null;
type Read<T> = (task: Filterable, cluster: string) => T;
type TextFilter = Extract<Filter, { kind: 'text' }>;
type NumberFilter = Extract<Filter, { kind: 'number' }>;

const READ: { readonly [F in Field]: Read<F extends NumberFilter['field'] ? number | null : Text> } = {
  state: (task) => task.state,
  name: (task) => task.name,
  worker: (task) => task.worker,
  uuid: (task) => ('uuid' in task ? task.uuid : task.task_id),
  root: (task) => task.root_id,
  parent: (task) => task.parent_id,
  cluster: (_task, cluster) => cluster,
  args: (task) => task.args,
  kwargs: (task) => task.kwargs,
  result: (task) => task.result,
  exception: (task) => task.exception,
  runtime: (task) => task.runtime,
  retries: (task) => task.retries,
  sent: (task) => task.sent,
  received: (task) => task.received,
  started: (task) => task.started,
  timestamp: (task) => task.timestamp,
};

function compileText(field: TextFilter['field'], pattern: Pattern): Matches {
  const read = READ[field];
  switch (field) {
    case 'args':
    case 'kwargs':
    case 'result':
    case 'exception': {
      const isIn = compileContained(pattern);
      return (task, cluster) => isIn(read(task, cluster));
    }
    case 'state':
    case 'name':
    case 'worker':
    case 'uuid':
    case 'root':
    case 'parent':
    case 'cluster': {
      const is = compileWhole(pattern);
      return (task, cluster) => is(read(task, cluster));
    }
  }
}

/** Each part is taken where it is first found after the one before: nothing is ever tried twice. */
function compileContained({ parts }: Pattern): (text: Text) => boolean {
  return (text) => text !== null && findAll(text, parts, 0, text.length);
}

function compileWhole({ parts }: Pattern): (text: Text) => boolean {
  const first = parts[0] ?? '';
  if (parts.length === 1) return (text) => text === first;
  const last = parts.at(-1) ?? '';
  const inner = parts.slice(1, -1);
  const least = first.length + last.length;
  return (text) =>
    text !== null &&
    text.length >= least &&
    text.startsWith(first) &&
    text.endsWith(last) &&
    findAll(text, inner, first.length, text.length - last.length);
}

/** Whether the parts stand one after the other between two places of a text. */
function findAll(text: string, parts: readonly string[], from: number, until: number): boolean {
  let at = from;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > until) return false;
    at = found + part.length;
  }
  return true;
}

function compileNumber({ field, op, value }: NumberFilter): Matches {
  const read = READ[field];
  const compare = COMPARE[op];
  return (task, cluster) => {
    const number = read(task, cluster);
    return number !== null && compare(number, value);
  };
}

const COMPARE: { readonly [Op in NumberFilter['op']]: (a: number, b: number) => boolean } = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '=': (a, b) => a === b,
};
