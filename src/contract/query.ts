/**
 * What query parameters may be: text as people write it → values. A failure's message completes the sentence "expected …".
 * All are optional. `told` says what OpenAPI shows of each: the JSON schema of its text.
 */
import { z } from 'zod';
import { readDuration, readTime } from '../domain/filter-values.ts';

export interface Told {
  readonly description: string;
  /** JSON schema of the text. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** A time: what is relative to now has to be made absolute before it is read. */
  readonly moment?: boolean;
}

const TOLD = new WeakMap<object, Told>();

/** What OpenAPI shows of a parameter. */
export function toldOf(parameter: z.ZodType): Told {
  const told = TOLD.get(parameter);
  if (!told) throw new Error('this is no parameter: make it with one of the functions of contract/query.ts');
  return told;
}

/** From a function that returns undefined for what it does not understand. */
function parameter<T>(expected: string, told: Told, read: (text: string) => T | undefined) {
  const schema = z
    .string()
    .transform((text, context): T => {
      const value = read(text);
      if (value !== undefined) return value;
      context.addIssue(expected);
      return z.NEVER;
    })
    .optional();
  TOLD.set(schema, told);
  return schema;
}

/** Any text that is not empty. */
export function text(description: string) {
  return parameter<string>('a text', { description, schema: { type: 'string', minLength: 1 } }, (given) =>
    given === '' ? undefined : given,
  );
}

/** A whole number between two bounds. */
export function whole(description: string, minimum: number, maximum: number, byDefault?: number) {
  const schema = { type: 'integer', minimum, maximum, ...(byDefault === undefined ? {} : { default: byDefault }) };
  return parameter(`a whole number from ${minimum} to ${maximum}`, { description, schema }, (given) => {
    const value = /^\d+$/.test(given) ? Number(given) : Number.NaN;
    return value >= minimum && value <= maximum ? value : undefined;
  });
}

/** A length of time, from none to some seconds. */
export function length(description: string, most: number) {
  const told = { description, schema: { anyOf: [{ type: 'number', minimum: 0, maximum: most }, { type: 'string' }] } };
  return parameter(`a length of time such as 5s or 500ms, up to ${most}s`, told, (given) => {
    const seconds = readDuration(given);
    return seconds !== undefined && seconds <= most ? seconds : undefined;
  });
}

/** One of some words. */
export function oneOf<const Word extends string>(description: string, words: readonly Word[]) {
  const told = { description, schema: { type: 'string', enum: words } };
  return parameter(`one of ${words.join(', ')}`, told, (given) => words.find((word) => word === given));
}

/** A moment: ISO 8601, in UTC where it names no offset, epoch seconds, or relative to now → epoch seconds. */
export function moment(description: string) {
  const schema = {
    anyOf: [
      { type: 'number', description: 'epoch seconds' },
      { type: 'string', format: 'date-time' },
      { type: 'string', pattern: '^-', examples: ['-15m'] },
    ],
  };
  const expected = 'a time such as 2026-11-24T12:00:00Z, 1795521600 (epoch seconds) or -15m';
  const told = {
    description: `${description} ISO 8601, epoch seconds, or before now: \`-15m\`.`,
    schema,
    moment: true,
  };
  return parameter(expected, told, (given) => {
    const time = readTime(given, Number.NaN);
    return time === undefined || Number.isNaN(time) ? undefined : time;
  });
}
