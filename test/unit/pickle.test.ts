/** Pickles that mean harm: whatever they hold, they are data or are refused, soon and in little memory. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPickle } from '../../src/domain/pickle.ts';
import { writePickle } from '../../src/domain/pickle-write.ts';
import { type Told, tell, toPython, untellable } from '../../src/python-data.ts';
import { runs } from '../support/effort.ts';

const bytes = (...parts: readonly (string | number | Uint8Array)[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'number' ? Buffer.of(part) : typeof part === 'string' ? Buffer.from(part, 'latin1') : part,
    ),
  );

/** What a pickle holds, or why that cannot be told. */
function read(pickle: Uint8Array): Told | string {
  const unpickled = readPickle(pickle);
  if (!unpickled.ok) return unpickled.problem;
  try {
    return tell(unpickled.value);
  } catch (error) {
    const why = untellable(error);
    if (why === null) throw error;
    return why;
  }
}

const SYSTEM = ['posix', 'system'] as const;
const GLOBAL = `c${SYSTEM.join('\n')}\n`;

test.each([
  ['REDUCE', bytes(GLOBAL, "(S'rm -rf /'\ntR.")],
  ['INST', bytes(`(S'rm -rf /'\ni${SYSTEM.join('\n')}\n.`)],
  ['OBJ', bytes(`(${GLOBAL}S'rm -rf /'\no.`)],
  ['NEWOBJ', bytes(0x80, 2, GLOBAL, "(S'rm -rf /'\nt", 0x81, '.')],
  ['NEWOBJ_EX', bytes(0x80, 4, GLOBAL, "(S'rm -rf /'\nt}", 0x92, '.')],
  ['STACK_GLOBAL', bytes(0x80, 4, 0x8c, 5, 'posix', 0x8c, 6, 'system', 0x93, 'N', 0x85, 'R.')],
  ['BUILD', bytes(GLOBAL, '(tR}(S"a"\nI1\nub.')],
  ['by itself', bytes(GLOBAL, '.')],
])('a call (%s) is a name and nothing more', (_, pickle) => {
  const told = read(pickle);
  expect(told).toMatchObject({ json: { __type__: 'posix.system' }, opaque: ['posix.system'] });
  expect(JSON.stringify(told)).not.toContain('rm -rf');
});

const uint32 = (n: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(n);
  return buffer;
};

/** `[[…], […]]`: each list holds the one before twice. */
const laughs = bytes(
  0x80,
  4,
  ']',
  0x94,
  ...Array.from({ length: 200 }, (_, n) => bytes('](h', n, 'h', n, 'e', 0x94)),
  '.',
);

test.each([
  ['a list that holds itself', bytes('](lp0\ng0\na0]p1\ng1\na.'), /holds itself/],
  ['a million levels', bytes(']'.repeat(90_000), 'a'.repeat(89_999), '.'), /nested deeper/],
  ['a value that doubles with each byte', laughs, /too large|nested deeper/],
  [
    'a text told a thousand times',
    bytes('X', uint32(1e6), 'x'.repeat(1e6), 'q\0', '](', 'h\0'.repeat(1000), 'e.'),
    /too large/,
  ],
  ['a length beyond all memory', bytes(0x80, 4, 0x8e, Buffer.alloc(8, 0xff), 'x.'), /ends too early/],
  ['a text beyond its end', bytes('X', uint32(0xffffffff), 'x.'), /ends too early/],
  ['bytes made of one text again and again', encodings(), /more bytes than it has/],
  ['empty dicts', bytes('(', '}'.repeat(1e6), 'l.'), /makes more than/],
  ['marks', bytes('('.repeat(1e6), 'N.'), /makes more than/],
  ['steps', bytes('N', '2'.repeat(4e6), '.'), /more than 1000000 steps/],
  ['a memo far off', bytes('Nr', uint32(0xfffffff0), '.'), /memoizes in no order/],
  ['a number of a million digits', bytes('I', '9'.repeat(1e6), '\n.'), /4300 digits/],
  ['a number of a million bytes', bytes(0x80, 2, 0x8b, uint32(1e6), Buffer.alloc(1e6, 1), '.'), /4300 digits/],
  ['a protocol to come', bytes(0x80, 6, 'N.'), /protocol 6/],
  ['an opcode that there is not', bytes('\xff'), /opcode 0xff/],
  ['no end', bytes('N'), /ends too early/],
  ['nothing', bytes(), /ends too early/],
  ['an empty stack', bytes('.'), /empty stack/],
])('%s: is refused at once', (_, pickle, why) => {
  const start = process.cpuUsage();
  expect(read(pickle)).toMatch(why);
  const { user, system } = process.cpuUsage(start);
  expect(user + system).toBeLessThan(4_000_000);
});

function encodings(): Buffer {
  const text = bytes('X', uint32(1e6), 'x'.repeat(1e6), 'q\x01X', uint32(6), 'latin1', 'q\x02000');
  return bytes('c_codecs\nencode\nq\0', text, '](', 'h\0(h\x01h\x02tR'.repeat(5000), 'e.');
}

/** Opcodes with what may follow them. */
const STEPS: readonly string[] = [
  ...[...'(012N])}ltdaesubRo.'],
  ...[
    'I1\n',
    'I01\n',
    'L7L\n',
    'F1.5\n',
    "S'a'\n",
    'Va\\u0062\n',
    'K\x05',
    'M\x05\x05',
    'J\x01\x02\x03\x04',
    'X\x01\0\0\0a',
  ],
  ...[
    'U\x01a',
    'T\x01\0\0\0\xe9',
    'C\x02ab',
    'B\x01\0\0\0a',
    'G?\xf0\0\0\0\0\0\0',
    'g0\n',
    'h\x01',
    'p0\n',
    'q\x01',
    'P1\n',
    'Q',
  ],
  ...[
    'cbuiltins\nset\n',
    'cos\nsystem\n',
    'c_codecs\nencode\n',
    'cdatetime\ndatetime\n',
    'cbuiltins\nValueError\n',
    'iuuid\nUUID\n',
  ],
  ...[
    '\x80\x02',
    '\x81',
    '\x82\x01',
    '\x85',
    '\x86',
    '\x87',
    '\x88',
    '\x89',
    '\x8a\x01\xff',
    '\x8c\x01a',
    '\x8f',
    '\x90',
    '\x91',
  ],
  ...['\x92', '\x93', '\x94', '\x95\x01\0\0\0\0\0\0\0', '\x96\x01\0\0\0\0\0\0\0a', '\x97', '\x98'],
];

const program = fc
  .array(fc.constantFrom(...STEPS), { maxLength: 60 })
  .map((steps) => bytes(...steps, '.') as Uint8Array);

const good = fc.jsonValue({ maxDepth: 4 }).map((value) => writePickle(toPython(value)));

/** A pickle that was cut, changed in some bytes, or put together with another. */
const damaged = fc
  .tuple(good, fc.oneof(good, program), fc.nat(), fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }))
  .map(([one, other, cut, changes]) => {
    const whole = bytes(one.subarray(0, cut % (one.length + 1)), other) as Uint8Array;
    for (const [at, byte] of changes) whole[at % whole.length] = byte;
    return whole;
  });

test('10,000 hostile pickles are data or are refused', () => {
  const seen = { told: 0, refused: 0 };
  const start = performance.now();
  fc.assert(
    fc.property(fc.oneof(program, damaged, fc.uint8Array({ maxLength: 200 })), (pickle) => {
      const told = read(pickle);
      if (typeof told === 'string') {
        expect(told.length).toBeLessThan(200);
        seen.refused += 1;
        return;
      }
      seen.told += 1;
      const written = JSON.stringify(told.json);
      expect(JSON.stringify(JSON.parse(written))).toBe(written);
      expect(typeof told.text).toBe('string');
    }),
    { numRuns: runs(10_000) },
  );
  expect(seen.told).toBeGreaterThan(runs(10_000) / 50);
  expect(seen.refused).toBeGreaterThan(runs(10_000) / 50);
  expect(performance.now() - start).toBeLessThan(15_000);
  expect(Object.keys(Object.prototype)).toEqual([]);
});

test('what is written is read as it was', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const told = read(writePickle(toPython(value))) as Told;
      expect(JSON.stringify(told.json)).toEqual(JSON.stringify(value));
    }),
    { numRuns: runs(1000) },
  );
});

test('a key that would be a property of every object is a key like any other', () => {
  const told = read(bytes("(S'__proto__'\nS'constructor'\nd.")) as Told;
  expect(JSON.stringify(told.json)).toBe('{"__proto__":"constructor"}');
  expect(({} as Record<string, unknown>)['constructor']).toBe(Object);
});

test.each([
  [
    '(I1\nS"a"\nS"1"\nS"b"\nd.',
    [
      [1, 'a'],
      ['1', 'b'],
    ],
  ],
  ['(I1\nS"a"\nI2\nS"b"\nd.', { 1: 'a', 2: 'b' }],
  ['(I01\nN(I1\nI2\ntNd.', { true: null, '(1, 2)': null }],
  ['L9007199254740993L\n.', '9007199254740993'],
  ['Fnan\n.', 'NaN'],
  ['B\x02\0\0\0hi.', { __type__: 'bytes', __value__: 'hi' }],
  ['cbuiltins\nValueError\n(S"no"\ntR.', { exc_type: 'ValueError', exc_message: ['no'], exc_module: 'builtins' }],
])('as JSON: %j', (pickle, json) => {
  expect((read(bytes(pickle)) as Told).json).toEqual(json);
});

test.each([
  [new Map(), 'a Map cannot be stored'],
  [() => 1, 'a function cannot be stored'],
  [[undefined], 'undefined cannot be stored'],
  [new Date(0), 'a Date cannot be stored'],
])('%s is not stored as something else', (value, message) => {
  expect(() => toPython(value)).toThrow(message);
});
