/**
 * Rows of `task_figures` added up. Here and not in Postgres, which would make a row of each number, sort them, and take
 * several times as long.
 */
import type pg from 'pg';
import { Parameters } from './parameters.ts';

/** As Postgres writes its arrays: `{3,1090,1091}`. */
export interface FigureTexts {
  readonly codes: string;
  readonly counts: string;
}

/** How many of each code. */
export type Sums = Map<number, number>;

/** Rows that are read at a time: a year may have more than memory should hold, and the event loop has its turn between. */
const CHUNK = 1000;

/**
 * Adds rows to the sums that `sumsOf` finds for each; to none where it finds none. Needs a transaction.
 * @param columns what `sumsOf` goes by
 */
export async function addUp<Row extends object>(
  client: pg.Client,
  columns: string,
  where: (parameters: Parameters) => string,
  sumsOf: (row: Row) => Sums | undefined,
): Promise<void> {
  const parameters = new Parameters();
  const text = `select ${columns}, codes::text, counts::text from task_figures where ${where(parameters)}`;
  await client.query(`declare figures no scroll cursor for ${text}`, parameters.values);
  for (let count = CHUNK; count === CHUNK; ) {
    const { rows } = await client.query<Row & FigureTexts>(`fetch ${CHUNK} from figures`);
    for (const row of rows) {
      const sums = sumsOf(row);
      if (sums) addRow(sums, row);
    }
    count = rows.length;
  }
  await client.query('close figures');
}

/** Adds what a row counts. */
export function addRow(sums: Sums, { codes, counts }: FigureTexts): void {
  const added = numbers(counts);
  for (const [i, code] of numbers(codes).entries()) sums.set(code, (sums.get(code) ?? 0) + (added[i] ?? 0));
}

function numbers(array: string): readonly number[] {
  return JSON.parse(`[${array.slice(1, -1)}]`);
}
