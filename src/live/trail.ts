/** The latest things that happened, each with its place in the journal: a ring that forgets the oldest. */
import type { Position } from '../domain/event.ts';

export class Trail<T> {
  readonly #capacity: number;
  readonly #positions: Position[] = [];
  readonly #items: T[] = [];
  /** How many were ever added; number `n` is at `n % capacity`. */
  #end = 0;
  /** What happened after it is all here. */
  #floor: Position;

  /** @param floor where it begins: of what happened up to there it knows nothing */
  constructor(capacity: number, floor: Position) {
    this.#capacity = capacity;
    this.#floor = floor;
  }

  /** Positions never go back; several things may have one. */
  add(position: Position, item: T): void {
    const at = this.#end % this.#capacity;
    if (this.#end >= this.#capacity) this.#floor = this.#positions[at] as Position;
    this.#positions[at] = position;
    this.#items[at] = item;
    this.#end += 1;
  }

  /** Forgets everything and begins anew. */
  clear(floor: Position): void {
    this.#positions.length = 0;
    this.#items.length = 0;
    this.#end = 0;
    this.#floor = floor;
  }

  /** Whether it knows everything that happened after this position. */
  covers(after: Position): boolean {
    return after >= this.#floor;
  }

  /** What happened after `after` up to and with `upTo`, in order. */
  *between(after: Position, upTo: Position): Generator<readonly [Position, T], void, undefined> {
    let low = Math.max(0, this.#end - this.#capacity);
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
