/** How many of each. */
export type Counts = Readonly<Record<string, number>>;

export function sum(all: readonly Counts[]): Record<string, number> {
  const total = new Map<string, number>();
  for (const counts of all) {
    for (const [name, n] of Object.entries(counts)) total.set(name, (total.get(name) ?? 0) + n);
  }
  return Object.fromEntries(total);
}
