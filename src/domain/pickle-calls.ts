/**
 * What calls in a pickle make, where that is plain data: sets, bytes, dates, numbers. Nothing is called: each is known by its
 * name, and what it would return is put together here. Every other call is an object of which only the class is known.
 */
import { date, datetime, time, timedelta, timezone, type Zone } from './python-dates.ts';
import { floatRepr } from './python-text.ts';
import { isKind, type PythonClass, type PythonObject, type PythonText, type PythonValue } from './python-value.ts';

type Args = readonly PythonValue[];

/** Undefined: not with these arguments. */
type Call = (args: Args) => PythonValue | undefined;

/** By module and name, as protocol 3 and later write them. */
const CALLS: Readonly<Record<string, Call>> = {
  'builtins.set': (args) => setOf('set', args),
  'builtins.frozenset': (args) => setOf('frozenset', args),
  'builtins.bytes': (args) => (args.length === 0 ? new Uint8Array() : encoded(args)),
  'builtins.bytearray': (args) => {
    const bytes = args.length === 0 ? new Uint8Array() : args[0] instanceof Uint8Array ? args[0] : encoded(args);
    return bytes && { kind: 'bytearray', bytes };
  },
  // How protocols 0 to 2 write bytes.
  '_codecs.encode': (args) => encoded(args),
  'builtins.complex': ([real, imaginary]) => {
    if (typeof real !== 'number' || typeof imaginary !== 'number') return undefined;
    const [re, im] = [real, imaginary].map((part) => floatRepr(part).replace(/\.0$/, ''));
    const sign = im?.startsWith('-') ? '' : '+';
    return plain(Object.is(real, 0) ? `${im}j` : `(${re}${sign}${im}j)`);
  },
  'decimal.Decimal': ([text]) => {
    if (typeof text !== 'string' || text.length > MAX_DECIMAL || !DECIMAL.test(text)) return undefined;
    return { kind: 'text', text, repr: `Decimal('${text}')` };
  },
  'datetime.timedelta': ([days, seconds, microseconds]) => timedelta(days, seconds, microseconds) ?? undefined,
  'datetime.timezone': ([offset, name]) => {
    if (!isDelta(offset) || !(name === undefined || isPlainName(name))) return undefined;
    return timezone(offset, name === undefined ? null : `'${name}'`) ?? undefined;
  },
  // The name of something within a class.
  'builtins.getattr': ([of, name]) =>
    isKind(of, 'class') && typeof name === 'string' ? classOf(of.module, `${of.name}.${name}`) : undefined,
  // pytz and zoneinfo: the zones that are not part of datetime itself.
  'pytz._UTC': () => zone('<UTC>', '+00:00'),
  'zoneinfo.ZoneInfo._unpickle': ([key]) =>
    isPlainName(key) ? zone(`zoneinfo.ZoneInfo(key='${key}')`, `[${key}]`) : undefined,
  // How the result classes of an app pickle themselves: as what the app has by that name.
  'celery.app.base._unpickle_appattr': ([name, args]) =>
    typeof name === 'string' && isKind(args, 'tuple')
      ? objectOf(classOf('celery.result', name), args.items)
      : undefined,
  'datetime.date': ([bytes]) => withBytes(bytes, date),
  'datetime.time': ([bytes, zone]) =>
    isZone(zone) ? withBytes(bytes, (given) => time(given, zone ?? null)) : undefined,
  'datetime.datetime': ([bytes, zone]) =>
    isZone(zone) ? withBytes(bytes, (given) => datetime(given, zone ?? null)) : undefined,
};

/** Characters; what is longer is an object. */
const MAX_DECIMAL = 1000;
const DECIMAL = /^-?(\d+(\.\d+)?(E[+-]?\d+)?|Infinity|s?NaN\d*)$/;

/** Longer names than any class has are cut. */
const MAX_NAME = 200;

export function classOf(module: string, name: string): PythonClass {
  return { kind: 'class', module: module.slice(0, MAX_NAME), name: name.slice(0, MAX_NAME) };
}

/** What calling `callable` makes; what that is not known to make is an object of it. */
export function call(callable: PythonValue, args: PythonValue): PythonValue {
  const given = isKind(args, 'tuple') ? args.items : null;
  if (!isKind(callable, 'class')) return objectOf(classOf('', 'an unnamed object'), null);
  const name = `${callable.module}.${callable.name}`;
  if (given !== null && Object.hasOwn(CALLS, name)) {
    const made = CALLS[name]?.(given);
    if (made !== undefined) return made;
  }
  // How protocols 0 and 1 make any object: of the class that is named first.
  if (name === 'copyreg._reconstructor' && isKind(given?.[0], 'class')) return objectOf(given[0], null);
  return objectOf(callable, given);
}

export function objectOf(of: PythonClass, args: Args | null): PythonObject {
  return { kind: 'object', of, args };
}

function setOf(kind: 'set' | 'frozenset', [list]: Args): PythonValue | undefined {
  return isKind(list, 'list') ? { kind, items: list.items } : undefined;
}

/** Bytes from the text that stands for them in Latin-1. */
function encoded([text, encoding]: Args): Uint8Array | undefined {
  if (typeof text !== 'string' || (encoding !== 'latin1' && encoding !== 'latin-1')) return undefined;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return /^[\0-\xff]*$/.test(text) ? bytes : undefined;
}

function withBytes(given: PythonValue | undefined, make: (bytes: Uint8Array) => PythonText | null) {
  // Python 2 had no bytes: its pickles hold texts.
  const bytes = typeof given === 'string' && given.length <= 10 ? encoded([given, 'latin1']) : given;
  return bytes instanceof Uint8Array ? (make(bytes) ?? undefined) : undefined;
}

function plain(text: string): PythonText {
  return { kind: 'text', text, repr: text };
}

function zone(repr: string, suffix: string): PythonText & Zone {
  return { kind: 'text', text: repr, repr, suffix };
}

function isZone(value: PythonValue | undefined): value is (PythonText & Zone) | undefined {
  return value === undefined || (isKind(value, 'text') && 'suffix' in value);
}

function isDelta(value: PythonValue | undefined): value is NonNullable<ReturnType<typeof timedelta>> {
  return isKind(value, 'text') && 'seconds' in value;
}

/** A name that may stand in a repr as it is. */
function isPlainName(value: PythonValue | undefined): value is string {
  return typeof value === 'string' && /^[\w/+:-]{1,64}$/.test(value);
}
