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

/** Bytes put together before they are handed on. */
const CHUNK = 64 << 10;

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
  const lines = exported.format === 'csv' ? csvLines(exported) : ndjsonLines(exported);
  return ReadableStream.from(chunksOf(lines));
}

async function* csvLines({ pages, columns, onError, cut }: Exported): AsyncGenerator<string, void, undefined> {
  yield csvLine(columns);
  try {
    for await (const rows of pages) for (const row of rows) yield csvLine(columns.map((column) => row[column]));
  } catch (error) {
    cut(onError(error));
  }
}

async function* ndjsonLines({ pages, onError }: Exported): AsyncGenerator<string, void, undefined> {
  try {
    for await (const rows of pages) for (const row of rows) yield `${JSON.stringify(row)}\n`;
  } catch (error) {
    yield `${JSON.stringify({ error: onError(error) })}\n`;
  }
}

async function* chunksOf(lines: AsyncIterable<string>): AsyncGenerator<Uint8Array, void, undefined> {
  let waiting: string[] = [];
  let length = 0;
  for await (const line of lines) {
    waiting.push(line);
    length += line.length;
    if (length < CHUNK) continue;
    yield Buffer.from(waiting.join(''));
    waiting = [];
    length = 0;
  }
  if (length > 0) yield Buffer.from(waiting.join(''));
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
