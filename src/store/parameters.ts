/** The values of a statement, which never become part of its text. */
export class Parameters {
  readonly values: unknown[] = [];

  /** What stands in the text for a value. @param type Postgres' name of its type */
  add(value: unknown, type: 'text' | 'text[]' | 'float8' | 'float8[]' | 'bigint' | 'integer'): string {
    this.values.push(value);
    return `$${this.values.length}::${type}`;
  }
}

/** A condition, whose values go to the parameters of whichever statement it becomes part of. */
export type Condition = (parameters: Parameters) => string;

/** All of them hold. */
export function all(conditions: readonly Condition[]): Condition {
  return (parameters) =>
    conditions.length === 0 ? 'true' : conditions.map((each) => `(${each(parameters)})`).join(' and ');
}

/** A condition without values. */
export function plain(text: string): Condition {
  return () => text;
}
