/** The bytes of a body as a value: decompressed and deserialised as its properties say. */
import { isAscii, isUtf8 } from 'node:buffer';
import { TextDecoder } from 'node:util';
import { brotliDecompressSync, unzipSync } from 'node:zlib';
import { decode as decodeMsgpack } from '@msgpack/msgpack';
import { Decompress } from 'fzstd';
import { Composer, type CST, Parser } from 'yaml';
import type { Json } from '../domain/event.ts';
import { toJson, Undecodable } from '../python-json.ts';
import type { Delivery } from './delivery.ts';

const JSON_TYPE = 'application/json';
/** Largest body that is read, in bytes, decompressed. */
const MAX_BYTES = 16 * 1024 * 1024;
/** How many times its size a body may have when decompressed, beyond `SMALL`. Text comes to ten or twenty times; a bomb to millions. */
const MAX_GROWTH = 100;
const SMALL = 64 * 1024;
/** Longest YAML body: it is read some hundred times slower than JSON, half a second at worst, and nothing else happens meanwhile. */
const MAX_YAML_LENGTH = 64 * 1024;
const MAX_YAML_DEPTH = 100;

/** A body as JSON text, or as the value that was in it where it came in another format. */
export type Content = { readonly text: string } | { readonly value: Json };

/**
 * Reads a body by its properties. A missing content type is taken for JSON in UTF-8, so that a plain AMQP client needs no
 * properties. Pickle is never decoded: unpickling runs whatever code the sender put into it. Throws Undecodable.
 */
export function readContent(delivery: Delivery): Content {
  const { headers, content_type, content_encoding } = delivery;
  const method = headers['compression'];
  const body = method === undefined || method === null ? delivery.body : decompress(delivery.body, method);
  if (body.length > MAX_BYTES) throw new Undecodable(`the body is larger than ${MAX_BYTES} bytes`);
  switch (content_type === JSON_TYPE || content_type === undefined ? JSON_TYPE : mediaType(content_type)) {
    case JSON_TYPE:
      return { text: readText(body, content_encoding) };
    case 'application/x-msgpack':
      return { value: readMsgpack(body) };
    case 'application/x-yaml':
      return { value: readYaml(readText(body, content_encoding)) };
    case 'application/x-python-serialize':
      throw new Undecodable(
        'the body is a Python pickle (application/x-python-serialize), which is never decoded because that would run its code',
      );
    default:
      throw new Undecodable(
        `the content type is ${quote(content_type ?? '')}; expected application/json, application/x-msgpack or application/x-yaml`,
      );
  }
}

/** Without parameters, in lower case. */
function mediaType(contentType: string): string {
  return (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** Text by the Python codec names that `content_encoding` holds; missing or `binary` is UTF-8, as kombu reads JSON. */
function readText(body: Buffer, encoding: string | undefined): string {
  const label =
    encoding === undefined || encoding === 'utf-8' ? 'utf-8' : encoding.trim().toLowerCase().replaceAll('_', '-');
  switch (label) {
    case 'utf-8':
    case 'utf8':
    case 'binary':
      if (!isUtf8(body)) throw new Undecodable('the body is not valid UTF-8');
      return withoutMark(body.toString('utf8'));
    case 'ascii':
    case 'us-ascii':
      if (!isAscii(body))
        throw new Undecodable(`the body is not ASCII as its content encoding ${quote(encoding ?? '')} says`);
      return body.toString('latin1');
    // TextDecoder would read these as windows-1252.
    case 'latin1':
    case 'latin-1':
    case 'iso-8859-1':
      return body.toString('latin1');
    default:
      return readCharset(body, encoding ?? '', label);
  }
}

function readCharset(body: Buffer, encoding: string, label: string): string {
  let decoder: TextDecoder;
  try {
    decoder = new TextDecoder(label.replace(/^utf(\d)/, 'utf-$1').replace(/-([lb]e)$/, '$1'), { fatal: true });
  } catch {
    throw new Undecodable(`the content encoding ${quote(encoding)} is not known; expected utf-8`);
  }
  try {
    return decoder.decode(body);
  } catch {
    throw new Undecodable(`the body is not valid ${quote(encoding)} as its content encoding says`);
  }
}

/** Without the byte order mark that some editors put in front. */
function withoutMark(text: string): string {
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

function readMsgpack(body: Buffer): Json {
  // No element takes less than a byte: without these bounds five bytes could ask for four billion elements.
  const most = {
    maxStrLength: body.length,
    maxBinLength: body.length,
    maxArrayLength: body.length,
    maxMapLength: body.length,
  };
  try {
    return toJson(decodeMsgpack(body, { useBigInt64: true, ...most }));
  } catch (error) {
    throw refused('msgpack', error);
  }
}

function readYaml(text: string): Json {
  if (text.length > MAX_YAML_LENGTH)
    throw new Undecodable(`the YAML body is longer than ${MAX_YAML_LENGTH} characters`);
  try {
    const tokens = [...new Parser().parse(text)];
    for (const token of tokens) refuseDeep(token);
    const options = {
      schema: 'core',
      intAsBigInt: true,
      uniqueKeys: false,
      stringKeys: true,
      logLevel: 'silent',
    } as const;
    const [document, ...others] = new Composer(options).compose(tokens, true, text.length);
    if (document === undefined || others.length > 0)
      throw new Undecodable('the YAML body holds more than one document');
    // A warning is a tag without a meaning here, like !!python/object: what it stands for is not in the text.
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem) throw problem;
    return toJson(document.toJS({ maxAliasCount: 100 }));
  } catch (error) {
    throw refused('YAML', error);
  }
}

/** Composing goes down into what it composes, and a stack that overflows inside a regular expression ends the process. */
function refuseDeep(root: CST.Token): void {
  const open: { readonly token: CST.Token; readonly depth: number }[] = [{ token: root, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { token, depth } = next;
    if (depth > MAX_YAML_DEPTH) throw new Undecodable(`the YAML body is nested deeper than ${MAX_YAML_DEPTH} levels`);
    if (token.type === 'document' && token.value) open.push({ token: token.value, depth });
    if (!('items' in token)) continue;
    for (const { key, value } of token.items) {
      if (key) open.push({ token: key, depth: depth + 1 });
      if (value) open.push({ token: value, depth: depth + 1 });
    }
  }
}

function refused(format: string, error: unknown): Undecodable {
  if (error instanceof Undecodable) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Undecodable(`the body is not ${format} that can be read (${printable(message.split('\n', 1)[0] ?? '')})`);
}

/**
 * Decompresses by kombu's name of the method or its aliases. Kombu's "gzip" is a zlib stream (PROTOCOL: `78 9c`); a real
 * gzip stream is accepted too.
 */
function decompress(body: Buffer, method: unknown): Buffer {
  const maxOutputLength = Math.min(MAX_BYTES, Math.max(SMALL, MAX_GROWTH * body.length));
  try {
    switch (method) {
      case 'application/x-gzip':
      case 'gzip':
      case 'zlib':
        return unzipSync(body, { maxOutputLength });
      case 'application/x-brotli':
      case 'brotli':
        return brotliDecompressSync(body, { maxOutputLength });
      case 'application/zstd':
      case 'zstd':
      case 'zstandard':
        return unzstd(body, maxOutputLength);
      default:
        throw new Undecodable(
          `the compression ${quote(String(method))} is not supported; expected gzip (zlib), brotli or zstd`,
        );
    }
  } catch (error) {
    if (error instanceof Undecodable) throw error;
    if (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
      throw tooLarge(body, maxOutputLength);
    throw new Undecodable(
      `the body does not decompress by ${quote(String(method))} (${printable(error instanceof Error ? error.message : '')})`,
    );
  }
}

function unzstd(body: Buffer, maxOutputLength: number): Buffer {
  const chunks: Uint8Array[] = [];
  let length = 0;
  new Decompress((chunk) => {
    length += chunk.length;
    if (length > maxOutputLength) throw tooLarge(body, maxOutputLength);
    chunks.push(chunk);
  }).push(body, true);
  return Buffer.concat(chunks, length);
}

function tooLarge(body: Buffer, most: number): Undecodable {
  return new Undecodable(
    `the body is larger than ${most} bytes when decompressed; expected no more of one of ${body.length} bytes`,
  );
}

/** A property that the sender chose, fit for a sentence. */
function quote(text: string): string {
  return `"${printable(text)}"`;
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 120);
}
