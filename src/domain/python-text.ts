/** A value of Python as `repr()` writes it. Objects that are more than data stand as `<myapp.models.Order object>`. */
import {
  type Budget,
  isBuiltinException,
  nameOf,
  type PythonDict,
  type PythonItems,
  type PythonObject,
  type PythonValue,
  uuidOf,
} from './python-value.ts';

/** @throws Untellable */
export function reprOf(value: PythonValue, budget: Budget, depth = 0): string {
  budget.descend(depth);
  const inner = (part: PythonValue): string => reprOf(part, budget, depth + 1);
  if (value === null) return 'None';
  if (typeof value === 'string') {
    budget.spend(value.length);
    return textRepr(value);
  }
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'number') return floatRepr(value);
  if (typeof value === 'bigint') {
    const digits = String(value);
    budget.spend(digits.length);
    return digits;
  }
  if (value instanceof Uint8Array) {
    budget.spend(value.length);
    return bytesRepr(value);
  }
  switch (value.kind) {
    case 'list':
    case 'tuple':
    case 'set':
    case 'frozenset':
      return itemsRepr(value, inner);
    case 'dict':
      return dictRepr(value, inner);
    case 'bytearray':
      budget.spend(value.bytes.length);
      return `bytearray(${bytesRepr(value.bytes, true)})`;
    case 'text':
      budget.spend(value.repr.length);
      return value.repr;
    case 'class':
      budget.spend(value.name.length);
      return `<class '${value.module}.${value.name}'>`;
    case 'object':
      budget.spend(value.of.name.length);
      return objectRepr(value, inner);
  }
}

function itemsRepr({ kind, items }: PythonItems, inner: (part: PythonValue) => string): string {
  const written = items.map(inner).join(', ');
  switch (kind) {
    case 'list':
      return `[${written}]`;
    case 'tuple':
      return items.length === 1 ? `(${written},)` : `(${written})`;
    case 'set':
      return items.length === 0 ? 'set()' : `{${written}}`;
    case 'frozenset':
      return items.length === 0 ? 'frozenset()' : `frozenset({${written}})`;
  }
}

function dictRepr({ entries }: PythonDict, inner: (part: PythonValue) => string): string {
  return `{${entries.map(([key, value]) => `${inner(key)}: ${inner(value)}`).join(', ')}}`;
}

function objectRepr(object: PythonObject, inner: (part: PythonValue) => string): string {
  const uuid = uuidOf(object);
  if (uuid !== null) return `UUID('${uuid}')`;
  const { of, args } = object;
  return args !== null && isBuiltinException(of)
    ? `${of.name}(${args.map(inner).join(', ')})`
    : `<${nameOf(of)} object>`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** In single quotes, or in double ones where it holds single ones alone. What cannot be printed is escaped. */
function textRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const written = text.replace(/[\\'\n\r\t]|(?! )[\p{C}\p{Z}]/gu, (character) => {
    if (character === "'") return quote === "'" ? "\\'" : "'";
    const escaped = ESCAPES[character];
    if (escaped !== undefined) return escaped;
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x100) return `\\x${hex(code, 2)}`;
    return code < 0x10000 ? `\\u${hex(code, 4)}` : `\\U${hex(code, 8)}`;
  });
  return `${quote}${written}${quote}`;
}

/** @param always escapes single quotes where it need not: Python does that in a bytearray */
function bytesRepr(bytes: Uint8Array, always = false): string {
  const quote = bytes.includes(0x27) && !bytes.includes(0x22) ? '"' : "'";
  let written = '';
  for (const byte of bytes) {
    const isEscaped = byte === 0x27 && (always || quote === "'");
    written += isEscaped ? "\\'" : BYTES[byte];
  }
  return `b${quote}${written}${quote}`;
}

/** Each byte as it is written where it is no quote. */
const BYTES = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  return ESCAPES[character] ?? (byte >= 0x20 && byte < 0x7f ? character : `\\x${hex(byte, 2)}`);
});

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

/** The shortest digits that give the same double, as in JavaScript; with an exponent below 1e-4 and from 1e16 on. */
export function floatRepr(value: number): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const sign = value < 0 || Object.is(value, -0) ? '-' : '';
  const [mantissa = '', exponent = ''] = Math.abs(value).toExponential().split('e');
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    return `${sign}${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const digits = mantissa.replace('.', '');
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${digits}`;
  return `${sign}${digits.slice(0, power + 1).padEnd(power + 1, '0')}.${digits.slice(power + 1) || '0'}`;
}
