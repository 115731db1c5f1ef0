/**
 * Periodic tasks of a running celerycam: listed, made, changed, sent now. For Node and browsers.
 *
 *     const tasks = new PeriodicTasks({ url: 'http://127.0.0.1:5555', token });
 *     const task = await tasks.create({ name: 'sweep', task: 'shop.sweep', schedule: { kind: 'interval', every: 10, period: 'minutes' } });
 *     await tasks.change(task, { enabled: false });
 */
import type {
  DueTimes,
  NewPeriodicTask,
  PeriodicRunRecord,
  PeriodicRunsPage,
  PeriodicSchedule,
  PeriodicTaskChange,
  PeriodicTaskRow,
  PeriodicTasksPage,
} from '../contract/periodic.ts';
import { ApiClient, type ApiOptions, type AskOptions } from './api-client.ts';
import { History, type Question } from './history.ts';

/** A task as it was read: nobody's change of it that was not seen is undone. */
export type PeriodicTaskRead = Pick<PeriodicTaskRow, 'id' | 'etag'>;

/**
 * All methods throw MonitorError: QUESTION_REFUSED where the API refuses (`refusalIn` tells what: `status` 400 with the
 * `parameter` that is wrong, 404, 409 where the name is taken, 412 where somebody has changed the task since it was read),
 * API_UNREACHABLE where it does not answer; and what `signal` throws when it aborts.
 */
export class PeriodicTasks {
  readonly #api: ApiClient;
  readonly #history: History;

  constructor(options: ApiOptions) {
    this.#api = new ApiClient(options);
    this.#history = new History(options);
  }

  /** A page of them, by name. */
  list(question: Question<'/api/periodic-tasks'> = {}, options?: AskOptions): Promise<PeriodicTasksPage> {
    return this.#history.get('/api/periodic-tasks', question, options);
  }

  /** All of them, page by page as they are wanted. */
  each(
    question: Question<'/api/periodic-tasks'> = {},
    options?: AskOptions,
  ): AsyncGenerator<PeriodicTaskRow, void, undefined> {
    return this.#history.each('/api/periodic-tasks', question, options);
  }

  one(id: number, options?: AskOptions): Promise<PeriodicTaskRow> {
    return this.#history.get('/api/periodic-tasks/{id}', { id: String(id) }, options);
  }

  create(settings: NewPeriodicTask, options?: AskOptions): Promise<PeriodicTaskRow> {
    return this.#write('POST /api/periodic-tasks', {}, { ...options, body: settings });
  }

  /** What is left out stays as it is. */
  change(task: PeriodicTaskRead, change: PeriodicTaskChange, options?: AskOptions): Promise<PeriodicTaskRow> {
    const { id, etag } = task;
    return this.#write('PATCH /api/periodic-tasks/{id}', { id }, { ...options, body: change, etag });
  }

  /** With its runs. Answers what it was. */
  remove({ id, etag }: PeriodicTaskRead, options?: AskOptions): Promise<PeriodicTaskRow> {
    return this.#write('DELETE /api/periodic-tasks/{id}', { id }, { ...options, etag });
  }

  /** Sends it now, whether it is due or not: Celery's `delay()`. Tells what became of it. */
  delay(id: number, options?: AskOptions): Promise<PeriodicRunRecord> {
    return this.#api.ask('POST /api/periodic-tasks/{id}/run', { id }, options) as Promise<PeriodicRunRecord>;
  }

  /** What became of each due time, newest first. */
  runs(
    id: number,
    question: Omit<Question<'/api/periodic-tasks/{id}/runs'>, 'id'> = {},
    options?: AskOptions,
  ): Promise<PeriodicRunsPage> {
    return this.#history.get('/api/periodic-tasks/{id}/runs', { ...question, id: String(id) }, options);
  }

  /** When a schedule is due, whether a task has it or not. */
  dueTimes(
    schedule: PeriodicSchedule,
    question: Omit<Question<'/api/due-times'>, 'schedule'> = {},
    options?: AskOptions,
  ): Promise<DueTimes> {
    return this.#history.get('/api/due-times', { ...question, schedule: JSON.stringify(schedule) }, options);
  }

  #write(route: string, question: object, asked: object): Promise<PeriodicTaskRow> {
    return this.#api.ask(route, question, asked) as Promise<PeriodicTaskRow>;
  }
}
