/** The latest things that happened, each with its place in the journal: a ring that forgets the oldest. */

/** How much all of them may weigh, and what one does. */
interface Weight<T> {
  readonly most: number;
  readonly of: (item: T) => number;
}

import type { Position } from '../domain/event.ts';

export class Trail<T> {
  readonly #capacity: number;
  readonly #positions: Position[] = [];
  readonly #items: (T | undefined)[] = [];
  readonly #weight: Weight<T> | null;
  #total = 0;
  /** How many were ever added; number `n` is at `n % capacity`. */
  #end = 0;
  /** The oldest that is remembered. */
  #begin = 0;
  /** What happened after it is all here. */
  #floor: Position;

  /** @param floor where it begins: of what happened up to there it knows nothing */
  constructor(capacity: number, floor: Position, weight: Weight<T> | null = null) {
    this.#capacity = capacity;
    this.#floor = floor;
    this.#weight = weight;
  }

  /** Positions never go back; several things may have one. */
  add(position: Position, item: T): void {
    if (this.#end - this.#begin >= this.#capacity) this.#forgetOldest();
    const at = this.#end % this.#capacity;
    this.#positions[at] = position;
    this.#items[at] = item;
    this.#end += 1;
    if (!this.#weight) return;
    this.#total += this.#weight.of(item);
    while (this.#total > this.#weight.most) this.#forgetOldest();
  }

  #forgetOldest(): void {
    const at = this.#begin % this.#capacity;
    this.#floor = this.#positions[at] as Position;
    if (this.#weight) this.#total -= this.#weight.of(this.#items[at] as T);
    this.#items[at] = undefined;
    this.#begin += 1;
  }

  /** Forgets everything and begins anew. */
  clear(floor: Position): void {
    this.#positions.length = 0;
    this.#items.length = 0;
    this.#end = 0;
    this.#begin = 0;
    this.#total = 0;
    this.#floor = floor;
  }

  /** Whether it knows everything that happened after this position. */
  covers(after: Position): boolean {
    return after >= this.#floor;
  }

  /** What happened after `after` up to and with `upTo`, in order. */
  *between(after: Position, upTo: Position): Generator<readonly [Position, T], void, undefined> {
    let low = this.#begin;
    let high = this.#end;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#positions[middle % this.#capacity] as Position) > after) high = middle;
      else low = middle + 1;
    }
    for (let n = low; n < this.#end; n++) {
      const at = n % this.#capacity;
      const position = this.#positions[at] as Position;
      if (position > upTo) return;
      yield [position, this.#items[at] as T];
    }
  }
}
