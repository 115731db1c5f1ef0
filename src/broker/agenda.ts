/** What the simulator runs on: things to do at their times, and chance that repeats itself for the same seed. */
import type { Seconds } from '../domain/event.ts';

interface Item {
  readonly at: Seconds;
  readonly order: number;
  readonly act: (at: Seconds) => void;
}

/** Actions by time; those of one time in the order in which they were added. A binary heap. */
export class Agenda {
  readonly #heap: Item[] = [];
  #order = 0;

  get isEmpty(): boolean {
    return this.#heap.length === 0;
  }

  add(at: Seconds, act: (at: Seconds) => void): void {
    const item = { at, order: this.#order++, act };
    const heap = this.#heap;
    let child = heap.length;
    heap.push(item);
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, item)) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = item;
  }

  /** Does the next thing. */
  step(): void {
    const heap = this.#heap;
    const next = heap[0];
    const last = heap.pop();
    if (next === undefined || last === undefined) return;
    if (heap.length > 0) {
      let parent = 0;
      while (true) {
        let child = 2 * parent + 1;
        let below = heap[child];
        const right = heap[child + 1];
        if (below !== undefined && right !== undefined && isBefore(right, below)) {
          child++;
          below = right;
        }
        if (below === undefined || isBefore(last, below)) break;
        heap[parent] = below;
        parent = child;
      }
      heap[parent] = last;
    }
    next.act(next.at);
  }
}

function isBefore(a: Item, b: Item): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Pseudo-random numbers: the same seed, the same sequence. */
export class Chance {
  #a: number;
  #b: number;

  constructor(seed: number) {
    this.#a = (Math.trunc(seed) ^ 0x9e3779b9) | 0;
    this.#b = (Math.trunc(seed / 2 ** 32) ^ 0x243f6a88) | 1;
    for (let warm = 0; warm < 16; warm++) this.bits();
  }

  /** 32 bits, as an unsigned number. xorshift with 64 bits of state (Marsaglia 2003). */
  bits(): number {
    const t = this.#a ^ (this.#a << 10);
    this.#a = this.#b;
    this.#b = this.#b ^ (this.#b >>> 13) ^ t ^ (t >>> 10);
    return (this.#b + Math.imul(this.#a, 0x2545f491)) >>> 0;
  }

  /** From 0 to less than 1. */
  fraction(): number {
    return this.bits() / 2 ** 32;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.fraction();
  }

  /** True in that share of cases. */
  in(share: number): boolean {
    return this.fraction() < share;
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[Math.floor(this.fraction() * choices.length)] ?? choices[0];
  }

  /** Waiting times of independent happenings with this mean (exponential). */
  wait(mean: Seconds): Seconds {
    return -mean * Math.log(1 - this.fraction());
  }

  /** A version 4 UUID. */
  uuid(): string {
    const hex = [this.bits(), this.bits(), this.bits(), this.bits()]
      .map((part) => part.toString(16).padStart(8, '0'))
      .join('');
    const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) & 3];
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
  }
}
