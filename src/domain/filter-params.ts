/** Filters by single query parameters: `?state=FAILURE&name=proj.*&received_from=-1h`. */
import type { Seconds } from './event.ts';
import {
  allOf,
  anyOf,
  type Comparison,
  FIELDS,
  type FieldInfo,
  type Filter,
  type FilterError,
  type NumberField,
  type TextField,
} from './filter.ts';
import { MAX_TERMS, parseFilter } from './filter-parse.ts';
import { EXPECTED, readNumber, readParts, textFilter, wrong } from './filter-values.ts';

/** One query parameter that filters. */
export interface FilterParam {
  readonly name: string;
  /** A few words without a full stop. */
  readonly means: string;
  /** A value that is right. */
  readonly example: string;
  /** Null: a whole filter. */
  readonly field: FieldInfo | null;
  readonly op: Comparison;
}

/**
 * `q`, which holds a whole filter; each text field, `runtime` and `retries` by their names; `…_from` (at least) and `…_to`
 * (at most) for each number and time. All but `q` may be repeated.
 */
export const FILTER_PARAMS: readonly FilterParam[] = [
  { name: 'q', means: 'a filter', example: 'state:FAILURE runtime>1.5', field: null, op: '=' },
  ...FIELDS.flatMap(paramsOf),
];

const PARAMS = new Map(FILTER_PARAMS.map((param) => [param.name, param]));

function paramsOf(field: FieldInfo): readonly FilterParam[] {
  const { name, kind, means, example } = field;
  const value = example.replace(/^\w+[:<>=]+"?|"$/g, '');
  const is = { name, means, example: value, field, op: '=' } as const;
  if (kind === 'whole' || kind === 'contained') return [is];
  const range = [
    { ...is, name: `${name}_from`, means: `${means}, at least`, op: '>=' },
    { ...is, name: `${name}_to`, means: `${means}, at most`, op: '<=' },
  ] as const;
  return kind === 'time' ? range : [is, ...range];
}

/** `param` names the parameter that was wrong; `at` is a place in its value. */
export type ParsedParams =
  | { readonly ok: true; readonly filter: Filter | null }
  | (FilterError & { readonly param: string });

/**
 * Values of one parameter: any of them; different parameters: all of them. A value is what stands after `field:`, but that
 * spaces, quotes and parentheses in it are text. A name that is none of `FILTER_PARAMS` is an error: take the others out before.
 */
export function filterFromParams(params: Iterable<readonly [string, string]>, now: Seconds): ParsedParams {
  const asked = new Map<string, readonly Filter[]>();
  let terms = 0;
  for (const [name, value] of params) {
    const param = PARAMS.get(name);
    if (!param) {
      const known = [...PARAMS.keys()];
      const ranges = known.filter((other) => other.startsWith(`${name}_`));
      const expected = ranges.length > 0 ? ranges.join(' or ') : `one of ${known.join(', ')}`;
      const message = `there is no parameter ${name.slice(0, 40)}; expected ${expected}`;
      return { ok: false, param: name, at: 0, expected, message };
    }
    const again = param.field === null && asked.has(name);
    const filters = again ? wrong(value, 0, `${name} only once`) : readParam(param, value, now);
    if ('ok' in filters) return { ...filters, param: name, message: `parameter ${name}: ${filters.message}` };
    terms += filters.length;
    if (terms > MAX_TERMS) {
      const expected = `no more than ${MAX_TERMS} values in all parameters`;
      return { ok: false, param: name, at: 0, expected, message: `parameter ${name}: expected ${expected}` };
    }
    asked.set(name, [...(asked.get(name) ?? []), ...filters]);
  }
  return { ok: true, filter: allOf([...asked.values()].map(anyOf)) };
}

function readParam({ field, op }: FilterParam, value: string, now: Seconds): readonly Filter[] | FilterError {
  if (value.includes('\0')) return wrong(value, value.indexOf('\0'), 'a text without NUL');
  if (field === null) {
    const read = parseFilter(value, now);
    return read.ok ? (read.filter === null ? [] : [read.filter]) : read;
  }
  const of: Filter[] = [];
  const commas = field.kind === 'contained' || op !== '=' ? null : /,/;
  for (let at = 0; at <= value.length; at++) {
    const read = readOne(value, at, commas, field, op, now);
    if ('ok' in read) return read;
    of.push(read.filter);
    at = read.end;
  }
  return of;
}

/** One value that begins at a place and goes on to the next comma, or to the end. */
function readOne(
  text: string,
  at: number,
  commas: RegExp | null,
  { name, kind }: FieldInfo,
  op: Comparison,
  now: Seconds,
): { readonly filter: Filter; readonly end: number } | FilterError {
  const read = readParts(text, at, commas);
  if ('ok' in read) return read;
  const { parts, end } = read;
  if (end === at) return wrong(text, at, EXPECTED[kind]);
  if (kind === 'whole' || kind === 'contained') return { filter: textFilter(name as TextField, kind, parts), end };
  const value = readNumber(kind, text.slice(at, end), now);
  return value === undefined
    ? wrong(text, at, EXPECTED[kind])
    : { filter: { kind: 'number', field: name as NumberField, op, value }, end };
}
