/** `celery.utils.saferepr` (5.2.6) for what JSON can hold and bytes: what senders show of args, kwargs and results. */
import type { Json } from './event.ts';

export type Python =
  | null
  | boolean
  | number
  | string
  | { readonly bytes: string }
  | { readonly tuple: readonly Python[] }
  | { readonly dict: readonly (readonly [string, Python])[] }
  | readonly Python[];

/** JSON as Python has it once it was read. */
export function fromJson(json: Json): Python {
  if (typeof json !== 'object' || json === null) return json;
  if (Array.isArray(json)) return json.map(fromJson);
  return { dict: Object.entries(json).map(([key, part]) => [key, fromJson(part)] as const) };
}

interface Token {
  readonly kind: 'open' | 'close' | 'separator' | 'key' | 'quoted' | 'bare';
  readonly text: string;
}

export function saferepr(value: Python, maxlen = 1024, maxlevels = 3): string {
  const tokens = [...tokensOf(value, maxlevels, 0)];
  let out = '';
  let left = maxlen;
  for (const [n, { kind, text }] of tokens.entries()) {
    if (left <= 0) return `${out}, ...${dangling(tokens.slice(n + 1))}`;
    let written = text;
    if (kind === 'key') written = saferepr(text, left, maxlevels);
    else if (kind === 'quoted') written = `'${cut(text, left).replaceAll("'", "\\'")}'`;
    else if (kind === 'bare') written = cut(text, left);
    out += written;
    left -= written.length;
  }
  return out;
}

/** What closes the containers that are open already. The token at which it was cut is not written, closing or not. */
function dangling(rest: readonly Token[]): string {
  let inner = 0;
  let out = '';
  for (const { kind, text } of rest) {
    if (kind === 'open') inner += 1;
    else if (kind === 'close' && inner > 0) inner -= 1;
    else if (kind === 'close') out += text;
  }
  return out;
}

function* tokensOf(value: Python, maxlevels: number, level: number): Generator<Token> {
  if (typeof value === 'string') yield { kind: 'quoted', text: value };
  else if (value === null) yield { kind: 'bare', text: 'None' };
  else if (typeof value === 'boolean') yield { kind: 'bare', text: value ? 'True' : 'False' };
  else if (typeof value === 'number') yield { kind: 'bare', text: String(value) };
  else if ('bytes' in value) yield { kind: 'bare', text: `b'${value.bytes}'` };
  else yield* container(value, maxlevels, level);
}

function* container(
  value: Exclude<Extract<Python, object>, { readonly bytes: string }>,
  maxlevels: number,
  level: number,
): Generator<Token> {
  const parts: readonly (readonly [string | null, Python])[] =
    'dict' in value ? value.dict : ('tuple' in value ? value.tuple : value).map((part) => [null, part] as const);
  const [open = '', bracket = ''] = 'dict' in value ? '{}' : 'tuple' in value ? '()' : '[]';
  const close = 'tuple' in value && parts.length === 1 ? `,${bracket}` : bracket;
  if (level >= maxlevels) {
    yield { kind: 'bare', text: `${open}...${close}` };
    return;
  }
  yield { kind: 'open', text: open };
  for (const [n, [key, part]] of parts.entries()) {
    if (key !== null) {
      yield { kind: 'key', text: key };
      yield { kind: 'separator', text: ': ' };
    }
    yield* tokensOf(part, maxlevels, level + 1);
    if (n + 1 < parts.length) yield { kind: 'separator', text: ', ' };
  }
  yield { kind: 'close', text: close };
}

/** `celery.utils.text.truncate`, which drops the last word with what is too long. */
function cut(text: string, maxlen: number): string {
  if (text.length < maxlen) return text;
  const short = text.slice(0, maxlen);
  const space = short.lastIndexOf(' ');
  return `${space === -1 ? short : short.slice(0, space)}...`;
}
