/** The answer to a question that may not make sense as it was asked: that is a value, not an error. */

export type Answer<T> = { readonly ok: true; readonly value: T } | Refusal;

export interface Refusal {
  readonly ok: false;
  /**
   * `cursor`, `limit`, `sort`, `filter`, `range`: that part of the question is wrong.
   * `unrecorded`: no snapshot was taken at or before the moment that was asked for.
   * `unknown`: nothing is recorded of what was asked for.
   * `unreadable`: there may be something, and it cannot be read.
   * `field`: what was sent cannot be so; `field` says which part of it. Of `filter` it says which field is meant.
   * `taken`: there is another one of that name.
   * `unfit`: nothing can be done with it as it is.
   * `changed`: it is not any more what it was when it was read.
   * `slow`: the database did not answer in the time that a question may take.
   */
  readonly problem:
    | ('cursor' | 'limit' | 'sort' | 'filter' | 'range' | 'unrecorded' | 'unknown' | 'unreadable' | 'slow')
    | ('field' | 'taken' | 'unfit' | 'changed');
  /** One sentence without a full stop, for the person who asked: what was wrong and what was expected. */
  readonly message: string;
  readonly field?: string;
}

export function answer<T>(value: T): Answer<T> {
  return { ok: true, value };
}

export function refuse(problem: Refusal['problem'], message: string, field?: string): Refusal {
  return { ok: false, problem, message, ...(field !== undefined && { field }) };
}
