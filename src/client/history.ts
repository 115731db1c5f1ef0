/**
 * Asks celerycam's HTTP API, in Node and in browsers: every route of the contract as a typed call.
 *
 *     const history = new History({ url: 'http://127.0.0.1:5555' });
 *     const { task } = await history.task(uuid);
 *     for await (const { task_id } of history.each('/api/tasks', { state: 'FAILURE', received_from: '-1h' })) …
 */
import type { z } from 'zod';
import type { ClusterAnswer } from '../contract/api.ts';
import type { Api, ClusterThen } from '../contract/routes.ts';
import type { Seconds } from '../domain/event.ts';
import type { NumberField, TextField } from '../domain/filter.ts';
import { ApiClient, type ApiOptions, type AskOptions } from './api-client.ts';

/** Epoch seconds, a date, or text: ISO 8601 or relative, `-15m`. */
export type Moment = Seconds | Date | string;

type Given = string | number;

/** Which tasks: `q` is a whole filter; several values of one: any of them. */
export type TaskFilters = {
  readonly [Name in
    | 'q'
    | TextField
    | Exclude<NumberField, 'sent' | 'received' | 'started' | 'timestamp'>
    | `${NumberField}_${'from' | 'to'}`]?: Given | Date | readonly Given[] | undefined;
};

type PathIn<Name> = Name extends `GET ${infer P}` ? P : never;
/** The paths of the API. */
export type Path = PathIn<keyof Api>;
/** Those that list something. */
export type ListPath = { [P in Path]: Api[`GET ${P}`] extends { row: z.ZodType } ? P : never }[Path];

type Shape<R, Part extends 'params' | 'query'> =
  R extends Record<Part, infer S extends z.ZodType> ? z.output<S> : object;
type Query<Q> = {
  readonly [K in Exclude<keyof Q, 'format'>]?: (K extends 'at' | 'from' | 'to' ? Moment : Q[K]) | undefined;
};

/** What a path is asked with: what it holds in braces, and its query. */
export type Question<P extends Path> = Readonly<Shape<Api[`GET ${P}`], 'params'>> &
  Query<Shape<Api[`GET ${P}`], 'query'>> &
  (Api[`GET ${P}`] extends { filters: true } ? TaskFilters : unknown);

export type AnswerOf<P extends Path> = z.output<Api[`GET ${P}`]['response']>;
export type RowOf<P extends ListPath> = Api[`GET ${P}`] extends { row: infer S extends z.ZodType }
  ? z.output<S>
  : never;

type Rest<P extends Path, Named extends string> = Omit<Question<P>, Named>;

/**
 * All methods throw MonitorError: QUESTION_REFUSED where the API refuses (`refusalIn` tells what), API_UNREACHABLE where it
 * does not answer, which may be tried again; and what `signal` throws when it aborts.
 */
export class History {
  readonly #api: ApiClient;

  constructor(options: ApiOptions) {
    this.#api = new ApiClient(options);
  }

  /** Asks any path of the contract. */
  async get<P extends Path>(path: P, question: Question<P>, options: AskOptions = {}): Promise<AnswerOf<P>> {
    return (await this.#api.ask(`GET ${path}`, question, options)) as AnswerOf<P>;
  }

  /** The pages of a list, each asked for when it is wanted. */
  async *pages<P extends ListPath>(
    path: P,
    question: Question<P>,
    options: AskOptions = {},
  ): AsyncGenerator<AnswerOf<P>, void, undefined> {
    let cursor: string | null | undefined;
    do {
      const page: AnswerOf<P> = await this.get(path, cursor ? { limit: 1000, ...question, cursor } : question, options);
      yield page;
      cursor = (page as { next?: string | null }).next;
    } while (cursor);
  }

  /** The rows of a list, page by page. */
  async *each<P extends ListPath>(
    path: P,
    question: Question<P>,
    options: AskOptions = {},
  ): AsyncGenerator<RowOf<P>, void, undefined> {
    type Listed = { items?: RowOf<P>[]; series?: ({ points: object[] } & object)[] };
    for await (const page of this.pages(path, question, options)) {
      const { items, series = [] } = page as Listed;
      yield* items ?? series.flatMap(({ points, ...of }) => points.map((point) => ({ ...of, ...point }) as RowOf<P>));
    }
  }

  /** What is going on; with `at` what was going on then. */
  cluster(question?: { readonly at?: undefined }, options?: AskOptions): Promise<ClusterAnswer>;
  cluster(question: { readonly at: Moment }, options?: AskOptions): Promise<ClusterThen>;
  cluster(
    question: { readonly at?: Moment | undefined } = {},
    options?: AskOptions,
  ): Promise<ClusterAnswer | ClusterThen> {
    return this.get('/api/cluster', question, options);
  }

  /** What is not as it should be. */
  findings(question: Question<'/api/findings'> = {}, options?: AskOptions) {
    return this.get('/api/findings', question, options);
  }

  workers(question: Question<'/api/workers'> = {}, options?: AskOptions) {
    return this.get('/api/workers', question, options);
  }

  worker(hostname: string, question: Rest<'/api/workers/{hostname}', 'hostname'> = {}, options?: AskOptions) {
    return this.get('/api/workers/{hostname}', { ...question, hostname }, options);
  }

  workerChanges(
    hostname: string,
    question: Rest<'/api/workers/{hostname}/changes', 'hostname'> = {},
    options?: AskOptions,
  ) {
    return this.get('/api/workers/{hostname}/changes', { ...question, hostname }, options);
  }

  /** What differs between two moments. */
  difference(question: Question<'/api/difference'> = {}, options?: AskOptions) {
    return this.get('/api/difference', question, options);
  }

  tasks(question: Question<'/api/tasks'> = {}, options?: AskOptions) {
    return this.get('/api/tasks', question, options);
  }

  task(uuid: string, question: Rest<'/api/tasks/{uuid}', 'uuid'> = {}, options?: AskOptions) {
    return this.get('/api/tasks/{uuid}', { ...question, uuid }, options);
  }

  events(uuid: string, question: Rest<'/api/tasks/{uuid}/events', 'uuid'> = {}, options?: AskOptions) {
    return this.get('/api/tasks/{uuid}/events', { ...question, uuid }, options);
  }

  versions(uuid: string, question: Rest<'/api/tasks/{uuid}/versions', 'uuid'> = {}, options?: AskOptions) {
    return this.get('/api/tasks/{uuid}/versions', { ...question, uuid }, options);
  }

  tree(uuid: string, question: Rest<'/api/tasks/{uuid}/tree', 'uuid'> = {}, options?: AskOptions) {
    return this.get('/api/tasks/{uuid}/tree', { ...question, uuid }, options);
  }

  result(task_id: string, question: Rest<'/api/results/{task_id}', 'task_id'> = {}, options?: AskOptions) {
    return this.get('/api/results/{task_id}', { ...question, task_id }, options);
  }

  group(id: string, question: Rest<'/api/groups/{id}', 'id'> = {}, options?: AskOptions) {
    return this.get('/api/groups/{id}', { ...question, id }, options);
  }

  taskNames(question: Question<'/api/task-names'> = {}, options?: AskOptions) {
    return this.get('/api/task-names', question, options);
  }

  stats(question: Question<'/api/stats'> = {}, options?: AskOptions) {
    return this.get('/api/stats', question, options);
  }

  snapshots(question: Question<'/api/snapshots'> = {}, options?: AskOptions) {
    return this.get('/api/snapshots', question, options);
  }

  gaps(question: Question<'/api/gaps'> = {}, options?: AskOptions) {
    return this.get('/api/gaps', question, options);
  }

  deadLetters(question: Question<'/api/dead-letters'> = {}, options?: AskOptions) {
    return this.get('/api/dead-letters', question, options);
  }
}
