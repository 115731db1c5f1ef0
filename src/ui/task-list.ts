/**
 * The rows of the tasks page: page after page of one question, each asked for when the reader comes near its end. While the
 * reader is at the top the first page is asked for anew whenever there is something new; further down nothing moves.
 */
import { type ReadonlySignal, signal } from '@preact/signals';
import type { AnswerOf, Question } from '../client/history.ts';
import type { TaskRow } from '../contract/history.ts';
import { reasonOf } from '../errors.ts';
import { history } from './pulse.ts';

type Page = AnswerOf<'/api/tasks'>;
export type TaskQuestion = Question<'/api/tasks'>;

export interface Listed {
  /** The question that the rows answer; null before the first answer. */
  readonly key: string | null;
  readonly rows: readonly TaskRow[];
  readonly page: Page | null;
  readonly isLoading: boolean;
  readonly error: string | null;
}

/** Rows of the first page, and of each further one. */
const FIRST = 100;
const FURTHER = 500;
/** Where few match, pages are asked for until there are so many rows, or all. */
const ENOUGH = 50;

export class TaskList {
  readonly #listed = signal<Listed>({ key: null, rows: [], page: null, isLoading: false, error: null });
  #running: AbortController | null = null;
  #wanted: { readonly key: string; readonly question: TaskQuestion } | null = null;
  /** It was asked for anew while the question before was under way. */
  #isDue = false;

  get listed(): ReadonlySignal<Listed> {
    return this.#listed;
  }

  /** The first page of this question, now. */
  want(key: string, question: TaskQuestion): void {
    const isSame = this.#wanted?.key === key;
    if (isSame && this.#running) {
      this.#isDue = true;
      return;
    }
    this.#wanted = { key, question };
    void this.#load(null);
  }

  /** The page after the last one, if there is one and it is not on its way. */
  more(): void {
    const { key, page } = this.#listed.peek();
    if (this.#running || !page?.next || key !== this.#wanted?.key) return;
    void this.#load(page.next);
  }

  close(): void {
    this.#wanted = null;
    this.#running?.abort();
  }

  async #load(cursor: string | null): Promise<void> {
    if (!this.#wanted) return;
    const { key, question } = this.#wanted;
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#listed.value = { ...this.#listed.peek(), isLoading: true };
    try {
      let rows = cursor === null ? [] : this.#listed.peek().rows;
      let next = cursor;
      let page: Page;
      const before = rows.length;
      do {
        const asked = next === null ? { ...question, limit: FIRST } : { ...question, limit: FURTHER, cursor: next };
        page = await history.tasks(asked, { signal: running.signal });
        rows = rows.concat(page.items);
        next = page.next;
      } while (next !== null && rows.length - before < ENOUGH);
      if (!running.signal.aborted) this.#listed.value = { key, rows, page, isLoading: false, error: null };
    } catch (error) {
      if (running.signal.aborted) return;
      const known = this.#listed.peek();
      const kept = known.key === key ? known : { rows: [], page: null };
      this.#listed.value = { key, rows: kept.rows, page: kept.page, isLoading: false, error: reasonOf(error) };
    }
    if (this.#running !== running) return;
    this.#running = null;
    if (this.#isDue) {
      this.#isDue = false;
      void this.#load(null);
    }
  }
}
