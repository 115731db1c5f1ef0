/** Texts and numbers as pickles write them (Lib/pickle.py, Lib/pickletools.py). All functions throw Broken. */

/** Why a pickle cannot be read; completes the sentence "the pickle …". */
export class Broken extends Error {
  override readonly name = 'Broken';
}

/** Python itself neither reads nor writes longer numbers as text (`sys.int_info`), and to do so takes time by the square. */
const MAX_DIGITS = 4300;
const MAX_INT_BYTES = 1785;

const SIMPLE_ESCAPES: Readonly<Record<string, string>> = {
  ...{ a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' },
  '\n': '',
};

/** The bytes of a text in Latin-1. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function latin1(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let at = 0; at < bytes.length; at += 4096) parts.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
  return parts.join('');
}

/** A text of Python 2, which may have been bytes just as well: where it is no ASCII, they are. */
export function oldText(bytes: Uint8Array): string | Uint8Array {
  return bytes.every((byte) => byte < 0x80) ? latin1(bytes) : bytes;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** UTF-8 in which lone surrogates may stand (`surrogatepass`). */
export function utf8(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    const parts: string[] = [];
    let from = 0;
    for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
      const second = bytes[at + 1] ?? 0;
      const third = bytes[at + 2] ?? 0;
      if (second < 0xa0 || second > 0xbf || third >> 6 !== 2) continue;
      if (at > from) parts.push(strict(bytes.subarray(from, at)));
      parts.push(String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f)));
      from = at + 3;
    }
    return [...parts, strict(bytes.subarray(from))].join('');
  }
}

function strict(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new Broken('has a text that is no UTF-8');
  }
}

/** Latin-1 in which `\uXXXX` and `\UXXXXXXXX` stand for other characters. */
export function rawUnicode(line: string): string {
  return line.replace(/\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8}))/g, (_, short?: string, long?: string) => {
    const point = Number.parseInt(short ?? long ?? '', 16);
    if (point > 0x10ffff) throw new Broken('has a character that there is not');
    return String.fromCodePoint(point);
  });
}

/** Names of modules and classes. */
export function nameText(line: string): string {
  return utf8(bytesOf(line));
}

export function intOf(text: string): bigint {
  const digits = text.trim();
  if (!/^[+-]?\d+$/.test(digits)) throw new Broken('has a number that is none');
  if (digits.length > MAX_DIGITS) throw new Broken(`has a whole number of more than ${MAX_DIGITS} digits`);
  return BigInt(digits.replace(/^\+/, ''));
}

/** Two's complement, the lowest byte first. */
export function intFrom(bytes: Uint8Array): bigint {
  if (bytes.length > MAX_INT_BYTES) throw new Broken(`has a whole number of more than ${MAX_DIGITS} digits`);
  if (bytes.length === 0) return 0n;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
    .reverse()
    .join('');
  return BigInt.asIntN(bytes.length * 8, BigInt(`0x${hex}`));
}

export function floatOf(line: string): number {
  const text = line.trim().toLowerCase();
  const special = /^([+-]?)(inf(?:inity)?|nan)$/.exec(text);
  if (special) return special[2] === 'nan' ? Number.NaN : special[1] === '-' ? -Infinity : Infinity;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/.test(text)) throw new Broken('has a number that is none');
  return Number(text);
}

/** A text of Python 2 in quotes, escaped. */
export function quotedText(line: string): string | Uint8Array {
  const [, quote, inner] = /^(['"])(.*)\1$/s.exec(line.trim()) ?? [];
  if (quote === undefined || inner === undefined) throw new Broken('has a text without quotes');
  const text = inner.replace(/\\(?:x([\da-f]{2})|([0-7]{1,3})|(.))/gis, (_, hex, octal, other) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8) & 0xff);
    return SIMPLE_ESCAPES[other] ?? (/['"\\]/.test(other) ? other : `\\${other}`);
  });
  return oldText(bytesOf(text));
}
