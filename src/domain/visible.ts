/** Foreign text as it can be shown, on a page or a terminal. */

/** Control characters, and those that turn or hide what stands around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Foreign text as it can be shown in one line: nothing in it acts, all of it is seen. */
export function visible(text: string): string {
  return text.replace(UNSEEN, seen);
}

/** The same in several lines: line breaks and tabs stay. */
export function visibleLines(text: string): string {
  return text.replace(UNSEEN, (sign) => (sign === '\n' || sign === '\t' ? sign : seen(sign)));
}

function seen(sign: string): string {
  const code = sign.codePointAt(0) ?? 0;
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '␡';
  return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
}
