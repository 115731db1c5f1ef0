/**
 * What all rows of tasks add up to, by minute, hour and day: each shutter adds what its rows contribute and takes away what
 * the rows that they replace did. So the figures are at any time what an aggregate over the rows would give, and stay when
 * the rows go. Added up by `figures-write.ts`.
 */
import type { Seconds } from '../domain/event.ts';
import { FAILURE, PENDING, RECEIVED, REJECTED, RETRY, REVOKED, STARTED, SUCCESS } from '../domain/states.ts';

/** Seconds of what is added up. */
export const RESOLUTIONS = [60, 3600, 86_400] as const;

/** Figures of older tasks are not kept, those of minutes only so long. */
export const KEEP_FIGURES: Seconds = 366 * 86_400;
export const KEEP_MINUTES: Seconds = 8 * 86_400;

/** Names, and workers, that are told apart in a day of a cluster. */
export const MOST_KEYS = 1000;

/** By code. The last stands for all others: senders may invent any number of them. Only ever added to, before that. */
export const COUNTED_STATES = [PENDING, RECEIVED, STARTED, SUCCESS, FAILURE, REVOKED, REJECTED, RETRY] as const;
export const OTHER_STATES = '…';

/**
 * Lengths of time by powers of 1.2, the nearest one: n stands for lengths from 1.2^(n - 1/2) to 1.2^(n + 1/2), true to
 * within 10 %. Each measure has codes around one of its own.
 */
const BASE = 1.2;
const SHORTEST = -60;
const LONGEST = 100;
export const MEASURES = { runtime: 1100, wait: 1400, delivery: 1700 } as const;
export type Measure = keyof typeof MEASURES;

/** The measure of a code and the length that it stands for; null for the code of a state. */
export function lengthOf(code: number): { readonly measure: Measure; readonly seconds: Seconds } | null {
  for (const [measure, zero] of Object.entries(MEASURES)) {
    const n = code - zero;
    if (n >= SHORTEST && n <= LONGEST) return { measure: measure as Measure, seconds: BASE ** n };
  }
  return null;
}

/** The code of a state. */
export function codeOfState(state: string): number {
  const code = (COUNTED_STATES as readonly string[]).indexOf(state);
  return code < 0 ? COUNTED_STATES.length : code;
}

/** The code of a length; that of the shortest for one that is negative. */
export function codeOfLength(measure: Measure, seconds: Seconds): number {
  const n = Math.round(Math.log(Math.max(seconds, 1e-9)) / Math.log(BASE));
  return MEASURES[measure] + Math.max(SHORTEST, Math.min(n, LONGEST));
}
