/** A token bucket that holds one token, as Celery's camera limits its rate (`maxrate`, celery/events/snapshot.py). */

export interface Bucket {
  /** True, and the token is gone, when there is one. @param time monotonic seconds */
  take(time: number): boolean;
}

/** @param rate tokens per second; null: as many as anybody wants */
export function createBucket(rate: number | null): Bucket {
  let tokens = 1;
  let filledAt = Number.NEGATIVE_INFINITY;
  return {
    take(time) {
      if (rate === null) return true;
      tokens = Math.min(1, tokens + (time - filledAt) * rate);
      filledAt = time;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
