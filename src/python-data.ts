/** Values of Python as JSON and as text, within bounds, and what of them neither can show; and the other way, for storing them. */
import type { Json } from './domain/event.ts';
import { classOf } from './domain/pickle-calls.ts';
import type { Picklable } from './domain/pickle-write.ts';
import { reprOf } from './domain/python-text.ts';
import {
  Budget,
  entryOf,
  isBuiltinException,
  isKind,
  MAX_DEPTH,
  nameOf,
  type PythonClass,
  type PythonDict,
  type PythonObject,
  type PythonValue,
  Untellable,
  uuidOf,
} from './domain/python-value.ts';
import { MonitorError } from './errors.ts';
import { tagBytes } from './python-json.ts';

/** Characters, more or less, of one value as it is told. */
const MAX_SIZE = 16_000_000;

/** Classes that are named. */
const MAX_CLASSES = 20;

export interface Told {
  /** Tuples and sets as lists, dates as text, and what else stands in README's table of marked forms. */
  readonly json: Json;
  /** As `repr()` writes it. */
  readonly text: string;
  /** Classes of objects that are more than data: of these nothing is shown but the name. */
  readonly opaque: readonly string[];
}

/** @throws Untellable */
export function tell(value: PythonValue): Told {
  const teller = new Teller();
  const json = teller.json(value, 0);
  return { json, text: reprOf(value, new Budget(MAX_SIZE)), opaque: [...teller.opaque] };
}

/** An exception as Celery's own JSON has it. @param message what it was made with */
function exceptionJson({ module, name }: PythonClass, message: readonly Json[]): Json {
  return { exc_type: name, exc_message: message, exc_module: module };
}

class Teller {
  readonly opaque = new Set<string>();
  readonly #budget = new Budget(MAX_SIZE);

  json(value: PythonValue, depth: number): Json {
    this.#budget.descend(depth);
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
    if (typeof value === 'bigint') return this.#int(value);
    if (typeof value === 'string') {
      this.#budget.spend(value.length);
      return value;
    }
    if (value instanceof Uint8Array) return this.#bytes(value);
    switch (value.kind) {
      case 'list':
      case 'tuple':
      case 'set':
      case 'frozenset':
        return value.items.map((item) => this.json(item, depth + 1));
      case 'dict':
        return this.#dict(value, depth);
      case 'bytearray':
        return this.#bytes(value.bytes);
      case 'text':
        return value.text;
      case 'class':
        return this.#opaque(value);
      case 'object':
        return this.#object(value, depth);
    }
  }

  #int(value: bigint): Json {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    const digits = String(value);
    this.#budget.spend(digits.length);
    return digits;
  }

  #bytes(bytes: Uint8Array): Json {
    this.#budget.spend(bytes.length);
    return tagBytes(bytes);
  }

  /** With keys as Python's json module writes them; where two would be the same, as a list of pairs. */
  #dict({ entries }: PythonDict, depth: number): Json {
    const pairs = entries.map(([key, value]) => [this.#key(key, depth + 1), this.json(value, depth + 1)] as const);
    const names = new Set(pairs.map(([key]) => key));
    if (names.size === pairs.length) return Object.fromEntries(pairs);
    return entries.map(([key], n) => [this.json(key, depth + 1), pairs[n]?.[1] ?? null]);
  }

  #key(key: PythonValue, depth: number): string {
    if (typeof key === 'string') {
      this.#budget.spend(key.length);
      return key;
    }
    const json = this.json(key, depth);
    return json === null || typeof json === 'boolean' ? String(json) : reprOf(key, this.#budget, depth);
  }

  #object(object: PythonObject, depth: number): Json {
    const uuid = uuidOf(object);
    if (uuid !== null) return uuid;
    const { of, args } = object;
    if (args === null || !isBuiltinException(of)) return this.#opaque(of);
    return exceptionJson(
      of,
      args.map((arg) => this.json(arg, depth + 1)),
    );
  }

  #opaque(of: PythonClass): Json {
    const name = nameOf(of);
    this.#budget.spend(name.length);
    if (this.opaque.size < MAX_CLASSES) this.opaque.add(name);
    return { __type__: name };
  }
}

/** Why a value cannot be told; null for an error of another kind. */
export function untellable(error: unknown): string | null {
  return error instanceof Untellable ? `the value ${error.message}` : null;
}

/**
 * A value of JavaScript as Python has it: JSON, and besides it bigint (`int`) and Uint8Array (`bytes`). Whole numbers are `int`s.
 * @throws MonitorError VALUE_REFUSED for what is none of these
 */
export function toPython(value: unknown, depth = 0): Picklable {
  if (depth > MAX_DEPTH) throw refused(`what is nested deeper than ${MAX_DEPTH} levels, or holds itself`);
  if (value === null || value instanceof Uint8Array) return value;
  switch (typeof value) {
    case 'boolean':
    case 'string':
    case 'bigint':
      return value;
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
    case 'object': {
      if (Array.isArray(value)) return { kind: 'list', items: value.map((item) => toPython(item, depth + 1)) };
      const prototype: unknown = Object.getPrototypeOf(value);
      if (prototype !== null && prototype !== Object.prototype) throw refused(`a ${value.constructor.name}`);
      // As in JSON, a property that is undefined is none.
      const entries = Object.entries(value).filter(([, part]) => part !== undefined);
      return { kind: 'dict', entries: entries.map(([key, part]) => [key, toPython(part, depth + 1)]) };
    }
    default:
      throw refused(typeof value === 'undefined' ? 'undefined' : `a ${typeof value}`);
  }
}

function refused(what: string): MonitorError {
  const expected = 'expected what JSON can hold, bigint or Uint8Array';
  return new MonitorError('VALUE_REFUSED', `${what} cannot be stored as a result; ${expected}`);
}

/** An exception, pickled or as Celery's JSON has it: as that JSON, and as Python writes it. What is none is told as any value. */
export function tellException(value: PythonValue): Told {
  const exception = exceptionIn(value);
  if (!exception) return tell(value);
  const { of, args } = exception;
  const { json, text, opaque } = tell({ kind: 'tuple', items: [...args] });
  return {
    json: isKind(value, 'dict') ? tell(value).json : exceptionJson(of, json as readonly Json[]),
    text: `${of.name}${text.replace(/,\)$/, ')')}`,
    opaque,
  };
}

function exceptionIn(value: PythonValue): { readonly of: PythonClass; readonly args: readonly PythonValue[] } | null {
  if (isKind(value, 'object')) {
    const [module, name, inner] = value.args ?? [];
    // What Celery puts in the place of an exception that cannot be pickled.
    if (value.of.name === 'UnpickleableExceptionWrapper' && typeof module === 'string' && typeof name === 'string') {
      return { of: classOf(module, name), args: itemsOf(inner) };
    }
    return { of: value.of, args: value.args ?? [] };
  }
  if (!isKind(value, 'dict')) return null;
  const name = entryOf(value, 'exc_type');
  const module = entryOf(value, 'exc_module');
  if (typeof name !== 'string') return null;
  const of = classOf(typeof module === 'string' ? module : '', name);
  return { of, args: itemsOf(entryOf(value, 'exc_message')) };
}

function itemsOf(value: PythonValue | undefined): readonly PythonValue[] {
  if (value === undefined || value === null) return [];
  return isKind(value, 'tuple', 'list') ? value.items : [value];
}

/** An error of JavaScript as Celery stores an exception: of a class by its name, which Python makes up where there is none. */
export function fromError({ name, message }: Error): Picklable {
  return {
    kind: 'dict',
    entries: [
      ['exc_type', name],
      ['exc_message', { kind: 'tuple', items: [message] }],
      ['exc_module', null],
    ],
  };
}
