/** One field of a crontab, read as Celery's `crontab_parser` reads it (celery/schedules.py); docs/periodic-tasks.md has the dialect. */

/** The five fields, named and ordered as Celery's `crontab` has them: not the order of a line in a crontab file. */
export const CRONTAB_FIELDS = ['minute', 'hour', 'day_of_week', 'day_of_month', 'month_of_year'] as const;
export type CrontabField = (typeof CRONTAB_FIELDS)[number];

/** Why a field cannot be read; `at` counts from 0. */
export interface FieldError {
  readonly ok: false;
  readonly at: number;
  readonly message: string;
}
type Read<Value> = { readonly ok: true; readonly value: Value } | FieldError;

interface Bounds {
  readonly min: number;
  readonly max: number;
  /** What is expected in such a field, to complete the sentence "expected …". */
  readonly numbers: string;
}

const BOUNDS: Readonly<Record<CrontabField, Bounds>> = {
  minute: { min: 0, max: 59, numbers: 'a number from 0 to 59' },
  hour: { min: 0, max: 23, numbers: 'a number from 0 to 23' },
  day_of_week: { min: 0, max: 6, numbers: 'a number from 0 to 7 (0 and 7 are Sunday) or a name such as mon' },
  day_of_month: { min: 1, max: 31, numbers: 'a number from 1 to 31' },
  month_of_year: { min: 1, max: 12, numbers: 'a number from 1 to 12 or a name such as jan' },
};
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

/** What Python's `int` takes, of ASCII. */
const INTEGER = /^\s*([+-]?)(\d+(?:_\d+)*)\s*$/;
/** As in Celery nothing is asked of what follows these: `1-5-9` is `1-5`. */
const RANGE_WITH_STEP = /^(\w+?)-(\w+)\/(\w+)?/;
const RANGE = /^(\w+?)-(\w+)/;
const STAR_WITH_STEP = /^\*\/(\w+)?/;
const STAR = /^\*\n?$/;

/** The numbers that a field allows, ascending, each once. */
export function readField(field: CrontabField, text: string): Read<readonly number[]> {
  const foreign = /[^\0-\x7f]/u.exec(text);
  if (foreign) return wrong(foreign.index, `${JSON.stringify(foreign[0])} is not ASCII`, BOUNDS[field].numbers);
  const values = new Set<number>();
  let at = 0;
  for (const part of text.split(',')) {
    const read = readPart(field, part, at);
    if (!read.ok) return read;
    for (const value of read.value) values.add(value);
    at += part.length + 1;
  }
  return { ok: true, value: [...values].sort((a, b) => a - b) };
}

function readPart(field: CrontabField, part: string, at: number): Read<readonly number[]> {
  const { min, max, numbers } = BOUNDS[field];
  if (part === '') return wrong(at, 'nothing is here', `${numbers}, or *`);
  if (STAR.test(part)) return { ok: true, value: range(field, min, max) };
  const star = STAR_WITH_STEP.exec(part);
  if (star) return everyNth(range(field, min, max), star[1], at + 2);
  const stepped = RANGE_WITH_STEP.exec(part);
  const [, first = part, last] = stepped ?? RANGE.exec(part) ?? [];
  const from = readNumber(field, first, at);
  if (!from.ok || last === undefined) return from.ok ? { ok: true, value: range(field, from.value, from.value) } : from;
  const to = readNumber(field, last, at + first.length + 1);
  if (!to.ok) return to;
  const values = range(field, from.value, to.value);
  return stepped ? everyNth(values, stepped[3], at + first.length + last.length + 2) : { ok: true, value: values };
}

/** Names first by their first three letters, of weekdays in every field: `mon` is 1, in `minute`, too. */
function readNumber(field: CrontabField, text: string, at: number): Read<number> {
  const { min, max, numbers } = BOUNDS[field];
  const integer = INTEGER.exec(text);
  const name = text.slice(0, 3).toLowerCase();
  let value = integer ? Number(integer[2]?.replaceAll('_', '')) : WEEKDAYS.indexOf(name);
  if (!integer && value < 0 && field === 'month_of_year') value = MONTHS.indexOf(name) + 1 || -1;
  if (!integer && value < 0) return wrong(at, `${JSON.stringify(text)} is no number`, numbers);
  if (text.startsWith('-') || (integer?.[1] === '-' && value > 0)) return wrong(at, `${text} is negative`, numbers);
  if (value > (field === 'day_of_week' ? 7 : max)) return wrong(at, `${text} is too much`, numbers);
  if (value < min) return wrong(at, `${text} is too little`, numbers);
  return { ok: true, value };
}

/** From one number to another; round by way of the largest and the smallest where the second is less. */
function range(field: CrontabField, first: number, last: number): readonly number[] {
  const { min, max } = BOUNDS[field];
  const size = max - min + 1;
  // 7 is Sunday: a range may end with it, and where one begins with it, it begins with 0.
  const from = first > max ? min : first;
  const to = first > max && last > max ? min : last;
  const length = to >= from ? to - from + 1 : size - (from - to) + 1;
  return Array.from({ length }, (_, n) => min + ((from - min + n) % size));
}

function everyNth(values: readonly number[], text: string | undefined, at: number): Read<readonly number[]> {
  const step = text !== undefined && INTEGER.test(text) ? Number(text.replaceAll('_', '')) : 0;
  if (step > 0) return { ok: true, value: values.filter((_, n) => n % step === 0) };
  return wrong(at, text === undefined ? 'no step is here' : `the step is ${text}`, 'a whole number of 1 or more');
}

function wrong(at: number, problem: string, expected: string): FieldError {
  return { ok: false, at, message: `at character ${at + 1}: ${problem}; expected ${expected}` };
}
