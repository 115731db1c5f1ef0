/** How a route of the contract is asked and answered: parameters are checked, answers written, errors told, all as JSON. */
import { createHash } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Context, Hono } from 'hono';
import type { z } from 'zod';
import type { Answer, Refusal } from '../answer.ts';
import type { ErrorAnswer } from '../contract/api.ts';
import { shown } from '../contract/fault.ts';
import { toldOf } from '../contract/query.ts';
import { type Api, api, type Route } from '../contract/routes.ts';
import type { Seconds } from '../domain/event.ts';
import type { Filter } from '../domain/filter.ts';
import { FILTER_PARAMS, filterFromParams } from '../domain/filter-params.ts';
import { readTime } from '../domain/filter-values.ts';
import { MonitorError } from '../errors.ts';
import type { Logger } from '../log.ts';
import { type ExportFormat, exportOf, MEDIA_TYPES } from './export.ts';
import { createGate, type Gate } from './gate.ts';
import { readSent, type Sent } from './sent.ts';

/** Rows of a page where nobody says how many, and at most. */
const PAGE = 100;
const LARGEST_PAGE = 1000;

export interface Asked<Query = unknown, Params = unknown, Body = unknown> extends Sent {
  readonly params: Params;
  readonly query: Query;
  /** What was sent with it; null where the route takes nothing. */
  readonly body: Body;
  /** Rows to a page at most. */
  readonly limit: number;
  /** Which tasks are meant, where the route takes filters. */
  readonly filter: Filter | null;
  /** Asks the database when it is its turn; the time that it took goes to `Server-Timing`. */
  readonly database: Gate;
  /** Aborts when who asks has gone away. */
  readonly signal: AbortSignal;
}

type Output<Schema, None> = Schema extends z.ZodType ? z.output<Schema> : None;
type QueryOf<R> = R extends { query: infer Schema } ? Output<Schema, object> : object;
type ParamsOf<R> = R extends { params: infer Schema } ? Output<Schema, object> : object;
type SentOf<R> = R extends { body: infer Schema } ? Output<Schema, null> : null;
type BodyOf<R> = R extends { response: infer Schema } ? Output<Schema, never> : never;

/** One for each route of the contract that is not mounted by itself. */
export type Handlers = {
  readonly [Name in keyof Api as Api[Name] extends { own: string } ? never : Name]: (
    asked: Asked<QueryOf<Api[Name]>, ParamsOf<Api[Name]>, SentOf<Api[Name]>>,
  ) => Answered<BodyOf<Api[Name]>>;
};

type Answered<Body> = Answer<Body> | Promise<Answer<Body>>;
type Handler = (asked: Asked) => Answered<unknown>;

type Row = Readonly<Record<string, unknown>>;

/** What routes answer that list something. */
interface Page {
  readonly items?: readonly Row[];
  /** Of `stats`. */
  readonly series?: readonly (Row & { readonly points: readonly Row[] })[];
  readonly next?: string | null;
  /** Of a thing that can be changed: which version this is. */
  readonly etag?: string;
}

/** Binds the routes of the contract. */
export function mount(app: Hono, handlers: Handlers, clock: () => Seconds, log: Pick<Logger, 'error'>): void {
  const gate = createGate();
  for (const [name, handle] of Object.entries(handlers)) {
    const route: Route = api[name as keyof Api];
    const handler = handle as Handler;
    app.on(methodOf(name), pathOf(name), async (context) => {
      const question = readQuestion(route, context, clock());
      if ('error' in question) return context.json(question satisfies ErrorAnswer, 400);
      const sent = await readSent(route, context.req);
      if ('status' in sent) return context.json(sent.told, sent.status);
      const { spent, database } = createStopwatch(gate);
      const asked: Asked = { ...question, ...sent, database, signal: context.req.raw.signal };
      const answer = await handler(asked);
      if (spent() > 0) context.header('server-timing', `db;dur=${spent().toFixed(1)}`);
      if (!answer.ok) return refused(context, answer);
      const { format } = question;
      if (route.row) context.header('vary', 'accept');
      if (format !== 'json' && route.row) {
        const onError = (error: unknown): string => {
          log.error({ error, path: context.req.path }, 'an export was cut');
          return publicReason(error) ?? 'this list is cut; the log of celerycam says why';
        };
        const pages = pagesOf(handler, asked, answer.value as Page);
        const cut = (reason: string): void => cutConnection(context, reason);
        const stream = exportOf({ format, pages, columns: Object.keys(route.row.shape), onError, cut });
        context.header('content-type', MEDIA_TYPES[format]);
        context.header('content-disposition', `attachment; filename="${fileOf(name)}.${format}"`);
        return context.body(stream as globalThis.ReadableStream);
      }
      const text = JSON.stringify(answer.value);
      // The past changes no more, but for what is found out about it later.
      if ((asked.query as { at?: Seconds }).at !== undefined) return unlessKnown(context, text, 'application/json');
      const { etag } = answer.value as Page;
      if (etag !== undefined) {
        context.header('etag', `"${etag}"`);
        context.header('cache-control', 'no-store');
      }
      return context.body(text, route.created ? 201 : 200, { 'content-type': 'application/json' });
    });
  }
}

/** What is under way ends here, and not as if it were complete. Throws where there is no connection, as in a test. */
function cutConnection({ env }: Context, reason: string): void {
  const { outgoing } = (env ?? {}) as Partial<HttpBindings>;
  if (!outgoing) throw new Error(reason);
  outgoing.destroy();
}

function methodOf(name: string): string {
  return name.slice(0, name.indexOf(' '));
}

/** The path of a route's name as hono writes it: `GET /api/tasks/{uuid}` → `/api/tasks/:uuid`. */
export function pathOf(name: string): string {
  return name.slice(name.indexOf(' ') + 1).replace(/\{(\w+)\}/g, ':$1');
}

/** `GET /api/tasks/{uuid}/events` → `events`. */
function fileOf(name: string): string {
  return (/([a-z-]+)(?:\/\{\w+\})?$/.exec(name) ?? [])[1] ?? 'export';
}

/** A text with its `ETag`; nothing but a 304 for a client that has it already. */
export function unlessKnown(context: Context, text: string, type: string): Response {
  const tag = `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
  context.header('etag', tag);
  context.header('cache-control', 'private, no-cache');
  const known = context.req.header('if-none-match')?.split(',') ?? [];
  if (known.some((each) => ['*', tag].includes(each.trim().replace(/^W\//, '')))) return context.body(null, 304);
  return context.body(text, 200, { 'content-type': type });
}

function refused(context: Context, { problem, message, field }: Refusal): Response {
  switch (problem) {
    case 'cursor':
    case 'limit':
    case 'sort':
      return context.json({ error: `${problem}: ${message}`, parameter: problem } satisfies ErrorAnswer, 400);
    case 'filter': {
      // What filters stands in a parameter of its own, or in a filter as text.
      const parameter = field !== undefined && context.req.query(field) !== undefined ? field : 'q';
      return context.json({ error: message, parameter } satisfies ErrorAnswer, 400);
    }
    case 'range':
      return context.json({ error: message } satisfies ErrorAnswer, 400);
    case 'unrecorded':
    case 'unknown':
    case 'unreadable':
      return context.json({ error: message } satisfies ErrorAnswer, 404);
    case 'field':
      return context.json(
        { error: message, ...(field !== undefined && { parameter: field }) } satisfies ErrorAnswer,
        400,
      );
    case 'taken':
      return context.json({ error: message, parameter: 'name' } satisfies ErrorAnswer, 409);
    case 'unfit':
      return context.json({ error: message } satisfies ErrorAnswer, 409);
    case 'changed':
      return context.json({ error: message } satisfies ErrorAnswer, 412);
    case 'slow':
      return context.json({ error: message } satisfies ErrorAnswer, 503);
  }
}

/** What a client may know of a failure; null: nothing, it is for the log. */
export function publicReason(error: unknown): string | null {
  return error instanceof MonitorError && (error.retry || error.code === 'QUESTION_REFUSED') ? error.message : null;
}

interface Question extends Omit<Asked, 'database' | 'signal' | keyof Sent> {
  readonly format: 'json' | ExportFormat;
}

function readQuestion(route: Route, context: Context, now: Seconds): Question | ErrorAnswer {
  const params = route.params ? route.params.parse(context.req.param()) : {};
  if (!route.query) return { params, query: {}, limit: PAGE, filter: null, format: 'json' };
  const given = new URL(context.req.url).searchParams;
  const filtered = route.filters ? filterFromParams(takeFilters(given), now) : { ok: true as const, filter: null };
  if (!filtered.ok) {
    const { param, at, expected, message } = filtered;
    return { error: message, parameter: param, at, expected };
  }
  const query = readQuery(route.query, route.filters ? FILTERS : [], given, now);
  if ('error' in query) return query as ErrorAnswer;
  const { format, limit } = query as { format?: 'json' | ExportFormat; limit?: number };
  const wanted = route.row ? (format ?? acceptedFormat(context.req.header('accept'))) : 'json';
  const size = limit ?? (wanted === 'json' ? PAGE : LARGEST_PAGE);
  return { params, query, limit: size, filter: filtered.filter, format: wanted };
}

const FILTERS: ReadonlySet<string> = new Set(FILTER_PARAMS.map(({ name }) => name));

/** Takes out of the parameters those that filter. */
function takeFilters(given: URLSearchParams): (readonly [string, string])[] {
  const taken = [...given].filter(([name]) => FILTERS.has(name));
  for (const [name] of taken) given.delete(name);
  return taken;
}

function readQuery(
  schema: z.ZodObject,
  filters: Iterable<string>,
  given: URLSearchParams,
  now: Seconds,
): object | ErrorAnswer {
  const raw: Record<string, unknown> = {};
  for (const name of new Set(given.keys())) {
    const told = Object.hasOwn(schema.shape, name) ? toldOf(schema.shape[name] as z.ZodType) : null;
    if (told === null) return unknownParameter(name, [...filters, ...Object.keys(schema.shape)]);
    const all = given.getAll(name);
    const [first = ''] = all;
    if (all.length > 1) {
      return { error: `${name}: given ${all.length} times, expected once`, parameter: name, expected: 'once' };
    }
    raw[name] = told.moment ? String(readTime(first, now) ?? first) : first;
  }
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const parameter = String(issue?.path[0] ?? '');
  const expected = issue?.message ?? 'something else';
  const error = `${parameter}: got ${shown(given.get(parameter) ?? '')}, expected ${expected}`;
  return { error, parameter, expected };
}

function unknownParameter(name: string, known: readonly string[]): ErrorAnswer {
  const expected = known.length === 0 ? 'none' : `one of ${known.join(', ')}`;
  return { error: `there is no parameter ${shown(name)} here, expected ${expected}`, parameter: name, expected };
}

/** What `Accept` prefers, where no parameter says it. */
function acceptedFormat(accept: string | undefined): 'json' | ExportFormat {
  const [first = ''] = accept?.split(',') ?? [];
  const type = first.split(';')[0]?.trim().toLowerCase();
  if (type === 'text/csv') return 'csv';
  return type === 'application/x-ndjson' || type === 'application/ndjson' ? 'ndjson' : 'json';
}

/** Milliseconds that were spent with the database. */
function createStopwatch(gate: Gate): { readonly spent: () => number; readonly database: Gate } {
  let spent = 0;
  return {
    spent: () => spent,
    database: (question) =>
      gate(async () => {
        const start = performance.now();
        try {
          return await question();
        } finally {
          spent += performance.now() - start;
        }
      }),
  };
}

/** The rows of a list from its first page on, of as many pages as the client takes. */
async function* pagesOf(handler: Handler, asked: Asked, first: Page): AsyncGenerator<readonly Row[], void, undefined> {
  const { limit: most } = asked.query as { limit?: number };
  let page = first;
  yield rowsOf(page);
  // A limit that was given is one of rows in all, and no larger than a page.
  while (most === undefined && page.next) {
    const query = { ...(asked.query as object), cursor: page.next };
    const answer = await handler({ ...asked, query });
    if (!answer.ok) throw new MonitorError('QUESTION_REFUSED', answer.message);
    page = answer.value as Page;
    yield rowsOf(page);
  }
}

function rowsOf({ items, series = [] }: Page): readonly Row[] {
  return items ?? series.flatMap(({ points, ...of }) => points.map((point) => ({ ...of, ...point })));
}
