/** Numbers, times and texts with wildcards, as people write them in a filter. Undefined for what cannot be read. */
import type { Seconds } from './event.ts';
import type { FieldInfo, Filter, FilterError, Pattern, TextField } from './filter.ts';

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;

/** What is expected of a value, to complete the sentence "expected …". */
export const EXPECTED = {
  whole: 'a text',
  contained: 'a text',
  duration: 'a number of seconds such as 1.5, or 500ms, 2m, 1h',
  count: 'a whole number such as 3',
  time: 'a time such as 2026-03-01T12:00Z, epoch seconds, or -15m for 15 minutes ago',
} as const satisfies Record<FieldInfo['kind'], string>;

/**
 * A moment: ISO 8601 (UTC where it names no offset; a date is its first moment), epoch seconds, or before now, `-15m`.
 * Undefined also for years (`2026`), dates without hyphens and milliseconds, which look like epoch seconds and are not,
 * and for what was before 1970.
 */
export function readTime(text: string, now: Seconds): Seconds | undefined {
  if (text.startsWith('-')) {
    const before = /[a-z]$/.test(text) ? readDuration(text.slice(1)) : undefined;
    return before === undefined ? undefined : Math.max(0, now - before);
  }
  if (/^(\d{4}|\d{8})$/.test(text)) return undefined;
  const time = /^\d+(\.\d+)?(e[+-]?\d+)?$/.test(text) ? Number(text) : readIso(text);
  return time !== undefined && time >= 0 && time < 1e12 ? time : undefined;
}

function readIso(text: string): Seconds | undefined {
  const match =
    /^(\d{4}-\d\d-\d\d)(?:[T ]((?:[01]\d|2[0-3]):[0-5]\d)(?::([0-5]\d)(\.\d+)?)?(?:Z|([+-])([01]\d|2[0-3]):?([0-5]\d))?)?$/i.exec(
      text,
    );
  if (!match) return undefined;
  const [, date = '', minute = '00:00', second = '0', fraction = '0', sign, hours = '0', minutes = '0'] = match;
  const milliseconds = Date.parse(`${date}T${minute}Z`);
  // What Date makes of February 30 is another day.
  if (Number.isNaN(milliseconds) || !new Date(milliseconds).toISOString().startsWith(date)) return undefined;
  const offset = Number(hours) * 3600 + Number(minutes) * 60;
  return milliseconds / 1000 - (sign === '-' ? -offset : offset) + Number(second) + Number(fraction);
}

/** A length of time → seconds; a bare number is seconds. */
export function readDuration(text: string): Seconds | undefined {
  const match = /^(\d+(?:\.\d+)?(?:e[+-]?\d+)?)(ms|s|m|h|d|w)?$/.exec(text);
  const value = Number(match?.[1]) * SECONDS[(match?.[2] ?? 's') as keyof typeof SECONDS];
  return Number.isFinite(value) ? value : undefined;
}

function readCount(text: string): number | undefined {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}

/** The value of a field that holds a number. */
export function readNumber(kind: 'duration' | 'count' | 'time', text: string, now: Seconds): number | undefined {
  switch (kind) {
    case 'duration':
      return readDuration(text);
    case 'count':
      return readCount(text);
    case 'time':
      return readTime(text, now);
  }
}

/** A number as `readNumber` of the same kind reads it: a time that would be taken for a year or a date gets a decimal point. */
export function printNumber(kind: FieldInfo['kind'], value: number): string {
  const text = String(value);
  return kind === 'time' && readTime(text, 0) === undefined ? `${text}.0` : text;
}

/**
 * Reads a text in which `*` is a wildcard and `\` takes that away from `*`, `"`, `,` and `\`, until a character that ends it.
 * @returns its parts, and where it ended: at `text.length` if nothing did
 */
export function readParts(
  text: string,
  from: number,
  ends: RegExp | null,
): { readonly parts: readonly string[]; readonly end: number } | FilterError {
  const parts: string[] = [];
  let part = '';
  let at = from;
  for (; at < text.length; at++) {
    const character = text[at] as string;
    if (ends?.test(character)) break;
    if (character === '\\') {
      const escaped = text[++at];
      if (escaped === undefined || !'*",\\'.includes(escaped)) {
        return wrong(text, at - 1, 'after a backslash one of * " , \\ (a backslash itself is written \\\\)');
      }
      part += escaped;
    } else if (character !== '*') {
      part += character;
    } else if (part !== '' || parts.length === 0) {
      parts.push(part);
      part = '';
    }
  }
  return { parts: [...parts, part], end: at };
}

/** A term for a text field. */
export function textFilter(field: TextField, kind: 'whole' | 'contained', parts: readonly string[]): Filter {
  const pattern = kind === 'whole' ? { parts } : containedPattern(parts);
  if (field !== 'state') return { kind: 'text', field, pattern };
  return { kind: 'text', field, pattern: { parts: parts.map((part) => part.toUpperCase()) } };
}

/** What is looked for anywhere has no use for wildcards at its ends. */
export function containedPattern(parts: readonly string[]): Pattern {
  const inner = parts.filter((part) => part !== '');
  return { parts: inner.length > 0 ? inner : [''] };
}

/** @param problem what is the matter, where that is more than what is expected */
export function wrong(text: string, at: number, expected: string, problem?: string): FilterError {
  const place = at < text.length ? `at character ${at + 1}` : 'at the end';
  return { ok: false, at, expected, message: `${place}: ${problem ? `${problem}; ` : ''}expected ${expected}` };
}
