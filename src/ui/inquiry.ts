/** A question that is asked again whenever there is something new, one at a time, and what is known of its answer. */
import { type ReadonlySignal, signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { reasonOf } from '../errors.ts';

export interface Answer<T> {
  /** Which question it answers; null before the first answer. */
  readonly key: string | null;
  readonly value: T | null;
  /** Why the latest attempt failed; null where it did not. */
  readonly error: unknown;
}

type Ask<T> = (signal: AbortSignal) => Promise<T>;

class Inquiry<T> {
  readonly #answer = signal<Answer<T>>({ key: null, value: null, error: null });
  #wanted: { readonly key: string; readonly tick: string; readonly ask: Ask<T> } | null = null;
  #running: AbortController | null = null;

  get answer(): ReadonlySignal<Answer<T>> {
    return this.#answer;
  }

  /** Another key is another question, which does not wait for the one before; another tick is the same one anew. */
  want(key: string, tick: string, ask: Ask<T>): void {
    const before = this.#wanted;
    if (before?.key === key && before.tick === tick) return;
    this.#wanted = { key, tick, ask };
    if (before?.key !== key) this.#running?.abort();
    if (before?.key !== key || this.#running === null) void this.#run();
  }

  close(): void {
    this.#wanted = null;
    this.#running?.abort();
  }

  async #run(): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    let wanted = this.#wanted;
    while (wanted && !running.signal.aborted) {
      const { key, ask } = wanted;
      try {
        const value = await ask(running.signal);
        if (!running.signal.aborted) this.#answer.value = { key, value, error: null };
      } catch (error) {
        const { key: known, value } = this.#answer.peek();
        if (!running.signal.aborted) this.#answer.value = { key, value: known === key ? value : null, error };
      }
      if (wanted === this.#wanted) break;
      wanted = this.#wanted;
    }
    if (this.#running === running) this.#running = null;
  }
}

export interface Known<T> {
  readonly value: T | null;
  /** One sentence; null where nothing is wrong. */
  readonly error: string | null;
  /** The value answers the question before this one. */
  readonly isOld: boolean;
}

/**
 * @param key names the question with all its parameters
 * @param tick when it changes, the question is asked again
 */
export function useAnswer<T>(key: string, tick: string, ask: Ask<T>): Known<T> {
  const [inquiry] = useState(() => new Inquiry<T>());
  useEffect(() => inquiry.want(key, tick, ask), [key, tick]);
  useEffect(() => () => inquiry.close(), []);
  const { key: answered, value, error } = inquiry.answer.value;
  const isOld = answered !== key;
  return { value, error: error !== null && !isOld ? reasonOf(error) : null, isOld };
}
