/**
 * The text of a filter → the filter. The language is told in `docs/filters.md`; its grammar:
 *
 *     or      = and { "OR" and }
 *     and     = unary { [ "AND" ] unary }
 *     unary   = "NOT" unary | "(" or ")" | term
 *     term    = text-field ":" ( value { "," value } | "(" or of values ")" )
 *             | number-field operator number | value
 */
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
  type ParsedFilter,
  type TextField,
} from './filter.ts';
import { unknownField } from './filter-names.ts';
import { containedPattern, EXPECTED, readNumber, readParts, textFilter, wrong } from './filter-values.ts';

/** What one filter may be, so that reading, matching and asking the database stay cheap. */
const MAX_LENGTH = 4_000;
export const MAX_TERMS = 200;
const MAX_DEPTH = 64;

const A_TERM = 'a term such as state:FAILURE or a word';

interface Reader {
  readonly text: string;
  readonly now: Seconds;
  at: number;
  depth: number;
  terms: number;
}

/** A text field inside of whose `field:( )` the reader is. */
interface Inside extends FieldInfo {
  readonly kind: 'whole' | 'contained';
}

type Read = Filter | FilterError;

/**
 * @param text up to 4,000 characters, 200 terms and 64 levels
 * @param now what relative times (`-15m`) are relative to, epoch seconds
 */
export function parseFilter(text: string, now: Seconds): ParsedFilter {
  if (text.length > MAX_LENGTH) return wrong(text, MAX_LENGTH, `no more than ${MAX_LENGTH} characters`);
  // Postgres holds no NUL, and neither does any record that came from there.
  if (text.includes('\0')) return wrong(text, text.indexOf('\0'), 'a text without NUL');
  const reader: Reader = { text, now, at: 0, depth: 0, terms: 0 };
  if (atEnd(reader)) return { ok: true, filter: null };
  const filter = readOr(reader, null);
  if (isError(filter)) return filter;
  if (!atEnd(reader)) return wrong(text, reader.at, 'no ) here: no ( is open');
  return { ok: true, filter };
}

function readOr(reader: Reader, inside: Inside | null): Read {
  const of: Filter[] = [];
  do {
    const filter = readAnd(reader, inside);
    if (isError(filter)) return filter;
    of.push(filter);
  } while (took(reader, 'OR'));
  return anyOf(of) as Filter;
}

function readAnd(reader: Reader, inside: Inside | null): Read {
  const of: Filter[] = [];
  do {
    const filter = readUnary(reader, inside);
    if (isError(filter)) return filter;
    of.push(filter);
  } while (took(reader, 'AND') || !(atEnd(reader) || peek(reader) === ')' || wordAt(reader) === 'OR'));
  return allOf(of) as Filter;
}

function readUnary(reader: Reader, inside: Inside | null): Read {
  if (!atEnd(reader) && wordAt(reader) === 'NOT') {
    const of = deeper(reader, () => {
      reader.at += 'NOT'.length;
      return readUnary(reader, inside);
    });
    return isError(of) ? of : { kind: 'not', of };
  }
  if (peek(reader) === '(') return readParentheses(reader, inside);
  return inside ? readTexts(reader, inside) : readTerm(reader);
}

function readParentheses(reader: Reader, inside: Inside | null): Read {
  const { text, at: open } = reader;
  const filter = deeper(reader, () => {
    reader.at++;
    return readOr(reader, inside);
  });
  if (isError(filter)) return filter;
  if (atEnd(reader)) return wrong(text, text.length, `) to close the ( at character ${open + 1}`);
  reader.at++;
  return filter;
}

/** One level further down; that is bounded, since it is read by recursion. */
function deeper(reader: Reader, read: () => Read): Read {
  if (reader.depth === MAX_DEPTH) return wrong(reader.text, reader.at, `no more than ${MAX_DEPTH} levels of ( and NOT`);
  reader.depth++;
  const filter = read();
  reader.depth--;
  return filter;
}

function readTerm(reader: Reader): Read {
  const { text, at } = reader;
  const field = /([a-z_][\w.-]*)\s*(:|<=|>=|<|>|=)\s*/iy;
  field.lastIndex = at;
  const match = field.exec(text);
  if (!match) return readWord(reader);
  const [all, name = '', operator = ''] = match;
  const info = FIELDS.find((other) => other.name === name);
  if (info === undefined) return wrong(text, at, ...unknownField(name));
  reader.at += all.length;
  const { kind } = info;
  const operatorAt = at + all.indexOf(operator, name.length);
  if (kind === 'whole' || kind === 'contained') {
    if (operator !== ':') return wrong(text, operatorAt, `: after ${name}`);
    const inside = { ...info, kind };
    if (peek(reader) === '(') return readParentheses(reader, inside);
    return readTexts(reader, inside);
  }
  const op = operator === ':' ? '=' : (operator as Comparison);
  if (kind === 'time' && op === '=') {
    return wrong(text, operatorAt, `<, <=, > or >= after ${name}`, 'times hardly ever equal each other');
  }
  const expected = `after ${name}${operator} ${EXPECTED[kind]}`;
  return readList(reader, () => readComparison(reader, info.name as NumberField, kind, op, expected), op === '=');
}

function readTexts(reader: Reader, inside: Inside): Read {
  const expected = `after ${inside.name}: ${EXPECTED[inside.kind]}, as in ${inside.example}`;
  return readList(reader, () => readValue(reader, inside, expected), inside.kind === 'whole');
}

/** Values between commas, of which any will do. */
function readList(reader: Reader, read: () => Read, commas: boolean): Read {
  const of: Filter[] = [];
  do {
    if (of.length > 0) reader.at++;
    atEnd(reader);
    const filter = read();
    if (isError(filter)) return filter;
    of.push(filter);
  } while (commas && peek(reader) === ',');
  return anyOf(of) as Filter;
}

function readComparison(
  reader: Reader,
  field: NumberField,
  kind: 'duration' | 'count' | 'time',
  op: Comparison,
  expected: string,
): Read {
  const { text, at, now } = reader;
  const token = /"([^"]*)"|[^\s()",]*/y;
  token.lastIndex = at;
  const [all, quoted] = token.exec(text) ?? [''];
  const value = readNumber(kind, quoted ?? all, now);
  if (value === undefined) return wrong(text, at, expected);
  reader.at += all.length;
  return (
    ended(reader, op === '=', 'a space after the number') ?? counted(reader, at, { kind: 'number', field, op, value })
  );
}

function readWord(reader: Reader): Read {
  const { text, at } = reader;
  const word = wordAt(reader);
  const upper = word.toUpperCase();
  const first = word[0] ?? '';
  if (word !== upper && isKeyword(upper)) return wrong(text, at, `${upper} in upper case, or quotes around "${word}"`);
  if (':<>='.includes(first) && first !== '') {
    return wrong(
      text,
      at,
      `a field before ${first}, such as ${first === ':' ? 'state' : 'runtime'}, or quotes around the text`,
    );
  }
  if (/^[-!]([a-z_]|$)/i.test(word) && !/^[\s)]?$/.test(text[at + 1] ?? '')) {
    return wrong(text, at, `NOT in place of ${first}, or quotes around the text`);
  }
  return readValue(reader, null, A_TERM);
}

/** A text, quoted or not: of the field inside of which the reader is, else a bare word. */
function readValue(reader: Reader, inside: Inside | null, expected: string): Read {
  const { text, at } = reader;
  const whole = inside?.kind === 'whole';
  const isQuoted = peek(reader) === '"';
  const word = wordAt(reader);
  if (!isQuoted && (isKeyword(word) || word === '')) {
    return wrong(text, at, isKeyword(word) ? `${expected}, or quotes around "${word}"` : expected);
  }
  const read = readParts(text, isQuoted ? at + 1 : at, isQuoted ? /"/ : whole ? /[\s()",]/ : /[\s()"]/);
  if ('ok' in read) return read;
  if (read.end === at) return wrong(text, at, expected);
  if (isQuoted && read.end === text.length) {
    return wrong(text, text.length, `" to close the " at character ${at + 1}`);
  }
  reader.at = isQuoted ? read.end + 1 : read.end;
  const unfinished = ended(reader, whole, 'a space here, or quotes around the whole text');
  if (unfinished) return unfinished;
  const filter: Filter = inside
    ? textFilter(inside.name as TextField, inside.kind, read.parts)
    : { kind: 'word', pattern: containedPattern(read.parts) };
  return counted(reader, at, filter);
}

/** An error where a value goes on with what cannot belong to it, which would silently become another term. */
function ended(reader: Reader, commas: boolean, expected: string): FilterError | null {
  const next = peek(reader);
  if (/^[\s)]?$/.test(next) || (commas && next === ',')) return null;
  return wrong(reader.text, reader.at, expected);
}

function counted(reader: Reader, at: number, filter: Filter): Read {
  reader.terms++;
  return reader.terms > MAX_TERMS ? wrong(reader.text, at, `no more than ${MAX_TERMS} terms`) : filter;
}

/** Skips spaces. */
function atEnd(reader: Reader): boolean {
  const { text } = reader;
  while (reader.at < text.length && /\s/.test(peek(reader))) reader.at++;
  return reader.at === text.length;
}

/** The character that comes next; empty at the end. */
function peek({ text, at }: Reader): string {
  return text[at] ?? '';
}

/** What stands up to the next space, parenthesis or quote. */
function wordAt({ text, at }: Reader): string {
  const word = /[^\s()"]*/y;
  word.lastIndex = at;
  return word.exec(text)?.[0] ?? '';
}

function isKeyword(word: string): boolean {
  return word === 'AND' || word === 'OR' || word === 'NOT';
}

/** Goes past a keyword if it comes next. */
function took(reader: Reader, keyword: 'AND' | 'OR'): boolean {
  if (atEnd(reader) || wordAt(reader) !== keyword) return false;
  reader.at += keyword.length;
  return true;
}

function isError(read: Read): read is FilterError {
  return 'ok' in read;
}
