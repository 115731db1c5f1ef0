/** Lines for people: columns, moments. */
import type { Seconds } from '../domain/event.ts';
import { visible } from '../domain/visible.ts';

/** In columns, but for the last one. Foreign text does nothing to the terminal. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const shown = rows.map((row) => row.map(visible));
  const widths = shown.reduce<number[]>((all, row) => row.map((cell, n) => Math.max(all[n] ?? 0, cell.length)), []);
  return shown.map((row) =>
    row.map((cell, n) => (n === row.length - 1 ? cell : cell.padEnd(widths[n] ?? 0))).join('  '),
  );
}

/** `2026-11-24 12:00:00.000`, in UTC; what is no such time as it is. */
export function timeOf(time: unknown): string {
  if (typeof time !== 'number') return String(time ?? '');
  const seconds: Seconds = time;
  return Math.abs(seconds) < 8e12
    ? new Date(seconds * 1000).toISOString().replace('T', ' ').replace('Z', '')
    : String(time);
}
