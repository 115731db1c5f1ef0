/**
 * Takes secrets out of events before anything else sees them: fields, values inside `args`, `kwargs` and `result`, or
 * whatever a pattern matches, masked or hashed, of all tasks or of some by name.
 *
 * Where it cannot tell, it redacts: an event of a task whose name is not known counts as one that the rule is about, and
 * a display string that cannot be read with certainty goes as a whole.
 */
import type { DeadLetter, Event, Json, ReceivedEvent } from './event.ts';
import { descend, findInRepr, isHere, mentions, type Path } from './repr.ts';

/** Whose values go, and how. */
export interface RedactionRule {
  /** Of which tasks, by name; null: of every event. */
  readonly tasks: readonly RegExp[] | null;
  readonly action: 'mask' | 'hash';
  /** What goes of a field: all of it, what paths lead to, or what a pattern (global) matches. */
  readonly fields: ReadonlyMap<string, 'all' | readonly Path[] | RegExp>;
}

export interface Redactor {
  /** The event as it may be recorded; the same object where nothing is to be taken out. To be called in order of arrival. */
  event(received: ReceivedEvent): ReceivedEvent;
  /** A dead letter without its bytes and headers, and what its reason quotes of them: nobody can tell what is in them. */
  letter(letter: DeadLetter): DeadLetter;
}

export interface RedactorParts {
  /** What stands for a hashed value: the same for the same text. */
  readonly hash: (text: string) => string;
  /** Name of a task that is known from elsewhere, such as from before a restart. */
  readonly nameOf: (cluster: string, uuid: string) => string | null;
  /** Tasks of which is remembered here what they are called. */
  readonly maxTasks: number;
}

/** What stands where something was masked. */
export const MASK = '***';

/** Celery's own tasks that carry calls of others in their arguments: whatever a rule is about may be in there somewhere. */
const CARRIERS = /^celery\.(chain|chord|chord_unlock|chunks|group|map|starmap)$/;

/** What Celery's senders cut when it is long: a pattern might not match what is left of a secret. */
const CUT: ReadonlySet<string> = new Set(['args', 'kwargs', 'result', 'exception']);

type Rules = readonly RedactionRule[];

export function createRedactor(rules: Rules, parts: RedactorParts): Redactor {
  const { rulesOf } = new Register(rules, parts);
  const put = {
    mask: (): string => MASK,
    hash: (text: string): string => parts.hash(text),
  };
  return {
    event(received) {
      const changed: Record<string, Json> = {};
      for (const { fields, action } of rulesOf(received)) {
        for (const [field, what] of fields) {
          const value = Object.hasOwn(changed, field) ? changed[field] : received.event[field];
          if (value === undefined || value === null || value === '') continue;
          const redacted = carefully(field, value, what, put[action]);
          if (redacted !== value) changed[field] = redacted;
        }
      }
      if (Object.keys(changed).length === 0) return received;
      const event: Event = { ...received.event, ...changed };
      return { ...received, event, body: JSON.stringify(event) };
    },

    letter: (letter) => ({
      ...letter,
      headers: {},
      body: new Uint8Array(),
      // A parser's message in brackets quotes what it could not read.
      reason: `${letter.reason.replace(/ *\(.*\)/s, '')}; its bytes are not kept, because redaction is configured`,
    }),
  };
}

/** Knows which rules are about an event: only some tell the name of their task. */
class Register {
  readonly #rules: Rules;
  readonly #ofCarriers: Rules;
  readonly #parts: RedactorParts;
  readonly #byName: boolean;
  readonly #ofName = new Map<string, Rules>();
  /** By all the names that a task was heard under: `replace` keeps the uuid. */
  readonly #ofTask = new Map<string, Rules>();

  constructor(rules: Rules, parts: RedactorParts) {
    this.#rules = rules;
    this.#ofCarriers = rules.map((rule) => ({ ...rule, fields: new Map(Array.from(rule.fields, whole)) }));
    this.#parts = parts;
    this.#byName = rules.some(({ tasks }) => tasks !== null);
  }

  readonly rulesOf = ({ cluster, event }: ReceivedEvent): Rules => {
    const { uuid } = event;
    const own = typeof event['name'] === 'string' ? this.#rulesOfName(event['name']) : undefined;
    if (typeof uuid !== 'string') return own ?? this.#rules;
    // Where every rule is about every task, only the carriers differ, which are known by the events that have a name.
    if (!this.#byName) return own ?? this.#rules;
    const key = `${cluster} ${uuid}`;
    const before = this.#ofTask.get(key);
    const now = own ?? before ?? this.#recalled(cluster, uuid);
    if (now === undefined) return this.#rules;
    const all = before === undefined || before === now ? now : [...new Set([...before, ...now])];
    if (before === undefined || all.length > before.length) this.#remember(key, all);
    return all;
  };

  #recalled(cluster: string, uuid: string): Rules | undefined {
    const name = this.#parts.nameOf(cluster, uuid);
    return name === null ? undefined : this.#rulesOfName(name);
  }

  #remember(key: string, rules: Rules): void {
    const [oldest] = this.#ofTask.keys();
    if (this.#ofTask.size >= this.#parts.maxTasks && oldest !== undefined) this.#ofTask.delete(oldest);
    this.#ofTask.set(key, rules);
  }

  #rulesOfName(name: string): Rules {
    const known = this.#ofName.get(name);
    if (known) return known;
    const found = CARRIERS.test(name)
      ? this.#ofCarriers
      : this.#rules.filter(({ tasks }) => tasks === null || tasks.some((glob) => glob.test(name)));
    // Names are few, unless somebody makes them up.
    if (this.#ofName.size >= 10_000) this.#ofName.clear();
    this.#ofName.set(name, found);
    return found;
  }
}

function whole([field, what]: [string, 'all' | readonly Path[] | RegExp]): [string, 'all' | RegExp] {
  return [field, what instanceof RegExp ? what : 'all'];
}

type Put = (text: string) => string;

/** What is nested too deep or too long to look into goes as a whole. */
function carefully(field: string, value: Json, what: 'all' | readonly Path[] | RegExp, put: Put): Json {
  try {
    return redact(field, value, what, put);
  } catch {
    return put(textOf(value));
  }
}

function redact(field: string, value: Json, what: 'all' | readonly Path[] | RegExp, put: Put): Json {
  if (what === 'all') return put(textOf(value));
  if (what instanceof RegExp) return byPattern(field, value, what, put);
  if (typeof value !== 'string') return byPaths(value, what, mentions(what), put);
  const data = jsonOf(value);
  if (data !== undefined) {
    const redacted = byPaths(data, what, mentions(what), put);
    return redacted === data ? value : textOf(redacted);
  }
  // Arguments that are one text are no display string of Celery's: nobody knows how it is to be read.
  const spans = field !== 'result' && value.startsWith("'") ? null : findInRepr(value, what);
  if (spans === null) return put(value);
  let text = '';
  let from = 0;
  for (const { start, end } of spans) {
    const found = value.slice(start, end);
    text += `${value.slice(from, start)}'${put(found.startsWith("'") ? found.slice(1, -1) : found)}'`;
    from = end;
  }
  return text + value.slice(from);
}

/** What paths lead to in data that is no display string. Nothing there: the same value. */
function byPaths(value: Json, paths: readonly Path[], inner: RegExp | null, put: Put): Json {
  if (isHere(paths)) return value === null ? value : put(textOf(value));
  if (typeof value === 'string') return inner?.test(value) ? put(value) : value;
  if (typeof value !== 'object' || value === null) return value;
  const parts = Object.entries(value).map(([key, part]: [string, Json]) => {
    return [key, part, byPaths(part, descend(paths, key), inner, put)] as const;
  });
  if (parts.every(([, before, after]) => before === after)) return value;
  if (Array.isArray(value)) return parts.map(([, , after]) => after);
  return Object.fromEntries(parts.map(([key, , after]) => [key, after]));
}

/** What the pattern matches; all of a text that was cut, where it might match no more. */
function byPattern(field: string, value: Json, pattern: RegExp, put: Put): Json {
  if (typeof value === 'string') {
    // saferepr writes `{...}` for what is nested too deep. Any other dots may be where it cut.
    if (CUT.has(field) && value.replace(/[([{]\.\.\.,?[)\]}]/g, '').includes('...')) return put(value);
    return value.replace(pattern, (match) => (match === '' ? '' : put(match)));
  }
  // Data: as a whole, since the pattern may be about a key and its value.
  const text = textOf(value);
  return text.search(pattern) === -1 ? value : put(text);
}

function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** A list or an object as data; undefined for what is no JSON or neither. */
function jsonOf(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
