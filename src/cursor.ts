/** Where a list goes on: opaque to clients, checked when it comes back. */
import { Buffer } from 'node:buffer';

type Value = string | number | boolean | null;

/** What a cursor holds, in an order that the list knows; the first names the list and how it was asked for. */
export type Place = readonly [list: string, ...values: Value[]];

const VERSION = 1;

/** Far more than any key that Postgres can index. */
const LONGEST = 16_384;

export function toCursor(place: Place): string {
  return Buffer.from(JSON.stringify([VERSION, ...place])).toString('base64url');
}

/** Null where it is no cursor of ours, or one of another list. */
export function fromCursor(cursor: string, list: string): readonly Value[] | null {
  if (cursor.length > LONGEST || !/^[\w-]+$/.test(cursor)) return null;
  let place: unknown;
  try {
    place = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return null;
  }
  if (!Array.isArray(place) || place[0] !== VERSION || place[1] !== list) return null;
  const values: readonly unknown[] = place.slice(2);
  return values.every(isValue) ? values : null;
}

function isValue(value: unknown): value is Value {
  // No text of a row holds a NUL, and Postgres takes none.
  if (typeof value === 'string') return !value.includes('\0');
  return value === null || ['number', 'boolean'].includes(typeof value);
}
