/** Times and lengths of time as people write them. */
import type { Seconds } from './event.ts';

/**
 * A moment: ISO 8601 (UTC where it names no offset), epoch seconds, or relative to now, `-15m`. Undefined for anything else.
 * Also what `at=` takes.
 */
export function readTime(_text: string, _now: Seconds): Seconds | undefined {
  throw new Error('to be written');
}
