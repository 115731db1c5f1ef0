/** Our reader and writer of pickles against Python's own. */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPickle } from '../../src/domain/pickle.ts';
import { writePickle } from '../../src/domain/pickle-write.ts';
import { tell, toPython } from '../../src/python-data.ts';
import { runs } from '../support/effort.ts';
import { PYTHON } from '../support/services.ts';

const SCRIPT = new URL('../support/pickles.py', import.meta.url).pathname;

async function python<Row>(args: readonly string[], input = ''): Promise<Row[]> {
  const child = spawn(PYTHON, [SCRIPT, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(input);
  const said = await text(child.stdout);
  return said
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Row);
}

interface Pickled {
  readonly protocol: number;
  readonly pickle: string;
  readonly repr: string;
}

/** The repr of what a pickle holds, as we read it. */
function ours(pickle: string): string {
  const read = readPickle(Buffer.from(pickle, 'base64'));
  return read.ok ? tell(read.value).text : `the pickle ${read.problem}`;
}

test('thousands of values, in protocols 0 to 5, are what Python pickled', async () => {
  const pickled = await python<Pickled>(['11', String(runs(3000))]);
  expect(new Set(pickled.map(({ protocol }) => protocol)).size).toBe(6);
  const wrong = pickled.find(({ pickle, repr }) => ours(pickle) !== repr);
  expect({ ...wrong, repr: wrong && ours(wrong.pickle) }).toEqual({ ...wrong });
});

test('what we pickle, Python reads as what it was', async () => {
  const leaf = fc.oneof(
    fc.string({ unit: fc.constantFrom(...'ab\'"\\\n\0é\u2028😀') }),
    fc.bigInt(),
    fc.double(),
    fc.integer(),
    fc.uint8Array(),
    fc.constantFrom(null, true, false),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(leaf, fc.array(tie('tree')), fc.dictionary(fc.string(), tie('tree'))),
  }));
  const pickles = fc.sample(tree, { seed: 7, numRuns: runs(3000) }).map((value) => {
    return Buffer.from(writePickle(toPython(value))).toString('base64');
  });
  expect(pickles.map(ours)).toEqual(await python<string>(['-'], pickles.join('\n')));
});
