/** What stands in the form of a periodic task: as text, until it is sent. Pure. */
import type { PeriodicTaskChange, PeriodicTaskRow } from '../contract/periodic.ts';

export const KINDS = ['interval', 'crontab', 'solar', 'clocked'] as const;
export type Kind = (typeof KINDS)[number];

/** Texts by field; those of schedules of every kind, so that the reader may go from one kind to another and back. */
export interface Draft {
  readonly kind: Kind;
  readonly texts: Readonly<Record<TextField, string>>;
  readonly times: Readonly<Record<TimeField, number | null>>;
  readonly one_off: boolean;
  readonly enabled: boolean;
}

const NUMBERS = ['every', 'latitude', 'longitude', 'priority', 'expire_seconds', 'catch_up'] as const;
const OPTIONAL = ['queue', 'exchange', 'routing_key'] as const;
const SCHEDULES = {
  interval: ['every', 'period'],
  crontab: ['minute', 'hour', 'day_of_week', 'day_of_month', 'month_of_year', 'timezone'],
  solar: ['event', 'latitude', 'longitude'],
} as const;

export type TextField =
  | (typeof NUMBERS)[number]
  | (typeof OPTIONAL)[number]
  | (typeof SCHEDULES)[keyof typeof SCHEDULES][number]
  | ('name' | 'task' | 'args' | 'kwargs' | 'headers' | 'description');
export type TimeField = 'expires' | 'start_time' | 'clocked_time';

const EMPTY: Draft = {
  kind: 'interval',
  texts: {
    ...{ name: '', task: '', args: '[]', kwargs: '{}', headers: '{}', queue: '', exchange: '', routing_key: '' },
    ...{ priority: '', expire_seconds: '', catch_up: '1', description: '', every: '10', period: 'minutes' },
    ...{ minute: '0', hour: '*', day_of_week: '*', day_of_month: '*', month_of_year: '*', timezone: 'UTC' },
    ...{ event: 'sunset', latitude: '', longitude: '' },
  },
  times: { expires: null, start_time: null, clocked_time: null },
  one_off: false,
  enabled: true,
};

/** @param task null: a new one @param timezone of a new crontab */
export function draftOf(task: PeriodicTaskRow | null, timezone: string): Draft {
  if (!task) return { ...EMPTY, texts: { ...EMPTY.texts, timezone } };
  const { schedule, expires, start_time, one_off, enabled } = task;
  const fields: Readonly<Record<string, unknown>> = { ...task, ...schedule };
  const texts = Object.keys(EMPTY.texts) as TextField[];
  return {
    kind: schedule?.kind ?? 'interval',
    texts: Object.fromEntries(
      texts.map((field) => [field, fields[field] === undefined ? EMPTY.texts[field] : String(fields[field] ?? '')]),
    ) as Draft['texts'],
    times: { expires, start_time, clocked_time: schedule?.kind === 'clocked' ? schedule.clocked_time : null },
    one_off,
    enabled,
  };
}

/** The schedule that it tells, whether it makes sense or not. */
export function scheduleIn({ kind, texts, times }: Draft): object {
  if (kind === 'clocked') return { kind, clocked_time: times.clocked_time };
  return { kind, ...Object.fromEntries(SCHEDULES[kind].map((field) => [field, sent(field, texts[field])])) };
}

/** What is to be sent of it: what is not as the task has it, of a new one all. Whoever gets it checks it. */
export function changesIn(draft: Draft, task: PeriodicTaskRow | null): PeriodicTaskChange {
  const { texts, times, one_off, enabled } = draft;
  const names = ['name', 'task', 'args', 'kwargs', 'headers', 'description'] as const;
  const fields = [...names, ...OPTIONAL, 'priority', 'expire_seconds', 'catch_up'] as const;
  const all: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(fields.map((field) => [field, sent(field, texts[field])])),
    ...{ schedule: scheduleIn(draft), expires: times.expires, start_time: times.start_time, one_off, enabled },
  };
  const present = task as Readonly<Record<string, unknown>> | null;
  return Object.fromEntries(Object.entries(all).filter(([field, value]) => !present || !isSame(value, present[field])));
}

/** A text as the value that it stands for; one that is no number as it is, to be told. */
function sent(field: TextField, text: string): unknown {
  const isNumber = NUMBERS.some((name) => name === field);
  if (text.trim() === '' && (isNumber || OPTIONAL.some((name) => name === field))) return null;
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : text;
}

function isSame(value: unknown, other: unknown): boolean {
  if (typeof value !== 'object' || value === null || typeof other !== 'object' || other === null)
    return value === other;
  const fields: Readonly<Record<string, unknown>> = { ...other };
  const entries = Object.entries(value);
  return entries.length === Object.keys(fields).length && entries.every(([key, each]) => fields[key] === each);
}
