/** The filter → its text. */
import { FIELDS, type Filter, type Pattern } from './filter.ts';
import { printNumber } from './filter-values.ts';

const KIND = new Map<string, (typeof FIELDS)[number]['kind']>(FIELDS.map(({ name, kind }) => [name, kind]));

/**
 * The canonical text: equal filters give equal texts, and `parseFilter` of it gives the filter again, unless that finds it
 * too long, since it spells out what was written short (`state:FAILURE,RETRY`).
 */
export function printFilter(filter: Filter): string {
  switch (filter.kind) {
    case 'and':
      return filter.of.map((each) => printIn(each, each.kind === 'or')).join(' ');
    case 'or':
      return filter.of.map((each) => printIn(each, each.kind === 'and')).join(' OR ');
    case 'not':
      return `NOT ${printIn(filter.of, filter.of.kind === 'and' || filter.of.kind === 'or')}`;
    case 'text':
      return `${filter.field}:${printPattern(filter.pattern)}`;
    case 'word':
      return printPattern(filter.pattern);
    case 'number':
      return `${filter.field}${filter.op}${printNumber(KIND.get(filter.field) ?? 'count', filter.value)}`;
  }
}

function printIn(filter: Filter, parentheses: boolean): string {
  const text = printFilter(filter);
  return parentheses ? `(${text})` : text;
}

/** Quoted, unless nothing in it could be taken for anything else. */
function printPattern({ parts }: Pattern): string {
  const text = parts.map((part) => part.replace(/[\\"*]/g, '\\$&')).join('*');
  return /^[\w*][\w*.@/-]*$/.test(text) && !/^(and|or|not)$/i.test(text) ? text : `"${text}"`;
}
