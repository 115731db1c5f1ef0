/** The filter of `domain/filter.ts` as a condition of SQL, and what of it an index can answer. */
import type { Filter, NumberField, Pattern, TextField } from '../domain/filter.ts';
import { WORD_FIELDS } from '../domain/filter.ts';
import { storableKey, storableText } from '../postgres-text.ts';
import { type Condition, plain } from './parameters.ts';

const TEXT_COLUMNS: Readonly<Record<TextField, string>> = {
  ...{ state: 'state', name: 'name', worker: 'worker', uuid: 'task_id', root: 'root_id', parent: 'parent_id' },
  ...{ cluster: 'cluster', args: 'args', kwargs: 'kwargs', result: 'result', exception: 'exception' },
};

const NUMBER_COLUMNS: Readonly<Record<NumberField, string>> = {
  ...{ runtime: 'runtime', retries: 'retries', sent: 'sent', received: 'received', started: 'started' },
  timestamp: '"timestamp"',
};

const CONTAINED: ReadonlySet<TextField> = new Set(['args', 'kwargs', 'result', 'exception']);

/** Everything that a filter asks. True or not true: where nothing is known of a field, Postgres' null, which `not` turns to true. */
export function filterSql(filter: Filter): Condition {
  switch (filter.kind) {
    case 'and':
    case 'or': {
      const parts = filter.of.map(filterSql);
      return (parameters) => parts.map((part) => `(${part(parameters)})`).join(` ${filter.kind} `);
    }
    case 'not': {
      const part = filterSql(filter.of);
      return (parameters) => `(${part(parameters)}) is not true`;
    }
    case 'text':
      return CONTAINED.has(filter.field)
        ? contains(TEXT_COLUMNS[filter.field], filter.pattern)
        : equals(filter.field, filter.pattern);
    case 'word': {
      const fields = WORD_FIELDS.map((field) => contains(TEXT_COLUMNS[field], filter.pattern));
      return (parameters) => fields.map((field) => field(parameters)).join(' or ');
    }
    case 'number': {
      const { field, op, value } = filter;
      return (parameters) => `${NUMBER_COLUMNS[field]} ${op} ${parameters.add(value, 'float8')}`;
    }
  }
}

function equals(field: TextField, { parts }: Pattern): Condition {
  const column = TEXT_COLUMNS[field];
  const [only] = parts;
  if (parts.length > 1) return (parameters) => `${column} like ${parameters.add(like(parts), 'text')}`;
  return (parameters) => `${column} = ${parameters.add(storableKey(only ?? ''), 'text')}`;
}

function contains(column: string, { parts }: Pattern): Condition {
  const [only = ''] = parts;
  if (parts.length === 1) return (parameters) => `strpos(${column}, ${parameters.add(storableText(only), 'text')}) > 0`;
  return (parameters) => `${column} like ${parameters.add(`%${like(parts)}%`, 'text')}`;
}

function like(parts: readonly string[]): string {
  return parts.map((part) => storableText(part).replace(/[\\%_]/g, '\\$&')).join('%');
}

/** A part of a filter, which all that match it satisfy. */
export type Conjunct =
  /** One of these texts. */
  | { readonly kind: 'texts'; readonly field: TextField; readonly texts: readonly string[]; readonly sql: Condition }
  | { readonly kind: 'number'; readonly field: NumberField; readonly sql: Condition }
  | { readonly kind: 'other'; readonly sql: Condition };

/** What must hold, each for itself, of all that a filter matches. */
export function conjunctsOf(filter: Filter | null): readonly Conjunct[] {
  if (filter === null) return [];
  const parts = filter.kind === 'and' ? filter.of : [filter];
  return parts.map((part): Conjunct => {
    const sql = filterSql(part);
    if (part.kind === 'number') return { kind: 'number', field: part.field, sql };
    const terms = part.kind === 'or' ? part.of : [part];
    const [first] = terms;
    if (first?.kind !== 'text' || CONTAINED.has(first.field)) return { kind: 'other', sql };
    const { field } = first;
    const texts: string[] = [];
    for (const term of terms) {
      if (term.kind !== 'text' || term.field !== field || term.pattern.parts.length !== 1)
        return { kind: 'other', sql };
      texts.push(storableKey(term.pattern.parts[0] ?? ''));
    }
    return { kind: 'texts', field, texts, sql };
  });
}

/** The condition by which an index of `task_states` finds the rows; null where there is none for it. */
export function indexed(conjunct: Conjunct): Condition | null {
  if (conjunct.kind === 'other') return null;
  if (conjunct.kind === 'number') return ['retries', 'sent'].includes(conjunct.field) ? null : conjunct.sql;
  const { field, texts } = conjunct;
  const column = TEXT_COLUMNS[field];
  const among: Condition = (parameters) => `${column} = any(${parameters.add(texts, 'text[]')})`;
  switch (field) {
    case 'uuid':
    case 'name':
    case 'worker':
    case 'parent':
      return among;
    case 'state':
      // The index has no SUCCESS. To say so besides would make Postgres expect fewer than there are; of more than a hundred
      // texts it does not see so by itself.
      if (texts.includes('SUCCESS')) return null;
      return texts.length <= 100 ? among : (parameters) => `state <> 'SUCCESS' and ${among(parameters)}`;
    case 'root':
      // A task without a parent is its own root: the index leaves those out.
      return (parameters) => {
        const roots = parameters.add(texts, 'text[]');
        return `task_id = any(${roots}) or (root_id <> task_id and root_id = any(${roots}))`;
      };
    case 'cluster':
    case 'args':
    case 'kwargs':
    case 'result':
    case 'exception':
      return null;
  }
}

/** The first part of a filter that asks for what the history does not keep; null where there is none. */
export function unkept(filter: Filter): Extract<Filter, { kind: 'text' | 'word' }> | null {
  switch (filter.kind) {
    case 'and':
    case 'or':
      for (const part of filter.of) {
        const found = unkept(part);
        if (found !== null) return found;
      }
      return null;
    case 'not':
      return unkept(filter.of);
    case 'text':
      return CONTAINED.has(filter.field) ? filter : null;
    case 'word':
      return filter;
    case 'number':
      return null;
  }
}

/** Nothing is asked. */
export const EVERYTHING: Condition = plain('true');
