/** The bytes of a message as a person can read them. Pure. */
import { visibleLines } from './format.ts';

/** Bytes to a line. */
const WIDTH = 16;

/** As text where they are text; else as hexadecimal numbers with the ASCII among them beside. @param base64 the bytes */
export function readable(base64: string): string {
  const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
  try {
    return visibleLines(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return dumpOf(bytes);
  }
}

function dumpOf(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += WIDTH) {
    const part = [...bytes.subarray(at, at + WIDTH)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const ascii = part.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '·')).join('');
    lines.push(`${at.toString(16).padStart(4, '0')}  ${hex.padEnd(WIDTH * 3 - 1)}  ${ascii}`);
  }
  return lines.join('\n');
}
