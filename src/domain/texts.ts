/** Gives texts that come again and again the same memory. */

const SLOTS = 4_096;

/** Longer texts are left alone: 64 MiB is the most that is held, and that only of such texts. */
const MAX_LENGTH = 16_384;

/**
 * A table with one slot for each text, chosen by its length and three characters: finding a text takes one comparison,
 * much less than the hash of a Map over a text that was just parsed. Where two texts want the same slot the later one
 * has it, and nothing is wrong but that memory is not shared.
 */
export class Texts {
  readonly #slots: string[] = new Array<string>(SLOTS).fill('');

  /** An equal text: the same one each time, mostly. */
  share(text: string): string {
    const { length } = text;
    if (length === 0 || length > MAX_LENGTH) return text;
    const mixed = text.charCodeAt(length - 1) * 31 + text.charCodeAt(length - 2) * 17 + text.charCodeAt(length >> 1);
    const slot = (mixed * 64 + length) & (SLOTS - 1);
    const shared = this.#slots[slot] as string;
    if (shared === text) return shared;
    this.#slots[slot] = text;
    return text;
  }
}
