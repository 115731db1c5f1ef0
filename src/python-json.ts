/** JSON as Python writes it, brought to JSON that every reader and PostgreSQL can hold, without losing a value. */
import { TextDecoder } from 'node:util';
import type { Json } from './domain/event.ts';

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const CAPITAL_I = 0x49;
const CAPITAL_N = 0x4e;
const BACKSLASH = 0x5c;

/** Deeper nesting is refused: Python itself stops at about 1000, and recursive readers have to end somewhere. */
const MAX_DEPTH = 500;

/** Why something could not be decoded, as one sentence. The decoder makes a dead letter of it. */
export class Undecodable extends Error {
  override readonly name = 'Undecodable';
}

/** A parsed text, and the JSON text of the same value: the very text wherever it can stand for the value. */
export interface Parsed {
  readonly value: Json;
  readonly text: string;
}

/**
 * Parses JSON, the tokens `NaN`, `Infinity` and `-Infinity` included that Python's json module writes without quotes.
 * Throws Undecodable.
 */
export function parseJson(text: string): Parsed {
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch (error) {
    value = parseMarked(text, error);
    return { value, text: JSON.stringify(value) };
  }
  if (isExact(value)) return { value, text };
  value = parseMarked(text, null);
  return { value, text: JSON.stringify(value) };
}

function parseMarked(text: string, refused: unknown): Json {
  const marked = markNumbers(text);
  if (refused !== null && marked === text) throw new Undecodable(`the body is not JSON (${syntaxOf(refused)})`);
  try {
    return toJson(JSON.parse(marked));
  } catch (error) {
    if (error instanceof Undecodable) throw error;
    throw new Undecodable(`the body is not JSON (${syntaxOf(error)})`);
  }
}

/** V8's message quotes the text itself, which may hold anything; a reason has to be fit for a log and a text column. */
function syntaxOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
}

function tooDeep(): Undecodable {
  return new Undecodable(`the body is nested deeper than ${MAX_DEPTH} levels`);
}

/** True when the value needs no marked form: all numbers as written, no tagged values. Throws when it is too deep. */
function isExact(value: Json): boolean {
  return typeof value !== 'object' || value === null || isExactInside(value, 1);
}

function isExactInside(value: object, depth: number): boolean {
  if (depth > MAX_DEPTH) throw tooDeep();
  const record = value as Record<string, unknown>;
  for (const key in record) {
    const field = record[key];
    if (typeof field === 'number') {
      if (!isExactNumber(field)) return false;
    } else if (typeof field === 'object' && field !== null) {
      if (!isExactInside(field, depth + 1)) return false;
    } else if (key === '__type__' && '__value__' in record) return false;
  }
  return true;
}

/** False for what may have been an integer that a double cannot hold, or a float beyond all doubles. */
function isExactNumber(value: number): boolean {
  return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER;
}

const NUMBER = /-?(?:Infinity|\d[\d.eE+-]*)|NaN/y;

/**
 * Puts quotes around what is not exactly a JSON number: NaN, the infinities (also a float like 1e999) and integers
 * beyond ±(2^53 - 1). Strings are skipped, all else is left as it is; linear in the length of the text.
 */
function markNumbers(text: string): string {
  let out = '';
  let copied = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (char !== MINUS && char !== CAPITAL_I && char !== CAPITAL_N && !(char >= ZERO && char <= NINE)) continue;
    NUMBER.lastIndex = at;
    const token = NUMBER.exec(text)?.[0];
    if (token === undefined) continue;
    const mark = markOf(token);
    if (mark !== null) {
      out += `${text.slice(copied, at)}"${mark}"`;
      copied = at + token.length;
    }
    at += token.length - 1;
  }
  return out + text.slice(copied);
}

/** The text to put between quotes for a token that needs them, else null. */
function markOf(token: string): string | null {
  if (token === 'NaN') return token;
  const value = Number(token);
  if (/^-?(?:0|[1-9]\d*)$/.test(token)) return Number.isSafeInteger(value) ? null : token;
  return Number.isFinite(value) || Number.isNaN(value) ? null : String(value);
}

/** Index of the closing quote of the string that opens at `at`; the text's end where it is not closed. */
function endOfString(text: string, at: number): number {
  for (let quote = text.indexOf('"', at + 1); quote !== -1; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text.charCodeAt(quote - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return quote;
  }
  return text.length;
}

/**
 * Any decoded value as JSON, in these marked forms:
 * - NaN and the infinities are the strings `"NaN"`, `"Infinity"`, `"-Infinity"`; integers beyond 2^53 the string of their digits;
 * - kombu's tagged values (`{"__type__", "__value__"}`, kombu 5.3+) `datetime`, `date`, `time` and `decimal` are their text, `uuid` its
 *   dashed text; `bytes` and every other tag stay as they came;
 * - bytes of msgpack and yaml are tagged as kombu tags them in JSON: `bytes` with their text, or `base64` where they are not UTF-8.
 *
 * Throws Undecodable for what JSON cannot hold and for nesting deeper than 500.
 */
export function toJson(value: unknown, depth = 0): Json {
  if (depth > MAX_DEPTH) throw tooDeep();
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
    case 'object':
      if (value === null) return null;
      if (Array.isArray(value)) return value.map((element: unknown) => toJson(element, depth + 1));
      if (value instanceof Uint8Array) return tagBytes(value);
      if (value instanceof Date && !Number.isNaN(value.getTime())) return value.toISOString();
      return fromRecord(value as Record<string, unknown>, depth);
    default:
      throw new Undecodable(`the body holds a value that JSON has no form for (${typeof value})`);
  }
}

function fromRecord(value: Record<string, unknown>, depth: number): Json {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && prototype !== Object.prototype) {
    throw new Undecodable('the body holds a value that JSON has no form for (an extension type)');
  }
  const keys = Object.keys(value);
  if (keys.length === 2 && Object.hasOwn(value, '__type__') && Object.hasOwn(value, '__value__')) {
    const text = untag(value['__type__'], value['__value__']);
    if (text !== null) return text;
  }
  // fromEntries defines the properties, so that a key `__proto__` is a key like any other.
  return Object.fromEntries(keys.map((key) => [key, toJson(value[key], depth + 1)]));
}

function untag(type: unknown, value: unknown): string | null {
  if (type === 'uuid' && typeof value === 'object' && value !== null && 'hex' in value) {
    const hex = value.hex;
    if (typeof hex !== 'string' || !/^[0-9a-f]{32}$/i.test(hex)) return null;
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  }
  const isText = type === 'datetime' || type === 'date' || type === 'time' || type === 'decimal';
  return isText && typeof value === 'string' ? value : null;
}

/** Bytes as kombu tags them in JSON: `bytes` with their text, or `base64` where they are not UTF-8. */
export function tagBytes(bytes: Uint8Array): Json {
  try {
    return { __type__: 'bytes', __value__: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { __type__: 'base64', __value__: Buffer.from(bytes).toString('base64') };
  }
}

/** What stands between the objects of a list as Python's json module writes it. */
const BETWEEN = '}, {"';

/**
 * The texts of the elements of a list of objects; null where it is not written as Python writes it. Each text has yet to be
 * parsed, and only when all of them parse was the list cut rightly: a cut inside a string or a nested value leaves a text
 * before it that is no JSON. Cutting spares writing each element again, which costs as much as reading it.
 */
export function cutList(text: string): readonly string[] | null {
  if (!text.startsWith('[{"') || !text.endsWith('}]')) return null;
  const elements: string[] = [];
  let from = 1;
  for (let cut = text.indexOf(BETWEEN); cut !== -1; cut = text.indexOf(BETWEEN, from)) {
    elements.push(text.slice(from, cut + 1));
    from = cut + 3;
  }
  elements.push(text.slice(from, -1));
  return elements;
}
