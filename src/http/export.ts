/**
 * Lists as CSV (RFC 4180) or NDJSON, streamed page by page as the client takes them. A list that ends early is told to be
 * cut: NDJSON by a last line `{"error": …}`, CSV by a connection that breaks off.
 */
import { ReadableStream } from 'node:stream/web';

export type ExportFormat = 'csv' | 'ndjson';

export const MEDIA_TYPES: Readonly<Record<ExportFormat, string>> = {
  csv: 'text/csv; charset=utf-8; header=present',
  ndjson: 'application/x-ndjson; charset=utf-8',
};

type Row = Readonly<Record<string, unknown>>;

export interface Exported {
  readonly format: ExportFormat;
  /** Each is asked for when the client has taken the one before. */
  readonly pages: AsyncIterable<readonly Row[]>;
  /** Of the CSV, in order. */
  readonly columns: readonly string[];
  /** Is told why a list ends early; returns what the client may know of it. */
  readonly onError: (error: unknown) => string;
  /** Cuts the connection. */
  readonly cut: (reason: string) => void;
}

export function exportOf(exported: Exported): ReadableStream<Uint8Array> {
  return ReadableStream.from(exported.format === 'csv' ? csvPages(exported) : ndjsonPages(exported));
}

async function* csvPages({ pages, columns, onError, cut }: Exported): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from(csvLine(columns));
  try {
    for await (const rows of pages) yield* pageOf(rows.map((row) => csvLine(columns.map((column) => row[column]))));
  } catch (error) {
    cut(onError(error));
  }
}

async function* ndjsonPages({ pages, onError }: Exported): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    for await (const rows of pages) yield* pageOf(rows.map((row) => `${JSON.stringify(row)}\n`));
  } catch (error) {
    yield Buffer.from(`${JSON.stringify({ error: onError(error) })}\n`);
  }
}

/** A page is handed on at once, so that it is known what waits for a client: see `unread.ts`. One may have no rows. */
function pageOf(lines: readonly string[]): readonly Uint8Array[] {
  return lines.length > 0 ? [Buffer.from(lines.join(''))] : [];
}

function csvLine(fields: readonly unknown[]): string {
  return `${fields.map(csvField).join(',')}\r\n`;
}

/** Numbers as they are, null as nothing, lists and objects as JSON, and text so that no spreadsheet takes it for a formula. */
export function csvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
