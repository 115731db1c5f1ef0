/** The machine that pickles are programs for (Lib/pickle.py, `_Unpickler`): a stack with marks, a memo, and bounds on all. */
import { call, classOf } from './pickle-calls.ts';
import { Broken, latin1 } from './pickle-scalars.ts';
import { isKind, type PythonClass, type PythonValue } from './python-value.ts';

/** A list of so many numbers is read whole. */
const MAX_STEPS = 1_000_000;

/** Lists, dicts, bytes and the like, of which an empty one takes a hundred times the byte that it is written with. */
const MAX_MADE = 100_000;

/** Protocols 0 to 2 name modules as Python 2 did (Lib/_compat_pickle.py). */
const OLD_MODULES: Readonly<Record<string, string>> = {
  __builtin__: 'builtins',
  exceptions: 'builtins',
  copy_reg: 'copyreg',
};

/** All methods throw Broken where the pickle does what no pickle may. */
export class Machine {
  protocol = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #steps = 0;
  #made = 0;
  #encoded = 0;
  #stack: PythonValue[] = [];
  /** The stacks below the marks. */
  readonly #below: PythonValue[][] = [];
  readonly #memo: PythonValue[] = [];
  #memoized = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** The next opcode, and where it stands. */
  step(): { readonly op: number; readonly at: number } {
    if (++this.#steps > MAX_STEPS) throw new Broken(`takes more than ${MAX_STEPS} steps`);
    return { op: this.uint(1), at: this.#at - 1 };
  }

  push(value: PythonValue): void {
    this.#stack.push(value);
  }

  /** Pushes what takes memory of its own. */
  make(value: PythonValue): void {
    this.#count();
    this.#stack.push(value);
  }

  /** Pushes what a call makes. */
  call(callable: PythonValue, args: PythonValue): void {
    const made = call(callable, args);
    // One text may be made bytes of many times.
    if (made instanceof Uint8Array) this.#encoded += made.length;
    if (isKind(made, 'bytearray')) this.#encoded += made.bytes.length;
    if (this.#encoded > this.#bytes.length) throw new Broken('makes more bytes than it has');
    this.make(made);
  }

  classOf(module: string, name: string): PythonClass {
    const known = this.protocol < 3 && Object.hasOwn(OLD_MODULES, module) ? OLD_MODULES[module] : undefined;
    return classOf(known ?? module, name);
  }

  pop(): PythonValue {
    const value = this.#stack.pop();
    if (value === undefined) throw new Broken('takes from an empty stack');
    return value;
  }

  popMany(count: number): PythonValue[] {
    if (this.#stack.length < count) throw new Broken('takes from an empty stack');
    return this.#stack.splice(-count);
  }

  top(): PythonValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw new Broken('takes from an empty stack');
    return value;
  }

  mark(): void {
    this.#count();
    this.#below.push(this.#stack);
    this.#stack = [];
  }

  /** All that was pushed since the last mark. */
  marked(): PythonValue[] {
    const items = this.#stack;
    const below = this.#below.pop();
    if (below === undefined) throw new Broken('looks for a mark that it has not set');
    this.#stack = below;
    return items;
  }

  /** Takes the top away, which may be a mark that nothing follows. */
  discard(): void {
    if (this.#stack.length === 0 && this.#below.length > 0) this.marked();
    else this.pop();
  }

  /** @param key where it is left out, the next */
  memoize(key = this.#memoized): void {
    // Pickles count up. A key of any size would let them choose keys that are slow to find.
    if (!(key >= 0 && key <= this.#steps)) throw new Broken('memoizes in no order');
    if (this.#memo[key] === undefined) this.#memoized += 1;
    this.#memo[key] = this.top();
  }

  recall(key: number): void {
    const value = this.#memo[key];
    if (value === undefined) throw new Broken('recalls what it has not memoized');
    this.#stack.push(value);
  }

  /** Throws where fewer bytes are left. */
  require(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new Broken(`ends too early, after ${this.#bytes.length} bytes`);
  }

  take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  uint(size: 1 | 2 | 4): number {
    const start = this.#skip(size);
    if (size === 1) return this.#view.getUint8(start);
    return size === 2 ? this.#view.getUint16(start, true) : this.#view.getUint32(start, true);
  }

  int(): number {
    return this.#view.getInt32(this.#skip(4), true);
  }

  /** A length of eight bytes; what is more than a double can hold is more than any pickle has. */
  long(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  double(): number {
    return this.#view.getFloat64(this.#skip(8), false);
  }

  /** Up to a newline, in Latin-1. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) this.require(Infinity);
    const line = latin1(this.take(end - this.#at));
    this.#at += 1;
    return line;
  }

  #count(): void {
    if (++this.#made > MAX_MADE) throw new Broken(`makes more than ${MAX_MADE} lists, dicts and the like`);
  }

  /** Goes on by so many bytes; returns where they begin. */
  #skip(length: number): number {
    this.require(length);
    this.#at += length;
    return this.#at - length;
  }
}
