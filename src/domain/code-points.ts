/** Python's order of texts: by code point, where JavaScript compares UTF-16 units. */

/** Negative when `a` comes first, positive when `b` does, 0 when they are equal. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    // Only surrogates are out of order: they stand for code points past all others. Moved up, the rest moved down.
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
