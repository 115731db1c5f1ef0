/** What the search box offers at a place in the text of a filter. Pure. */
import { FIELDS } from '../domain/filter.ts';

export interface Offer {
  /** What to put in place of the text from `from` to the caret. */
  readonly text: string;
  readonly from: number;
  readonly means: string;
}

/** What is there to choose from, by field. */
export type Known = Readonly<Partial<Record<string, readonly string[]>>>;

const MOST = 12;

/** @param caret where the next character goes, in code units */
export function offersAt(text: string, caret: number, known: Known): readonly Offer[] {
  const before = text.slice(0, caret);
  if ((before.match(/(?<!\\)"/g)?.length ?? 0) % 2 === 1) return [];
  const value = /(?:^|[\s(])([a-z]+):(?:[^\s"():]*,)?([^\s"():,]*)$/.exec(before);
  if (value) {
    const [, field = '', begun = ''] = value;
    const choices = known[field] ?? [];
    return choices
      .filter((choice) => choice.toLowerCase().includes(begun.toLowerCase()))
      .slice(0, MOST)
      .map((choice) => ({ text: quoted(choice), from: caret - begun.length, means: field }));
  }
  const [, begun = null] = /(?:^|[\s(])([a-z]*)$/.exec(before) ?? [];
  if (begun === null) return [];
  return FIELDS.filter(({ name }) => name.startsWith(begun)).map(({ name, kind, means }) => ({
    text: `${name}${kind === 'whole' || kind === 'contained' ? ':' : '>'}`,
    from: caret - begun.length,
    means,
  }));
}

/** A text as the filter language has it: in quotes where it needs them, nothing in it with a meaning of its own. */
export function quoted(text: string): string {
  const escaped = escaping(text);
  return /^[\w.@/\-\\*]+$/.test(escaped) && !/^(AND|OR|NOT)$/i.test(text) ? escaped : `"${escaped}"`;
}

/** The same for a parameter of its own. */
export function escaping(text: string): string {
  return text.replace(/[*"\\,]/g, '\\$&');
}
