/** Writes values as pickles of protocol 3, which every Python 3 reads. */
import type { PythonClass } from './python-value.ts';

/** What can be written: whole numbers as bigint, floats as number. */
export type Picklable = null | boolean | bigint | number | string | Uint8Array | PicklableParts;

export type PicklableParts =
  | { readonly kind: 'list' | 'tuple'; readonly items: Picklable[] }
  | { readonly kind: 'dict'; readonly entries: (readonly [Picklable, Picklable])[] }
  /** Its class is named, and called with these by who reads it. */
  | { readonly kind: 'object'; readonly of: PythonClass; readonly args: readonly Picklable[] };

const UTF8 = new TextEncoder();

/** Lone surrogates in texts become U+FFFD. */
export function writePickle(value: Picklable): Uint8Array {
  const chunks: Uint8Array[] = [Uint8Array.of(0x80, 3)];
  const add = (opcode: string, ...more: Uint8Array[]): unknown => chunks.push(UTF8.encode(opcode), ...more);
  const write = (value: Picklable): void => {
    if (value === null) add('N');
    else if (typeof value === 'string') {
      const bytes = UTF8.encode(value);
      add('X', uint32(bytes.length), bytes);
    } else if (typeof value === 'boolean') add(value ? 'I01\n' : 'I00\n');
    else if (typeof value === 'number') add('G', float64(value));
    else if (typeof value === 'bigint') add(`L${value}L\n`);
    else if (value instanceof Uint8Array) add('B', uint32(value.length), value);
    else writeParts(value);
  };
  const writeParts = (value: PicklableParts): void => {
    switch (value.kind) {
      case 'list':
      case 'tuple':
        add(value.kind === 'tuple' ? '(' : '](');
        for (const item of value.items) write(item);
        add(value.kind === 'tuple' ? 't' : 'e');
        return;
      case 'dict':
        add('}(');
        for (const entry of value.entries) for (const part of entry) write(part);
        add('u');
        return;
      case 'object':
        add(`c${value.of.module}\n${value.of.name}\n`);
        write({ kind: 'tuple', items: [...value.args] });
        add('R');
    }
  };
  write(value);
  add('.');
  return joined(chunks);
}

function uint32(number: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, number, true);
  return bytes;
}

function float64(number: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, number, false);
  return bytes;
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
