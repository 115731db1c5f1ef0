/**
 * Values of Python as data: what a pickle or a worker's JSON holds, with nothing behind it that could run. What is more than
 * data is an object of which only its class, and what it was made with, are known.
 */

export type PythonValue =
  | (null | boolean | string | Uint8Array)
  /** An `int`. */
  | bigint
  /** A `float`. */
  | number
  | (PythonItems | PythonDict | PythonBytearray | PythonText | PythonClass | PythonObject);

export interface PythonItems {
  readonly kind: 'list' | 'tuple' | 'set' | 'frozenset';
  readonly items: PythonValue[];
}

export interface PythonDict {
  readonly kind: 'dict';
  /** In their order. A pickle that Python wrote has no key twice. */
  readonly entries: (readonly [key: PythonValue, value: PythonValue])[];
}

export interface PythonBytearray {
  readonly kind: 'bytearray';
  readonly bytes: Uint8Array;
}

/** A date, a time, a `Decimal`, a `complex`, a `UUID`, …: plain, and told by its text. */
export interface PythonText {
  readonly kind: 'text';
  /** As `str()` has it; of dates ISO 8601. */
  readonly text: string;
  readonly repr: string;
}

/** A class or function by itself. */
export interface PythonClass {
  readonly kind: 'class';
  /** `builtins.ValueError` */
  readonly module: string;
  readonly name: string;
}

export interface PythonObject {
  readonly kind: 'object';
  readonly of: PythonClass;
  /** What it was made with: of an exception its `args`. Null: that is not data. */
  readonly args: readonly PythonValue[] | null;
  /** What it was given after that. */
  state?: PythonValue;
}

/** What cannot be told: the message completes the sentence "the value …". */
export class Untellable extends Error {
  override readonly name = 'Untellable';
}

/** Levels of nesting that are told. A value that holds itself has no end of them. */
export const MAX_DEPTH = 100;

/**
 * Keeps the telling of a value within bounds: what stands in it once may be told a million times, and what holds itself for
 * ever. All methods throw Untellable.
 */
export class Budget {
  #left: number;

  /** @param size characters, more or less */
  constructor(size: number) {
    this.#left = size;
  }

  spend(characters: number): void {
    this.#left -= characters;
    if (this.#left < 0) throw new Untellable('is too large once what it repeats is written out');
  }

  descend(depth: number): void {
    this.spend(1);
    if (depth > MAX_DEPTH) throw new Untellable(`is nested deeper than ${MAX_DEPTH} levels, or holds itself`);
  }
}

/** The value of a key that is text; undefined where there is none. */
export function entryOf({ entries }: PythonDict, key: string): PythonValue | undefined {
  return entries.findLast(([each]) => each === key)?.[1];
}

/** `myapp.models.Order`; of what needs no module to be found, its name alone. */
export function nameOf({ module, name }: PythonClass): string {
  return module === 'builtins' || module === '' ? name : `${module}.${name}`;
}

/** Exceptions of Python itself: what they were made with is all there is to them. */
export function isBuiltinException({ module, name }: PythonClass): boolean {
  return module === 'builtins' && /^[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|Iteration)$/.test(name);
}

/** A `UUID`, which pickles keep as an object with one number; null for any other object. */
export function uuidOf({ of, state }: PythonObject): string | null {
  if (of.module !== 'uuid' || of.name !== 'UUID') return null;
  const number = isKind(state, 'dict') ? entryOf(state, 'int') : undefined;
  if (typeof number !== 'bigint' || number < 0n || number >= 1n << 128n) return null;
  return number
    .toString(16)
    .padStart(32, '0')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

type Kinded = Extract<PythonValue, { readonly kind: string }>;
type OfKind<Kind, Of = Kinded> = Of extends { readonly kind: infer K }
  ? Extract<Kind, K> extends never
    ? never
    : Of
  : never;

/** Whether a value is of one of some kinds. */
export function isKind<Kind extends Kinded['kind']>(
  value: PythonValue | undefined,
  ...kinds: readonly Kind[]
): value is OfKind<Kind> {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false;
  return (kinds as readonly string[]).includes(value.kind);
}
