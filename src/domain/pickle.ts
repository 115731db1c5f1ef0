/**
 * Reads pickles, protocols 0 to 5, as data. A pickle is a program for a small stack machine; its steps that put values together are
 * done, those that import or call something leave a note of its name. So nothing in it runs, whatever it holds. Time and memory
 * are bounded: by the number of steps, of which none makes more than it reads, and by that of what is made.
 */
import { classOf, objectOf } from './pickle-calls.ts';
import { Machine } from './pickle-machine.ts';
import { Broken, floatOf, intFrom, intOf, nameText, oldText, quotedText, rawUnicode, utf8 } from './pickle-scalars.ts';
import { isKind, type PythonValue } from './python-value.ts';

export type Unpickled =
  | { readonly ok: true; readonly value: PythonValue }
  /** `problem` completes the sentence "the pickle …". */
  | { readonly ok: false; readonly problem: string };

/** Never throws. What follows the end of the pickle is not looked at, as in Python. */
export function readPickle(bytes: Uint8Array): Unpickled {
  const machine = new Machine(bytes);
  try {
    while (true) {
      const { op, at } = machine.step();
      if (op === STOP) return { ok: true, value: machine.pop() };
      const step = STEPS[op];
      if (!step) throw new Broken(`has the opcode ${shown(op)} at byte ${at}, which no protocol up to 5 has`);
      step(machine);
    }
  } catch (error) {
    if (error instanceof Broken) return { ok: false, problem: error.message };
    throw error;
  }
}

type Step = (machine: Machine) => void;

const STOP = 0x2e;

/** By opcode, with the names of Lib/pickle.py; those of protocols 0 and 1 are one printable character. */
const STEPS: readonly (Step | undefined)[] = table({
  // MARK, POP, POP_MARK, DUP
  '(': (m) => m.mark(),
  '0': (m) => m.discard(),
  '1': (m) => m.marked(),
  '2': (m) => m.push(m.top()),

  // NONE, INT, LONG, BININT, BININT1, BININT2, FLOAT, BINFLOAT
  N: (m) => m.push(null),
  I: (m) => m.push(intOrBool(m.line())),
  L: (m) => m.push(intOf(m.line().replace(/L$/, ''))),
  J: (m) => m.push(BigInt(m.int())),
  K: (m) => m.push(BigInt(m.uint(1))),
  M: (m) => m.push(BigInt(m.uint(2))),
  F: (m) => m.push(floatOf(m.line())),
  G: (m) => m.push(m.double()),

  // STRING, BINSTRING, SHORT_BINSTRING, UNICODE, BINUNICODE, BINBYTES, SHORT_BINBYTES
  S: (m) => m.push(quotedText(m.line())),
  T: (m) => m.make(oldText(m.take(m.uint(4)))),
  U: (m) => m.make(oldText(m.take(m.uint(1)))),
  V: (m) => m.push(rawUnicode(m.line())),
  X: (m) => m.push(utf8(m.take(m.uint(4)))),
  B: (m) => m.make(m.take(m.uint(4))),
  C: (m) => m.make(m.take(m.uint(1))),

  // EMPTY_LIST, EMPTY_TUPLE, EMPTY_DICT, LIST, TUPLE, DICT
  ']': (m) => m.make({ kind: 'list', items: [] }),
  ')': (m) => m.make({ kind: 'tuple', items: [] }),
  '}': (m) => m.make({ kind: 'dict', entries: [] }),
  l: (m) => m.make({ kind: 'list', items: m.marked() }),
  t: (m) => m.make({ kind: 'tuple', items: m.marked() }),
  d: (m) => {
    const parts = m.marked();
    m.make({ kind: 'dict', entries: [] });
    setItems(m, parts);
  },

  // APPEND, APPENDS, SETITEM, SETITEMS
  a: (m) => append(m, [m.pop()]),
  e: (m) => append(m, m.marked()),
  s: (m) => setItems(m, m.popMany(2)),
  u: (m) => setItems(m, m.marked()),

  // GET, BINGET, LONG_BINGET, PUT, BINPUT, LONG_BINPUT
  g: (m) => m.recall(Number(m.line())),
  h: (m) => m.recall(m.uint(1)),
  j: (m) => m.recall(m.uint(4)),
  p: (m) => m.memoize(Number(m.line())),
  q: (m) => m.memoize(m.uint(1)),
  r: (m) => m.memoize(m.uint(4)),

  // GLOBAL, INST, OBJ, REDUCE, BUILD, PERSID, BINPERSID
  c: (m) => m.make(m.classOf(nameText(m.line()), nameText(m.line()))),
  i: (m) => m.call(m.classOf(nameText(m.line()), nameText(m.line())), { kind: 'tuple', items: m.marked() }),
  o: (m) => {
    const [of = null, ...items] = m.marked();
    m.call(of, { kind: 'tuple', items });
  },
  R: (m) => callTop(m),
  b: (m) => build(m),
  P: (m) => {
    m.line();
    m.make(persistent());
  },
  Q: (m) => {
    m.pop();
    m.make(persistent());
  },

  PROTO: [
    0x80,
    (m) => {
      m.protocol = m.uint(1);
      if (m.protocol > 5) throw new Broken(`is of protocol ${m.protocol}; expected 0 to 5`);
    },
  ],
  NEWOBJ: [0x81, (m) => callTop(m)],
  EXT1: [0x82, (m) => m.make(classOf('', `extension ${m.uint(1)}`))],
  EXT2: [0x83, (m) => m.make(classOf('', `extension ${m.uint(2)}`))],
  EXT4: [0x84, (m) => m.make(classOf('', `extension ${m.uint(4)}`))],
  TUPLE1: [0x85, (m) => m.make({ kind: 'tuple', items: m.popMany(1) })],
  TUPLE2: [0x86, (m) => m.make({ kind: 'tuple', items: m.popMany(2) })],
  TUPLE3: [0x87, (m) => m.make({ kind: 'tuple', items: m.popMany(3) })],
  NEWTRUE: [0x88, (m) => m.push(true)],
  NEWFALSE: [0x89, (m) => m.push(false)],
  LONG1: [0x8a, (m) => m.push(intFrom(m.take(m.uint(1))))],
  LONG4: [0x8b, (m) => m.push(intFrom(m.take(m.uint(4))))],
  SHORT_BINUNICODE: [0x8c, (m) => m.push(utf8(m.take(m.uint(1))))],
  BINUNICODE8: [0x8d, (m) => m.push(utf8(m.take(m.long())))],
  BINBYTES8: [0x8e, (m) => m.make(m.take(m.long()))],
  EMPTY_SET: [0x8f, (m) => m.make({ kind: 'set', items: [] })],
  ADDITEMS: [
    0x90,
    (m) => {
      const items = m.marked();
      const set = m.top();
      if (isKind(set, 'set')) for (const item of items) set.items.push(item);
      else if (!isKind(set, 'object')) throw new Broken('adds to what is no set');
    },
  ],
  FROZENSET: [0x91, (m) => m.make({ kind: 'frozenset', items: m.marked() })],
  NEWOBJ_EX: [
    0x92,
    (m) => {
      const [of = null] = m.popMany(3);
      // With keyword arguments: of these none is known.
      m.call(of, null);
    },
  ],
  STACK_GLOBAL: [
    0x93,
    (m) => {
      const [module, name] = m.popMany(2);
      if (typeof module !== 'string' || typeof name !== 'string') throw new Broken('names a class by what is no text');
      m.make(m.classOf(module, name));
    },
  ],
  MEMOIZE: [0x94, (m) => m.memoize()],
  FRAME: [0x95, (m) => m.require(m.long())],
  BYTEARRAY8: [0x96, (m) => m.make({ kind: 'bytearray', bytes: m.take(m.long()) })],
});

function table(steps: Readonly<Record<string, Step | readonly [number, Step]>>): readonly (Step | undefined)[] {
  const made: (Step | undefined)[] = new Array(256).fill(undefined);
  for (const [name, step] of Object.entries(steps)) {
    if (typeof step === 'function') made[name.charCodeAt(0)] = step;
    else made[step[0]] = step[1];
  }
  return made;
}

/** An object that its pickler knew by an id of its own. */
function persistent(): PythonValue {
  return objectOf(classOf('', 'persistent'), null);
}

function intOrBool(line: string): PythonValue {
  if (line === '00') return false;
  return line === '01' ? true : intOf(line);
}

function callTop(machine: Machine): void {
  const [callable = null, args = null] = machine.popMany(2);
  machine.call(callable, args);
}

function append(machine: Machine, items: readonly PythonValue[]): void {
  const list = machine.top();
  if (isKind(list, 'list')) for (const item of items) list.items.push(item);
  // Of a class that is a list with something more, nothing but the class is known.
  else if (!isKind(list, 'object')) throw new Broken('appends to what is no list');
}

function setItems(machine: Machine, parts: readonly PythonValue[]): void {
  const dict = machine.top();
  if (parts.length % 2 === 1) throw new Broken('has a key without a value');
  if (isKind(dict, 'dict')) {
    for (let n = 0; n < parts.length; n += 2) dict.entries.push([parts[n] ?? null, parts[n + 1] ?? null]);
  } else if (!isKind(dict, 'object')) throw new Broken('sets items of what is no dict');
}

function build(machine: Machine): void {
  const state = machine.pop();
  const object = machine.top();
  if (isKind(object, 'object')) object.state = state;
  else if (!isKind(object, 'class', 'text')) throw new Broken('gives a state to what has none');
}

function shown(op: number): string {
  return op > 0x20 && op < 0x7f ? `"${String.fromCharCode(op)}"` : `0x${op.toString(16).padStart(2, '0')}`;
}
