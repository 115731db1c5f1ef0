/** Lets a few questions at a time through to the database, so that many who ask do not hold up what records. */
import { MonitorError } from '../errors.ts';

/** Questions at a time. Each takes two connections at most: one while it lasts, one to look for gaps. */
export const QUESTIONS_AT_ONCE = 3;

/** Questions that may wait for their turn. */
const MOST_WAITING = 200;

export type Gate = <T>(question: () => Promise<T>) => Promise<T>;

/** In the order asked. Throws MonitorError API_BUSY where too many wait already. */
export function createGate(atOnce = QUESTIONS_AT_ONCE, mostWaiting = MOST_WAITING): Gate {
  const waiting: (() => void)[] = [];
  let free = atOnce;
  return async (question) => {
    if (free > 0) free -= 1;
    else if (waiting.length < mostWaiting) await new Promise<void>((resolve) => waiting.push(resolve));
    else throw new MonitorError('API_BUSY', 'too many questions are waiting for the database; ask again later');
    try {
      return await question();
    } finally {
      // The turn is handed on, so that nobody comes in between.
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}
