/** Tasks in the order in which they ended, the oldest taken first; in constant time, and without a look at their names. */
import type { Task } from './task.ts';

/** So many places may be empty before they are cleared away. */
const SLACK = 1_000;

/**
 * A task that goes on after its end leaves the places that it had until then, to be passed over: it is rare, and finding
 * them would cost every other task an index.
 */
export class Ended {
  #places: Task[] = [];
  /** Where the oldest may be: the places before it were taken. */
  #first = 0;
  /** How many of the places of a task, its earliest, it has left. */
  readonly #left = new Map<Task, number>();
  #leftPlaces = 0;

  add(task: Task): void {
    this.#places.push(task);
  }

  /** The task, which is among them, goes on. */
  leave(task: Task): void {
    this.#left.set(task, (this.#left.get(task) ?? 0) + 1);
    this.#leftPlaces++;
    this.#tidy();
  }

  /** These tasks, which are among them, are taken out of their turn. Looks at all that there are. */
  drop(tasks: ReadonlySet<Task>): void {
    if (tasks.size > 0) this.#keep([...this].filter((task) => !tasks.has(task)));
  }

  takeOldest(): Task | undefined {
    while (this.#first < this.#places.length) {
      const task = this.#places[this.#first++] as Task;
      const left = this.#left.size === 0 ? 0 : (this.#left.get(task) ?? 0);
      if (left === 0) {
        this.#tidy();
        return task;
      }
      this.#leftPlaces--;
      if (left > 1) this.#left.set(task, left - 1);
      else this.#left.delete(task);
    }
    return undefined;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<Task, void, undefined> {
    const left = new Map(this.#left);
    for (let i = this.#first; i < this.#places.length; i++) {
      const task = this.#places[i] as Task;
      const n = left.get(task) ?? 0;
      if (n > 0) left.set(task, n - 1);
      else yield task;
    }
  }

  #tidy(): void {
    if ((this.#first + this.#leftPlaces) * 2 < this.#places.length + SLACK) return;
    this.#keep([...this]);
  }

  #keep(tasks: Task[]): void {
    this.#places = tasks;
    this.#first = 0;
    this.#left.clear();
    this.#leftPlaces = 0;
  }
}
