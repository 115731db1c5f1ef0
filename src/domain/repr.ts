/**
 * Finds values inside the display strings of Celery (`args`, `kwargs`, `result`): Python-like reprs, cut by the sender, in
 * which not everything is escaped (`celery.utils.saferepr`). It reads what it can be sure of and gives up on the rest:
 *
 * - Strings stand in single quotes; a quote inside one has exactly one backslash before it (`_format_chars`), so a quote
 *   without one ends the string, always. More backslashes, bytes (their quotes are bare) and double quotes are not certain.
 * - What is neither string nor container is a number, a name, a call such as `Decimal('1')`, `...` or `<…>`.
 * - A key that ends in `...` was cut, so it may be any.
 */

/** Steps that lead to a value: keys, positions in a list, `*` (any one) or `**` (any number). None left: this is it. */
export type Path = readonly string[];

/** What remains of the paths one step further down; an empty one means: here. */
export function descend(paths: readonly Path[], key: string): Path[] {
  return paths.flatMap((path) => {
    const [first, ...rest] = path;
    if (first === undefined) return [];
    if (first === '**') return [path, ...descend([rest], key)];
    return first === '*' || first === key ? [rest] : [];
  });
}

/** One of the paths ends here. */
export function isHere(paths: readonly Path[]): boolean {
  return paths.some((path) => path.length === 0);
}

/** The keys that paths end in, as they would stand in a text inside a text: `"password": `, `password=`. */
export function mentions(paths: readonly Path[]): RegExp | null {
  const names = paths.flatMap((path) => path.slice(-1)).filter((name) => /[^*\d]/.test(name));
  if (names.length === 0) return null;
  const escaped = names.map((name) => name.replace(/[^\w\s]/g, '\\$&'));
  return new RegExp(`(?<!\\w)(?:${escaped.join('|')})(?!\\w)\\\\*["']?\\s*[:=]`);
}

/** A value in a text: from its first character up to and without `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Where the values are that these paths lead to, in order. Null: the text cannot be read with certainty. */
export function findInRepr(text: string, paths: readonly Path[]): readonly Span[] | null {
  const scan = new Scan(text, mentions(paths));
  try {
    scan.value(paths, 0);
  } catch {
    // Uncertain, or too long for the stack or the regular expressions, which comes to the same.
    return null;
  }
  return scan.at === text.length ? scan.found : null;
}

/** Deeper than saferepr ever goes (3). */
const MAX_DEPTH = 50;

const STRING = /'(?:[^'\\]|\\'|\\+(?!['\\]))*'/y;
const WORD = /[\w.+-]+|<[^<>'"()[\]{}\n]*>/y;
const SPACE = /\s*/y;
const CLOSERS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

class Scan {
  readonly found: Span[] = [];
  at = 0;
  readonly #text: string;
  readonly #mentions: RegExp | null;

  constructor(text: string, mentions: RegExp | null) {
    this.#text = text;
    this.#mentions = mentions;
  }

  /** Reads one value, notes what the paths lead to in it, and returns what it is as a key. Throws where it is not sure. */
  value(paths: readonly Path[], depth: number): string {
    if (depth > MAX_DEPTH) throw new Error('too deep');
    const start = this.at;
    const sign = this.#text[start] ?? '';
    // What is found goes as a whole: nothing more is looked for in it.
    const found = isHere(paths);
    if (sign in CLOSERS) {
      this.#container(sign, found ? [] : paths, depth);
      if (found) this.#note(start);
      return '';
    }
    const string = this.#take(STRING);
    if (string === null) this.#word(depth);
    const text = this.#text.slice(start, this.at);
    // A path may lead into an object whose repr is its own business, or into a text inside the text.
    const opaque = paths.length > 0 && string === null && /[<(]/.test(text);
    if (found || opaque || this.#mentions?.test(text)) this.#note(start);
    return string === null ? text : string.slice(1, -1);
  }

  /** A number, a name or `<…>`, or a call: a name with what stands in brackets behind it. */
  #word(depth: number): void {
    const word = this.#take(WORD);
    if (word === null) throw new Error('not a value');
    if (this.#text[this.at] === '(' && /^[a-z_]/i.test(word)) this.#container('(', [], depth);
  }

  /** Reads `(1, 2)`, `[…]`, `{k: v}` or `{1, 2}`, from its opening bracket to behind the closing one. */
  #container(open: string, paths: readonly Path[], depth: number): void {
    const close = CLOSERS[open] ?? '';
    this.at += 1;
    for (let n = 0; !this.#skip(close); n++) {
      if (n > 0) {
        if (!this.#skip(',')) throw new Error('neither a comma nor the end');
        if (this.#skip(close)) return;
      }
      if (open !== '{') {
        this.value(descend(paths, String(n)), depth + 1);
        continue;
      }
      // The element of a set, to which no path leads, or a key.
      const key = this.value([], depth + 1);
      if (!this.#skip(':')) continue;
      if (key.endsWith('...')) throw new Error('a key that was cut');
      this.#take(SPACE);
      this.value(descend(paths, key), depth + 1);
    }
  }

  #note(start: number): void {
    // What was found inside it is part of it.
    while ((this.found.at(-1)?.start ?? -1) >= start) this.found.pop();
    this.found.push({ start, end: this.at });
  }

  /** Goes over white space, then over the sign if it is there, with the space behind it. */
  #skip(sign: string): boolean {
    this.#take(SPACE);
    if (this.#text[this.at] !== sign) return false;
    this.at += 1;
    this.#take(SPACE);
    return true;
  }

  #take(pattern: RegExp): string | null {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.#text)?.[0] ?? null;
    this.at += match?.length ?? 0;
    return match;
  }
}
