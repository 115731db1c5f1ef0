/** Finds the oldest member of a Set or Map again and again, where the oldest ones are deleted all the time. */

/** A Set, or a Map by its values. */
interface Ordered<T> {
  readonly size: number;
  values(): Iterator<T>;
}

/**
 * Amortised constant time. A new iterator has to step over all that was deleted before the first live member, so one is
 * kept while it is used; but an iterator that stands still keeps every outgrown table of its collection alive, so it is
 * dropped once as many members were added as there are.
 */
export class Oldest<T> {
  readonly #members: Ordered<T>;
  #cursor: Iterator<T> | null = null;
  #added = 0;

  constructor(members: Ordered<T>) {
    this.#members = members;
  }

  /** To be called for each member that is added. */
  added(): void {
    if (++this.#added <= this.#members.size) return;
    this.#added = 0;
    this.#cursor = null;
  }

  /** The oldest member, which the caller deletes before it asks again; undefined when there is none. */
  next(): T | undefined {
    // An iterator that has come to its end never finds what is added later: an empty collection is not asked.
    if (this.#members.size === 0) return undefined;
    this.#cursor ??= this.#members.values();
    const { done, value } = this.#cursor.next();
    return done ? undefined : value;
  }
}
