/**
 * Values as Postgres can hold them. What it cannot is kept in a marked form: NUL becomes U+2400 (␀), a lone surrogate
 * U+FFFD (�), a key too long for an index is cut and ends in its hash. The journal's `body` alone keeps the original,
 * since there they are JSON escapes.
 */
import { createHash } from 'node:crypto';
import type { Json } from './domain/event.ts';

const NUL = '\u2400';

const UNSTORABLE = /[\0\ud800-\udfff]/;

/** A text without what Postgres cannot hold. */
export function storableText(text: string): string {
  // Nearly all can be held as they are, and looking takes half as long.
  return !UNSTORABLE.test(text) ? text : text.replaceAll('\0', NUL).toWellFormed();
}

/** Far more than any real task id or node name; four bytes a character stay below the 2,704 that an index entry may have. */
const LONGEST_KEY = 512;

/** A text that is part of a btree index. */
export function storableKey(text: string): string {
  const key = storableText(text);
  if (key.length <= LONGEST_KEY) return key;
  return `${key.slice(0, LONGEST_KEY - 65).toWellFormed()}…${createHash('sha256').update(key).digest('hex')}`;
}

/** The text of JSON for a `jsonb` column, marked; levels beyond 64 become `…`, infinite numbers text. */
export function storableJson(json: Json): string {
  if (isFlat(json)) {
    const text = JSON.stringify(json);
    // NUL and lone surrogates are escapes in JSON.
    if (!text.includes('\\u')) return text;
  }
  return JSON.stringify(storable(json, 0));
}

function isFlat(json: Json): boolean {
  if (typeof json !== 'object' || json === null) return false;
  for (const part of Object.values(json)) {
    if (typeof part === 'object' && part !== null) return false;
    if (typeof part === 'number' && !Number.isFinite(part)) return false;
  }
  return true;
}

function storable(json: Json, depth: number): Json {
  if (typeof json === 'string') return storableText(json);
  if (typeof json === 'number') return Number.isFinite(json) ? json : `${json}`;
  if (typeof json !== 'object' || json === null) return json;
  if (depth >= 64) return '…';
  if (Array.isArray(json)) return json.map((part: Json) => storable(part, depth + 1));
  return Object.fromEntries(Object.entries(json).map(([key, part]) => [storableText(key), storable(part, depth + 1)]));
}

const SPECIAL = /[\\\t\n\r\0]/;
const SPECIALS = /[\\\t\n\r\0]/g;
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\t': '\\t',
  '\n': '\\n',
  '\r': '\\r',
  '\0': NUL,
};

/** A text as COPY's text format has it, marked; null as NULL. A lone surrogate becomes U+FFFD in UTF-8 by itself. */
export function copyText(text: string | null): string {
  if (text === null) return '\\N';
  return SPECIAL.test(text) ? text.replace(SPECIALS, (character) => ESCAPES[character] ?? character) : text;
}

/** A double as COPY has it, exact; null as NULL. */
export function copyNumber(number: number | null): string {
  if (number === null) return '\\N';
  return number === 0 && 1 / number < 0 ? '-0' : `${number}`;
}

const UNESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', b: '\b', f: '\f', v: '\v' };

/** The fields of one line that `COPY … TO` wrote, unescaped; NULL as null. */
export function copyFields(line: string): (string | null)[] {
  const fields: (string | null)[] = line.split('\t');
  if (!line.includes('\\')) return fields;
  return fields.map((field) => {
    if (field === '\\N') return null;
    return field?.includes('\\') ? field.replace(/\\(.)/g, (_, character) => UNESCAPES[character] ?? character) : field;
  });
}

/** The time of an event or of ours for a `timestamptz` column; null where Postgres or JavaScript knows no such time. */
export function copyTime(time: number | null): string {
  // From the year 1 to 9999: what both write alike.
  return time !== null && time >= -62_135_596_800 && time < 253_402_300_800 ? isoTime(time) : '\\N';
}

export function isoTime(time: number): string {
  return new Date(time * 1000).toISOString();
}
