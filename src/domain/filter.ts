/**
 * Which tasks are meant: the one filter of HTTP, live feed and alerts, as a tree. Its text form is in `docs/filters.md`,
 * read by `filter-parse.ts`; `filter-match.ts` asks it of a task, and the store of the database.
 */
import type { Seconds } from './event.ts';

/** Compared with the whole text. */
export type WholeField = 'state' | 'name' | 'worker' | 'uuid' | 'root' | 'parent' | 'cluster';
/** Looked for anywhere in the text. */
export type ContainedField = 'args' | 'kwargs' | 'result' | 'exception';
export type TextField = WholeField | ContainedField;
/** Epoch seconds. */
export type TimeField = 'sent' | 'received' | 'started' | 'timestamp';
export type NumberField = 'runtime' | 'retries' | TimeField;
export type Field = TextField | NumberField;

export type Comparison = '<' | '<=' | '>' | '>=' | '=';

/**
 * A text with wildcards: its literal parts, between which anything may stand; one part: no wildcard. `['a', '']` begins with
 * `a`; `['', '']` is any text. Where a text is only to be contained there is no empty part but a single one. Case counts.
 */
export interface Pattern {
  readonly parts: readonly string[];
}

/**
 * A field of which nothing is known (null) matches no term, so that `not` of that term is true: two truth values, not SQL's
 * three. `of` of `and` and `or` has two or more, none of them of the same kind.
 */
export type Filter =
  | { readonly kind: 'and' | 'or'; readonly of: readonly Filter[] }
  | { readonly kind: 'not'; readonly of: Filter }
  /** In upper case where the field is `state`. */
  | { readonly kind: 'text'; readonly field: TextField; readonly pattern: Pattern }
  /** Contained in any of `WORD_FIELDS`. */
  | { readonly kind: 'word'; readonly pattern: Pattern }
  | { readonly kind: 'number'; readonly field: NumberField; readonly op: Comparison; readonly value: number };

/** What was wrong with the text of a filter. */
export interface FilterError {
  readonly ok: false;
  /** Where, in code units from 0; the length of the text where something is missing at its end. */
  readonly at: number;
  /** Completes the sentence "expected …". */
  readonly expected: string;
  /** One sentence without a full stop, for the person who wrote it; it counts characters from 1. */
  readonly message: string;
}

/** `filter` null: nothing was asked, every task is meant. */
export type ParsedFilter = { readonly ok: true; readonly filter: Filter | null } | FilterError;

/** What a filter asks of a task: satisfied by the domain's `Task` and by the contract's `TaskRecord`. */
export type Filterable = ({ readonly uuid: string } | { readonly task_id: string }) & {
  readonly state: string;
  readonly name: string | null;
  readonly worker: string | null;
  readonly root_id: string | null;
  readonly parent_id: string | null;
  readonly args: string | null;
  readonly kwargs: string | null;
  readonly result: string | null;
  readonly exception: string | null;
  readonly runtime: Seconds | null;
  readonly retries: number | null;
  readonly sent: Seconds | null;
  readonly received: Seconds | null;
  readonly started: Seconds | null;
  readonly timestamp: Seconds | null;
};

/** One field of the language, for those who offer or explain it. */
export interface FieldInfo {
  readonly name: Field;
  /** `whole`, `contained`: texts and how they are compared. `duration`: seconds. `time`: epoch seconds. */
  readonly kind: 'whole' | 'contained' | 'duration' | 'count' | 'time';
  /** Its name in records of the contract and in the tables. */
  readonly record: string;
  /** A few words without a full stop. */
  readonly means: string;
  /** A term that is right. */
  readonly example: string;
}

/** Every field, in the order in which to offer them. */
export const FIELDS: readonly FieldInfo[] = [
  { name: 'state', kind: 'whole', record: 'state', means: 'state, in any case', example: 'state:FAILURE,RETRY' },
  { name: 'name', kind: 'whole', record: 'name', means: 'name of the task', example: 'name:proj.mail.*' },
  { name: 'worker', kind: 'whole', record: 'worker', means: 'node name of the worker', example: 'worker:celery@web*' },
  { name: 'uuid', kind: 'whole', record: 'task_id', means: 'id of the task', example: 'uuid:4f1c*' },
  {
    name: 'root',
    kind: 'whole',
    record: 'root_id',
    means: 'id of the first task of its workflow',
    example: 'root:4f1c*',
  },
  {
    name: 'parent',
    kind: 'whole',
    record: 'parent_id',
    means: 'id of the task that called it',
    example: 'parent:4f1c*',
  },
  { name: 'cluster', kind: 'whole', record: 'cluster', means: 'name of the cluster', example: 'cluster:eu' },
  { name: 'args', kind: 'contained', record: 'args', means: 'part of its arguments', example: 'args:42' },
  {
    name: 'kwargs',
    kind: 'contained',
    record: 'kwargs',
    means: 'part of its keyword arguments',
    example: `kwargs:"'user': 5"`,
  },
  { name: 'result', kind: 'contained', record: 'result', means: 'part of its result', example: 'result:None' },
  {
    name: 'exception',
    kind: 'contained',
    record: 'exception',
    means: 'part of its exception',
    example: 'exception:Timeout',
  },
  { name: 'runtime', kind: 'duration', record: 'runtime', means: 'seconds of execution', example: 'runtime>1.5' },
  { name: 'retries', kind: 'count', record: 'retries', means: 'how many times it was retried', example: 'retries>=3' },
  { name: 'sent', kind: 'time', record: 'sent', means: 'when it was sent', example: 'sent>=-15m' },
  { name: 'received', kind: 'time', record: 'received', means: 'when a worker received it', example: 'received>=-1h' },
  { name: 'started', kind: 'time', record: 'started', means: 'when it started', example: 'started<2026-03-01T12:00Z' },
  {
    name: 'timestamp',
    kind: 'time',
    record: 'timestamp',
    means: 'when it was last heard of',
    example: 'timestamp>=-1d',
  },
];

/** The fields in which a bare word is looked for. */
export const WORD_FIELDS = ['name', 'uuid', 'worker', 'args', 'kwargs', 'result', 'exception'] as const;

/** All of them hold; nulls ask nothing. Null where nothing is asked. */
export function allOf(filters: readonly (Filter | null)[]): Filter | null {
  return joined(
    'and',
    filters.filter((filter) => filter !== null),
  );
}

/** One of them holds. Null where there is none. */
export function anyOf(filters: readonly Filter[]): Filter | null {
  return joined('or', filters);
}

function joined(kind: 'and' | 'or', filters: readonly Filter[]): Filter | null {
  const of = filters.flatMap((filter) => (filter.kind === kind ? filter.of : [filter]));
  return of.length > 1 ? { kind, of } : (of[0] ?? null);
}
