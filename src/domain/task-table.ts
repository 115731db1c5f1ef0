/**
 * The tasks in memory by uuid, in the order in which they came to be known: a Map made for what the fold does with it.
 *
 * A Map computes the hash of a uuid over all its characters, for each event, and where each new task evicts another it is
 * made anew all the time. Here a few characters are looked at, and the numbers of the places are chained by them.
 */
import type { Task } from './task.ts';

/** Characters at either end of a uuid that decide on its chain: random ones are told apart by them, and numbered ones. */
const ENDS = 6;

/** Tasks in one chain, at most: of uuids that were chosen to have the same ends, all others stand in a Map. */
const MAX_CHAIN = 16;

const MIN_PLACES = 1_024;
const NONE = -1;

/** The tasks by place, oldest first; null where one was deleted. */
interface Order {
  readonly tasks: (Task | null)[];
  /** How many of them, the first ones, came from the order before. */
  readonly carried: number;
  /** What has taken its place: whoever is going through it goes on there. */
  next: Order | null;
}

export class TaskTable {
  #order: Order = { tasks: [], carried: 0, next: null };
  #size = 0;
  /** No task stands before this place. */
  #first = 0;
  /** By the last bits of a hash, the place of its latest task; by place, the hash, and the one before in its chain. */
  #heads = new Int32Array(MIN_PLACES);
  #hashes = new Int32Array(MIN_PLACES);
  #links = new Int32Array(MIN_PLACES);
  readonly #crowded = new Map<string, number>();

  constructor() {
    this.#heads.fill(NONE);
  }

  get size(): number {
    return this.#size;
  }

  get(uuid: string): Task | undefined {
    const place = this.#placeOf(uuid);
    return place === NONE ? undefined : (this.#order.tasks[place] as Task);
  }

  has(uuid: string): boolean {
    return this.#placeOf(uuid) !== NONE;
  }

  /** Adds a task of which there is none yet. */
  add(task: Task): void {
    if (this.#order.tasks.length === this.#hashes.length) this.#makeRoom();
    this.#put(task, hashOf(task.uuid));
    this.#size++;
  }

  delete(uuid: string): void {
    const place = this.#placeOf(uuid);
    if (place === NONE) return;
    this.#order.tasks[place] = null;
    this.#size--;
    if (this.#crowded.delete(uuid)) return;
    const head = (this.#hashes[place] as number) & (this.#heads.length - 1);
    const after = this.#links[place] as number;
    let before = this.#heads[head] as number;
    if (before === place) {
      this.#heads[head] = after;
      return;
    }
    while (this.#links[before] !== place) before = this.#links[before] as number;
    this.#links[before] = after;
  }

  /** The one that came first; undefined when there is none. */
  oldest(): Task | undefined {
    const { tasks } = this.#order;
    while (this.#first < tasks.length && tasks[this.#first] === null) this.#first++;
    return tasks[this.#first] ?? undefined;
  }

  /** Oldest first. As with a Map, tasks may come and go meanwhile. */
  *values(): Generator<Task, void, undefined> {
    let place = 0;
    for (let order: Order | null = this.#order; order !== null; order = order.next) {
      for (; place < order.tasks.length; place++) {
        const task = order.tasks[place];
        if (task && (order.next === null || this.get(task.uuid) === task)) yield task;
      }
      place = order.next?.carried ?? 0;
    }
  }

  *keys(): Generator<string, void, undefined> {
    for (const { uuid } of this.values()) yield uuid;
  }

  *[Symbol.iterator](): Generator<[string, Task], void, undefined> {
    for (const task of this.values()) yield [task.uuid, task];
  }

  #placeOf(uuid: string): number {
    const hash = hashOf(uuid);
    const { tasks } = this.#order;
    for (
      let place = this.#heads[hash & (this.#heads.length - 1)] as number;
      place !== NONE;
      place = this.#links[place] as number
    )
      if (this.#hashes[place] === hash && (tasks[place] as Task).uuid === uuid) return place;
    return this.#crowded.size === 0 ? NONE : (this.#crowded.get(uuid) ?? NONE);
  }

  #put(task: Task, hash: number): void {
    const place = this.#order.tasks.push(task) - 1;
    const head = hash & (this.#heads.length - 1);
    const before = this.#heads[head] as number;
    this.#hashes[place] = hash;
    let length = 1;
    for (let other = before; other !== NONE; other = this.#links[other] as number) length++;
    if (length > MAX_CHAIN) {
      this.#crowded.set(task.uuid, place);
      return;
    }
    this.#links[place] = before;
    this.#heads[head] = place;
  }

  /** Closes the gaps; where there are few, makes more places. */
  #makeRoom(): void {
    const { tasks } = this.#order;
    const hashes = this.#hashes;
    const places = this.#size * 2 > hashes.length ? hashes.length * 2 : hashes.length;
    const order: Order = { tasks: [], carried: this.#size, next: null };
    this.#order.next = order;
    this.#order = order;
    this.#first = 0;
    this.#heads = new Int32Array(places).fill(NONE);
    this.#hashes = new Int32Array(places);
    this.#links = new Int32Array(places);
    this.#crowded.clear();
    for (let place = 0; place < tasks.length; place++) {
      const task = tasks[place];
      if (task) this.#put(task, hashes[place] as number);
    }
  }
}

function hashOf(text: string): number {
  const { length } = text;
  let hash = length;
  for (let i = 0; i < ENDS && i < length; i++)
    hash = Math.imul(hash, 31) + text.charCodeAt(i) + Math.imul(text.charCodeAt(length - 1 - i), 0x9e3779b1);
  return hash ^ (hash >>> 15);
}
