/** A list that stays fast when it is long: elements are inserted anywhere at the cost of a short array. */

/** Elements to a chunk at most; it is split in two then. */
const MAX_CHUNK = 2048;

export class LongList<T> {
  /** None is empty, but for the only one of an empty list. */
  readonly #chunks: T[][] = [[]];
  /** For each chunk: how many elements there were ever before it, dropped ones included. */
  readonly #starts: number[] = [0];
  #dropped = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** @param index from 0 to `length` - 1 */
  at(index: number): T {
    const absolute = index + this.#dropped;
    const i = this.#chunkOf(absolute);
    return (this.#chunks[i] as T[])[absolute - this.#startOf(i)] as T;
  }

  push(value: T): void {
    const last = this.#chunks[this.#chunks.length - 1] as T[];
    if (last.length < MAX_CHUNK) last.push(value);
    else {
      this.#chunks.push([value]);
      this.#starts.push(this.#dropped + this.#length);
    }
    this.#length++;
  }

  /** @param index where the value will be, from 0 to `length` */
  insert(index: number, value: T): void {
    const absolute = index + this.#dropped;
    const i = this.#chunkOf(absolute);
    const chunk = this.#chunks[i] as T[];
    chunk.splice(absolute - this.#startOf(i), 0, value);
    for (let later = i + 1; later < this.#starts.length; later++) (this.#starts[later] as number)++;
    this.#length++;
    if (chunk.length <= MAX_CHUNK) return;
    const half = chunk.splice(MAX_CHUNK >> 1);
    this.#chunks.splice(i + 1, 0, half);
    this.#starts.splice(i + 1, 0, this.#startOf(i) + chunk.length);
  }

  /** Drops the first element, where there is one. */
  dropFirst(): void {
    const first = this.#chunks[0] as T[];
    if (first.length === 0) return;
    first.shift();
    this.#dropped++;
    this.#length--;
    this.#starts[0] = this.#dropped;
    if (first.length > 0 || this.#chunks.length === 1) return;
    this.#chunks.shift();
    this.#starts.shift();
  }

  #startOf(chunk: number): number {
    return this.#starts[chunk] as number;
  }

  /** The last chunk that starts at or before this place. */
  #chunkOf(absolute: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#startOf(middle) <= absolute) low = middle;
      else high = middle;
    }
    return low;
  }
}
