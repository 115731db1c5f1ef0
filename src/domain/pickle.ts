/**
 * Reads pickles, protocols 0 to 5, as data. A pickle is a program for a small stack machine (Lib/pickle.py, `_Unpickler`); its
 * steps that put values together are done, those that import or call something leave a note of its name. So nothing in it
 * runs, whatever it holds. Time and memory are bounded: by the number of steps, of which none makes more than it reads, and by that
 * of what is made.
 */
import { call, classOf, objectOf } from './pickle-calls.ts';
import {
  Broken,
  floatOf,
  intFrom,
  intOf,
  latin1,
  nameText,
  oldText,
  quotedText,
  rawUnicode,
  utf8,
} from './pickle-scalars.ts';
import { isKind, type PythonClass, type PythonValue } from './python-value.ts';

export type Unpickled =
  | { readonly ok: true; readonly value: PythonValue }
  /** `problem` completes the sentence "the pickle …". */
  | { readonly ok: false; readonly problem: string };

/** Never throws. What follows the end of the pickle is not looked at, as in Python. */
export function readPickle(bytes: Uint8Array): Unpickled {
  try {
    return { ok: true, value: new Machine(bytes).run() };
  } catch (error) {
    if (error instanceof Broken) return { ok: false, problem: error.message };
    throw error;
  }
}

/** Opcodes by their names in Lib/pickle.py; those that are one printable character are written as that. */
const OP = {
  PROTO: 0x80,
  NEWOBJ: 0x81,
  EXT1: 0x82,
  EXT2: 0x83,
  EXT4: 0x84,
  TUPLE1: 0x85,
  TUPLE2: 0x86,
  TUPLE3: 0x87,
  NEWTRUE: 0x88,
  NEWFALSE: 0x89,
  LONG1: 0x8a,
  LONG4: 0x8b,
  SHORT_BINUNICODE: 0x8c,
  BINUNICODE8: 0x8d,
  BINBYTES8: 0x8e,
  EMPTY_SET: 0x8f,
  ADDITEMS: 0x90,
  FROZENSET: 0x91,
  NEWOBJ_EX: 0x92,
  STACK_GLOBAL: 0x93,
  MEMOIZE: 0x94,
  FRAME: 0x95,
  BYTEARRAY8: 0x96,
} as const;

/** A list of so many numbers is read whole. */
const MAX_STEPS = 1_000_000;

/** Lists, dicts, bytes and the like, of which an empty one takes a hundred times the byte that it is written with. */
const MAX_MADE = 200_000;

class Machine {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;
  #steps = 0;
  #made = 0;
  #encoded = 0;
  #protocol = 0;
  #stack: PythonValue[] = [];
  /** The stacks below the marks. */
  readonly #below: PythonValue[][] = [];
  readonly #memo: PythonValue[] = [];
  #memoized = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  run(): PythonValue {
    while (true) {
      if (++this.#steps > MAX_STEPS) throw new Broken(`takes more than ${MAX_STEPS} steps`);
      const op = this.#uint(1);
      const character = String.fromCharCode(op);
      if (character === '.') return this.#pop();
      if (!(op < 0x80 ? this.#old(character) : this.#new(op))) {
        const name = op > 0x20 && op < 0x7f ? `"${character}"` : `0x${op.toString(16).padStart(2, '0')}`;
        throw new Broken(`has the opcode ${name} at byte ${this.#at - 1}, which no protocol up to 5 has`);
      }
    }
  }

  /** Protocols 0 and 1, and `B` and `C` of protocol 3. False: there is no such opcode. */
  #old(op: string): boolean {
    switch (op) {
      case '(':
        this.#count();
        this.#below.push(this.#stack);
        this.#stack = [];
        return true;
      case '0':
        // A mark that nothing follows.
        if (this.#stack.length === 0 && this.#below.length > 0) this.#stack = this.#below.pop() ?? [];
        else this.#pop();
        return true;
      case '1':
        this.#marked();
        return true;
      case '2':
        return this.#push(this.#top());
      case 'N':
        return this.#push(null);
      case 'I':
        return this.#push(this.#boolOrInt(this.#line()));
      case 'L':
        return this.#push(intOf(this.#line().replace(/L$/, '')));
      case 'J':
        return this.#push(BigInt(this.#view.getInt32(this.#skip(4), true)));
      case 'K':
        return this.#push(BigInt(this.#uint(1)));
      case 'M':
        return this.#push(BigInt(this.#uint(2)));
      case 'F':
        return this.#push(floatOf(this.#line()));
      case 'G':
        return this.#push(this.#view.getFloat64(this.#skip(8), false));
      case 'S':
        return this.#push(quotedText(this.#line()));
      case 'T':
        return this.#push(oldText(this.#take(this.#uint(4))));
      case 'U':
        return this.#push(oldText(this.#take(this.#uint(1))));
      case 'V':
        return this.#push(rawUnicode(this.#line()));
      case 'X':
        return this.#push(utf8(this.#take(this.#uint(4))));
      case 'B':
        return this.#make(this.#take(this.#uint(4)));
      case 'C':
        return this.#make(this.#take(this.#uint(1)));
      case ']':
        return this.#make({ kind: 'list', items: [] });
      case ')':
        return this.#make({ kind: 'tuple', items: [] });
      case '}':
        return this.#make({ kind: 'dict', entries: [] });
      case 'l':
        return this.#make({ kind: 'list', items: this.#marked() });
      case 't':
        return this.#make({ kind: 'tuple', items: this.#marked() });
      case 'd': {
        const parts = this.#marked();
        this.#make({ kind: 'dict', entries: [] });
        return this.#setItems(parts);
      }
      case 'a':
        return this.#append([this.#pop()]);
      case 'e':
        return this.#append(this.#marked());
      case 's':
        return this.#setItems(this.#popMany(2));
      case 'u':
        return this.#setItems(this.#marked());
      case 'g':
        return this.#push(this.#recall(Number(this.#line())));
      case 'h':
        return this.#push(this.#recall(this.#uint(1)));
      case 'j':
        return this.#push(this.#recall(this.#uint(4)));
      case 'p':
        return this.#memoize(Number(this.#line()));
      case 'q':
        return this.#memoize(this.#uint(1));
      case 'r':
        return this.#memoize(this.#uint(4));
      case 'c':
        return this.#make(this.#class(nameText(this.#line()), nameText(this.#line())));
      case 'i': {
        const of = this.#class(nameText(this.#line()), nameText(this.#line()));
        return this.#make(this.#call(of, { kind: 'tuple', items: this.#marked() }));
      }
      case 'o': {
        const [of = null, ...items] = this.#marked();
        return this.#make(this.#call(of, { kind: 'tuple', items }));
      }
      case 'R': {
        const [callable = null, args = null] = this.#popMany(2);
        return this.#make(this.#call(callable, args));
      }
      case 'b':
        return this.#build();
      case 'P':
        this.#line();
        return this.#make(objectOf(classOf('', 'persistent'), null));
      case 'Q':
        this.#pop();
        return this.#make(objectOf(classOf('', 'persistent'), null));
      default:
        return false;
    }
  }

  /** Protocols 2, 4 and 5. False: there is no such opcode. */
  #new(op: number): boolean {
    switch (op) {
      case OP.PROTO: {
        this.#protocol = this.#uint(1);
        if (this.#protocol > 5) throw new Broken(`is of protocol ${this.#protocol}; expected 0 to 5`);
        return true;
      }
      case OP.FRAME:
        this.#require(this.#long());
        return true;
      case OP.NEWTRUE:
        return this.#push(true);
      case OP.NEWFALSE:
        return this.#push(false);
      case OP.LONG1:
        return this.#push(intFrom(this.#take(this.#uint(1))));
      case OP.LONG4:
        return this.#push(intFrom(this.#take(this.#uint(4))));
      case OP.SHORT_BINUNICODE:
        return this.#push(utf8(this.#take(this.#uint(1))));
      case OP.BINUNICODE8:
        return this.#push(utf8(this.#take(this.#long())));
      case OP.BINBYTES8:
        return this.#make(this.#take(this.#long()));
      case OP.BYTEARRAY8:
        return this.#make({ kind: 'bytearray', bytes: this.#take(this.#long()) });
      case OP.TUPLE1:
      case OP.TUPLE2:
      case OP.TUPLE3:
        return this.#make({ kind: 'tuple', items: this.#popMany(op - OP.TUPLE1 + 1) });
      case OP.EMPTY_SET:
        return this.#make({ kind: 'set', items: [] });
      case OP.ADDITEMS: {
        const items = this.#marked();
        const set = this.#top();
        if (isKind(set, 'set')) for (const item of items) set.items.push(item);
        else if (!isKind(set, 'object')) throw new Broken('adds to what is no set');
        return true;
      }
      case OP.FROZENSET:
        return this.#make({ kind: 'frozenset', items: this.#marked() });
      case OP.MEMOIZE:
        return this.#memoize(this.#memoized);
      case OP.STACK_GLOBAL: {
        const [module, name] = this.#popMany(2);
        if (typeof module !== 'string' || typeof name !== 'string')
          throw new Broken('names a class by what is no text');
        return this.#make(this.#class(module, name));
      }
      case OP.NEWOBJ: {
        const [of = null, args = null] = this.#popMany(2);
        return this.#make(this.#call(of, args));
      }
      case OP.NEWOBJ_EX: {
        const [of = null] = this.#popMany(3);
        return this.#make(isKind(of, 'class') ? objectOf(of, null) : this.#call(of, null));
      }
      case OP.EXT1:
        return this.#extension(1);
      case OP.EXT2:
        return this.#extension(2);
      case OP.EXT4:
        return this.#extension(4);
      default:
        return false;
    }
  }

  #push(value: PythonValue): true {
    this.#stack.push(value);
    return true;
  }

  #make(value: PythonValue): true {
    this.#count();
    return this.#push(value);
  }

  #call(callable: PythonValue, args: PythonValue): PythonValue {
    const made = call(callable, args);
    // One text may be made bytes of many times.
    if (made instanceof Uint8Array) this.#encoded += made.length;
    if (isKind(made, 'bytearray')) this.#encoded += made.bytes.length;
    if (this.#encoded > this.#bytes.length) throw new Broken('makes more bytes than it has');
    return made;
  }

  #count(): void {
    if (++this.#made > MAX_MADE) throw new Broken(`makes more than ${MAX_MADE} lists, dicts and the like`);
  }

  /** Protocols 0 to 2 name modules as Python 2 did (Lib/_compat_pickle.py). */
  #class(module: string, name: string): PythonClass {
    const known = this.#protocol < 3 && Object.hasOwn(OLD_MODULES, module) ? OLD_MODULES[module] : undefined;
    return classOf(known ?? module, name);
  }

  #pop(): PythonValue {
    const value = this.#stack.pop();
    if (value === undefined) throw new Broken('takes from an empty stack');
    return value;
  }

  #popMany(count: number): PythonValue[] {
    if (this.#stack.length < count) throw new Broken('takes from an empty stack');
    return this.#stack.splice(-count);
  }

  #top(): PythonValue {
    const value = this.#stack.at(-1);
    if (value === undefined) throw new Broken('takes from an empty stack');
    return value;
  }

  /** All that was pushed since the last mark. */
  #marked(): PythonValue[] {
    const items = this.#stack;
    const below = this.#below.pop();
    if (below === undefined) throw new Broken('looks for a mark that it has not set');
    this.#stack = below;
    return items;
  }

  #append(items: readonly PythonValue[]): true {
    const list = this.#top();
    if (isKind(list, 'list')) for (const item of items) list.items.push(item);
    // Of a class that is a list with something more, nothing but the class is known.
    else if (!isKind(list, 'object')) throw new Broken('appends to what is no list');
    return true;
  }

  #setItems(parts: readonly PythonValue[]): true {
    const dict = this.#top();
    if (parts.length % 2 === 1) throw new Broken('has a key without a value');
    if (isKind(dict, 'dict')) {
      for (let n = 0; n < parts.length; n += 2) dict.entries.push([parts[n] ?? null, parts[n + 1] ?? null]);
    } else if (!isKind(dict, 'object')) throw new Broken('sets items of what is no dict');
    return true;
  }

  #build(): true {
    const state = this.#pop();
    const object = this.#top();
    if (isKind(object, 'object')) object.state = state;
    else if (!isKind(object, 'class', 'text')) throw new Broken('gives a state to what has none');
    return true;
  }

  #extension(size: number): true {
    return this.#make(classOf('', `extension ${this.#uint(size)}`));
  }

  #memoize(key: number): true {
    // Pickles count up. A key of any size would let them choose keys that are slow to find.
    if (!(key <= this.#steps)) throw new Broken('memoizes in no order');
    if (this.#memo[key] === undefined) this.#memoized += 1;
    this.#memo[key] = this.#top();
    return true;
  }

  #recall(key: number): PythonValue {
    const value = this.#memo[key];
    if (value === undefined) throw new Broken('recalls what it has not memoized');
    return value;
  }

  #require(length: number): void {
    if (length > this.#bytes.length - this.#at) throw new Broken(`ends too early, after ${this.#bytes.length} bytes`);
  }

  /** Goes on by so many bytes; returns where they begin. */
  #skip(length: number): number {
    this.#require(length);
    this.#at += length;
    return this.#at - length;
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #uint(size: number): number {
    const start = this.#skip(size);
    if (size === 1) return this.#view.getUint8(start);
    return size === 2 ? this.#view.getUint16(start, true) : this.#view.getUint32(start, true);
  }

  /** Eight bytes; what is more than a double can hold is more than any pickle has. */
  #long(): number {
    return Number(this.#view.getBigUint64(this.#skip(8), true));
  }

  #line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) throw new Broken(`ends too early, after ${this.#bytes.length} bytes`);
    const line = latin1(this.#take(end - this.#at));
    this.#at += 1;
    return line;
  }

  #boolOrInt(line: string): PythonValue {
    if (line === '00') return false;
    return line === '01' ? true : intOf(line);
  }
}

const OLD_MODULES: Readonly<Record<string, string>> = {
  __builtin__: 'builtins',
  exceptions: 'builtins',
  copy_reg: 'copyreg',
};
