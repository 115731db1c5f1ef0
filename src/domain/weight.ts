/** How much text the tasks in memory hold: few are long, and only those are counted. */
import type { Json } from './event.ts';
import type { Said } from './fact.ts';
import { factsOf } from './life.ts';
import type { Task } from './task.ts';

/** An event of fewer bytes makes no task heavy, and a task with less text is none. */
export const LONG = 4096;

/** The heavy tasks, by what they weigh: about a byte for each character. */
export class Weights {
  readonly #tasks = new Map<Task, number>();
  /** What extra fields weigh, which are not looked through again with each event of a task. */
  readonly #extras = new WeakMap<object, number>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  /** Of one heavy task; 0 where there is none. */
  get mean(): number {
    return this.#tasks.size > 0 ? this.#total / this.#tasks.size : 0;
  }

  of(task: Task): number {
    return this.#tasks.size > 0 ? (this.#tasks.get(task) ?? 0) : 0;
  }

  /** Heavy tasks, the one that grew last at the end. May be deleted while they are listed. */
  tasks(): Iterable<Task> {
    return this.#tasks.keys();
  }

  /** To be called when a task has grown. */
  weigh(task: Task): void {
    const weight = this.#weightOf(task);
    this.delete(task);
    if (weight < LONG) return;
    this.#tasks.set(task, weight);
    this.#total += weight;
  }

  delete(task: Task): void {
    const weight = this.of(task);
    if (weight === 0) return;
    this.#total -= weight;
    this.#tasks.delete(task);
  }

  #weightOf(task: Task): number {
    // What the record shows is what the facts of its life say.
    const { life, stored_life } = task;
    if (life === null) return textOf(task) + (stored_life?.length ?? 0) + (task.extra ? sizeOf(task.extra) : 0);
    let weight = 0;
    for (const { call, said } of factsOf(life))
      weight += (call ? textOf(call) : 0) + (said ? textOf(said) + this.#extraOf(said) : 0);
    return weight;
  }

  #extraOf({ extra }: Said): number {
    if (extra === null) return 0;
    let weight = this.#extras.get(extra);
    if (weight === undefined) {
      weight = sizeOf(extra);
      this.#extras.set(extra, weight);
    }
    return weight;
  }
}

/** The fields that may be long, of a record or of what an event says. */
type Texts = { readonly [field in (typeof FIELDS)[number]]?: string | null | undefined };

const FIELDS = [
  ...(['name', 'args', 'kwargs', 'eta', 'expires', 'result', 'exception', 'traceback'] as const),
  ...(['exchange', 'routing_key', 'root_id', 'parent_id'] as const),
];

function textOf(texts: Texts): number {
  let length = 0;
  for (const field of FIELDS) length += texts[field]?.length ?? 0;
  return length;
}

/** What a value takes in memory, roughly. Without recursion, since senders may nest as they like. */
function sizeOf(value: Json): number {
  let size = 0;
  const open: Json[] = [value];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    size += 16;
    if (typeof next === 'string') size += next.length;
    else if (Array.isArray(next)) for (const each of next as readonly Json[]) open.push(each);
    else if (typeof next === 'object' && next !== null) {
      for (const [key, each] of Object.entries(next)) {
        size += key.length;
        open.push(each);
      }
    }
  }
  return size;
}
