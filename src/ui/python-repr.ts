/**
 * Reads what workers send of args, kwargs and results: Celery's `saferepr`, a Python-like text for people, cut at about 1,024
 * characters and three levels, in which quotes are not reliably escaped. Nothing is evaluated. Pure.
 */

export type Value =
  /** `None`, `True`, `12`, `1.5`, a name. */
  | { readonly kind: 'atom'; readonly text: string }
  /** What stood between the quotes. `prefix`: `b` of bytes and the like. */
  | { readonly kind: 'text'; readonly text: string; readonly prefix: string; readonly isCut: boolean }
  /** A list, tuple or set; of a call its arguments, and `name` before them. */
  | {
      readonly kind: 'items';
      readonly name: string;
      readonly open: string;
      readonly of: readonly Item[];
      readonly isCut: boolean;
    }
  /** `<Order object at 0x7f…>`. */
  | { readonly kind: 'object'; readonly text: string }
  /** `...`: something was left out here. */
  | { readonly kind: 'cut' };

/** `key` is null in lists, the key in dicts, the name of a keyword argument. */
export interface Item {
  readonly key: Value | null;
  readonly value: Value;
}

const CLOSES: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };
const MAX_DEPTH = 60;

interface Reader {
  readonly text: string;
  at: number;
}

/** Null where it cannot be read as a value: then it is text. */
export function readRepr(text: string): Value | null {
  const reader: Reader = { text, at: 0 };
  const value = readValue(reader, 0);
  skip(reader);
  // What was cut off ends in dots of its own.
  return value !== null && (isAtEnd(reader) || isDots(reader)) ? value : null;
}

/** Whether anything is missing from it, as far as can be seen. */
export function isCut(value: Value): boolean {
  switch (value.kind) {
    case 'cut':
      return true;
    case 'text':
      return value.isCut;
    case 'items':
      return value.isCut || value.of.some((item) => (item.key !== null && isCut(item.key)) || isCut(item.value));
    case 'atom':
    case 'object':
      return false;
  }
}

function readValue(reader: Reader, depth: number): Value | null {
  skip(reader);
  if (isAtEnd(reader) || depth > MAX_DEPTH) return null;
  const { text, at } = reader;
  if (text.startsWith('...', at)) {
    reader.at += 3;
    return { kind: 'cut' };
  }
  const sign = text[at] ?? '';
  if (sign in CLOSES) return readItems(reader, '', depth);
  if (sign === '<') return readObject(reader);
  const string = match(reader, /([a-zA-Z]{0,2})(?=['"])/y);
  if (string !== null) return readString(reader, string);
  const atom = match(reader, /(?:(?!\.{3})[^\s,:=()[\]{}<>'"])+/y);
  if (atom === null) return null;
  return text[reader.at] === '(' && /^[a-zA-Z_][\w.]*$/.test(atom)
    ? readItems(reader, atom, depth)
    : { kind: 'atom', text: atom };
}

function readItems(reader: Reader, name: string, depth: number): Value | null {
  const { text } = reader;
  const open = text[reader.at] ?? '';
  const close = CLOSES[open] ?? '';
  const of: Item[] = [];
  reader.at++;
  while (true) {
    skip(reader);
    if (isAtEnd(reader)) return { kind: 'items', name, open, of, isCut: true };
    if (text[reader.at] === close) break;
    const first = readValue(reader, depth + 1);
    if (first === null) return null;
    skip(reader);
    const between = text[reader.at];
    if ((open === '{' && between === ':') || (open === '(' && between === '=' && first.kind === 'atom')) {
      reader.at++;
      const value = readValue(reader, depth + 1);
      if (value === null && !isAtEnd(reader)) return null;
      of.push({ key: first, value: value ?? { kind: 'cut' } });
    } else {
      of.push({ key: null, value: first });
    }
    skip(reader);
    if (text[reader.at] === ',') reader.at++;
    else if (!isAtEnd(reader) && text[reader.at] !== close && !isDots(reader)) return null;
  }
  reader.at++;
  return { kind: 'items', name, open, of, isCut: false };
}

/** A quote ends a string where a value can end; others belong to it, escaped or not. */
function readString(reader: Reader, prefix: string): Value {
  const { text } = reader;
  const quote = text[reader.at] ?? '';
  const start = reader.at + 1;
  const isRaw = /r/i.test(prefix);
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\' && !isRaw) at++;
    else if (text[at] === quote && /^(\s*[,:)\]}]|\s*$|\.{3}$)/.test(text.slice(at + 1, at + 60))) {
      reader.at = at + 1;
      const inner = text.slice(start, at);
      return { kind: 'text', text: isRaw ? inner : unescaped(inner), prefix, isCut: inner.endsWith('...') };
    }
  }
  reader.at = text.length;
  return { kind: 'text', text: unescaped(text.slice(start).replace(/\.{3}$/, '')), prefix, isCut: true };
}

function readObject(reader: Reader): Value {
  const { text, at: start } = reader;
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    if (text[at] === '<') depth++;
    else if (text[at] === '>' && text[at - 1] !== '-' && --depth === 0) {
      reader.at = at + 1;
      return { kind: 'object', text: text.slice(start, at + 1) };
    }
  }
  reader.at = text.length;
  return { kind: 'text', text: text.slice(start), prefix: '', isCut: true };
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', "'": "'", '"': '"' };

function unescaped(text: string): string {
  return text.replace(/\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([nrt\\'"]))/gi, (all, x, u, U, letter) => {
    const code = x ?? u ?? U;
    if (code === undefined) return ESCAPES[letter as string] ?? all;
    const point = Number.parseInt(code as string, 16);
    return point > 0x10ffff ? all : String.fromCodePoint(point);
  });
}

function skip(reader: Reader): void {
  match(reader, /\s*/y);
}

function isAtEnd({ text, at }: Reader): boolean {
  return at >= text.length;
}

/** Nothing but dots to the end. */
function isDots({ text, at }: Reader): boolean {
  return /^\.{3}\s*$/.test(text.slice(at, at + 8)) && text.length - at < 8;
}

/** Goes past what matches here, if anything does. @param pattern sticky; its first group, if there is one, is what is returned */
function match(reader: Reader, pattern: RegExp): string | null {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text);
  if (!found) return null;
  reader.at += found[0].length;
  return found[1] ?? found[0];
}
