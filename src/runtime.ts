/** How long-lived parts start, stop and wait: small, without a framework. */
import { setTimeout as delay } from 'node:timers/promises';

/** A loop of the program: runs until the signal aborts. Throws only when it cannot go on. */
export type Loop = (signal: AbortSignal) => Promise<void>;

/** Closes what was opened, last opened first; every error is kept. (Node 20 has no AsyncDisposableStack.) */
export class AsyncStack implements AsyncDisposable {
  readonly #releases: (() => PromiseLike<void>)[] = [];

  use<T extends AsyncDisposable>(resource: T): T {
    this.#releases.push(() => resource[Symbol.asyncDispose]());
    return resource;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const errors: unknown[] = [];
    for (let release = this.#releases.pop(); release; release = this.#releases.pop()) {
      await release().then(undefined, (error: unknown) => errors.push(error));
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, 'some resources failed to close');
  }
}

/** Runs loops until `outer` aborts or one of them fails or ends; then stops all, waits for all, throws the first failure. */
export async function supervise(outer: AbortSignal, loops: readonly Loop[]): Promise<void> {
  const inner = new AbortController();
  const signal = AbortSignal.any([outer, inner.signal]);
  let failure: { readonly error: unknown } | undefined;
  const guard = async (loop: Loop): Promise<void> => {
    try {
      await loop(signal);
    } catch (error) {
      if (!(signal.aborted && isAbort(error))) failure ??= { error };
    } finally {
      inner.abort();
    }
  };
  await Promise.all(loops.map(guard));
  if (failure) throw failure.error;
}

/** True for what an aborted wait throws. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** Milliseconds that a timer of Node's can wait: one set to more, some 25 days, goes off at once. */
const LONGEST = 2 ** 31 - 1;

/** Waits; throws an AbortError when the signal aborts first. */
export async function sleep(seconds: number, signal: AbortSignal): Promise<void> {
  let left = seconds * 1000;
  for (; left > LONGEST; left -= LONGEST) await delay(LONGEST, undefined, { signal });
  await delay(left, undefined, { signal });
}

/**
 * Seconds to wait before attempt `n` (0, 1, 2, …): doubling from `first`, never more than `cap`, with ±20 % jitter
 * so that many monitors do not come back in the same instant.
 */
export function backoff(n: number, first = 0.2, cap = 30): number {
  return Math.min(cap / 1.2, first * 2 ** Math.min(n, 30)) * (0.8 + Math.random() * 0.4);
}

/**
 * Tries until it works, waiting longer each time (5 s at most); throws only once the signal aborts.
 * @param onFailure is told of each failure, and in how many seconds it is tried again
 */
export async function persist<T>(
  signal: AbortSignal,
  attempt: () => Promise<T>,
  onFailure: (error: unknown, retryIn: number) => void,
): Promise<T> {
  for (let n = 0; ; n += 1) {
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      const retryIn = backoff(n, 0.1, 5);
      onFailure(error, retryIn);
      await sleep(retryIn, signal);
    }
  }
}

/** One at a time, in the order asked: the returned function runs `work` after all that was asked before it. */
export function createLock(): <T>(work: () => Promise<T> | T) => Promise<T> {
  let tail: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = tail.then(work);
    tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  };
}

/** A loop that works every so many seconds, first after one interval; a failure is told and does not end it. */
export function every(seconds: number, work: () => Promise<unknown>, onFailure: (error: unknown) => void): Loop {
  return async (signal) => {
    while (true) {
      await sleep(seconds, signal);
      await work().catch(onFailure);
    }
  };
}

/** Epoch seconds, as a double: Celery's unit for every time. */
export function now(): number {
  return Date.now() / 1000;
}
