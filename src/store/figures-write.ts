/**
 * What a shutter adds to the figures and takes away from them. Added up here and not in Postgres, which would make a row of
 * each number, sort them several times, and take ten times as long.
 */
import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import type { Seconds } from '../domain/event.ts';
import type { Task } from '../domain/task.ts';
import { copyLines, copyOut } from '../postgres.ts';
import { copyFields, storableKey } from '../postgres-text.ts';
import { codeOfLength, codeOfState, KEEP_FIGURES, type Measure, MOST_KEYS, RESOLUTIONS } from './figures.ts';
import { toNumber } from './rows.ts';
import { addRow, type FigureTexts, type Sums } from './sums.ts';

/** What is counted of a row of `task_states`. */
export interface Counted extends Pick<Task, 'state' | 'name' | 'worker' | 'runtime' | 'sent' | 'received' | 'started'> {
  readonly cluster: string;
  readonly ages_from: Seconds;
}

/** In the order of `toCounted`. */
const COUNTED = ['cluster', 'state', 'name', 'worker', 'runtime', 'sent', 'received', 'started', 'ages_from'];

/** A row of `task_figures`, or what is to be added to it. */
interface Figure {
  readonly resolution: number;
  readonly kind: 'all' | 'name' | 'worker';
  readonly start: Seconds;
  readonly cluster: string;
  readonly key: string;
  readonly sums: Sums;
}

const MINUTE = RESOLUTIONS[0];
const DAY = RESOLUTIONS[2];

/** Figures that are read, added to and written at a time. The event loop has its turn between. */
const CHUNK = 500;

export class Figures {
  readonly #oldest: Seconds;
  /** Of minutes. */
  readonly #changes = new Map<string, Figure>();

  /** @param takenAt when the shutter was released */
  constructor(takenAt: Seconds) {
    this.#oldest = takenAt - KEEP_FIGURES;
  }

  /** @param n 1 for a row that comes, -1 for one that goes */
  count({ cluster, state, name, worker, runtime, sent, received, started, ages_from }: Counted, n: 1 | -1): void {
    if (!(ages_from > this.#oldest)) return;
    const codes = [codeOfState(state)];
    const addLength = (measure: Measure, length: Seconds | null): void => {
      if (length !== null) codes.push(codeOfLength(measure, length));
    };
    addLength('runtime', runtime);
    addLength('wait', between(started, received));
    addLength('delivery', between(received, sent));
    const start = startOf(MINUTE, ages_from);
    for (const [kind, key] of [
      ['all', ''],
      ['name', name ?? ''],
      ['worker', worker ?? ''],
    ] as const) {
      const { sums } = figureIn(this.#changes, { resolution: MINUTE, kind, start, cluster, key });
      for (const code of codes) sums.set(code, (sums.get(code) ?? 0) + n);
    }
  }

  /** Counts rows of a table like `task_states`. @param from what follows `from` in a query; it calls the table `t` */
  async countRows(client: pg.Client, from: string, n: 1 | -1): Promise<void> {
    const columns = COUNTED.map((column) => `t.${column}`).join(', ');
    for await (const lines of copyLines(copyOut(client, `select ${columns} from ${from}`))) {
      for (const line of lines) this.count(toCounted(copyFields(line)), n);
      await setImmediate();
    }
  }

  /** Adds what was counted to `task_figures`. To be called in the transaction that changes the rows. */
  async save(client: pg.Client): Promise<void> {
    const minutes = [...this.#changes.values()].filter(({ sums }) => {
      dropZeros(sums);
      return sums.size > 0;
    });
    const isToldApart = await keysToldApart(client, minutes);
    const changes = new Map<string, Figure>();
    for (const [n, minute] of minutes.entries()) {
      if (n % (4 * CHUNK) === 0) await setImmediate();
      const key = isToldApart(minute) ? minute.key : '';
      for (const resolution of RESOLUTIONS) {
        const { sums } = figureIn(changes, { ...minute, resolution, start: startOf(resolution, minute.start), key });
        for (const [code, n] of minute.sums) sums.set(code, (sums.get(code) ?? 0) + n);
      }
    }
    const all = [...changes.values()];
    for (let n = 0; n < all.length; n += CHUNK) {
      await addToTable(client, all.slice(n, n + CHUNK));
      await setImmediate();
    }
  }
}

/** A task as `taskLine` writes it. */
export function countedOf(cluster: string, task: Task, ages_from: Seconds): Counted {
  const { state, name, worker, runtime, sent, received, started } = task;
  const key = (text: string | null): string | null => text && storableKey(text);
  return { cluster, state, name: key(name), worker: key(worker), runtime, sent, received, started, ages_from };
}

function toCounted(fields: readonly (string | null)[]): Counted {
  const [cluster, state, name, worker, runtime, sent, received, started, ages_from] = fields;
  return {
    cluster: cluster ?? '',
    state: state ?? '',
    name: name ?? null,
    worker: worker ?? null,
    runtime: toNumber(runtime),
    sent: toNumber(sent),
    received: toNumber(received),
    started: toNumber(started),
    ages_from: toNumber(ages_from) ?? Number.NaN,
  };
}

/** Null where one of two times is not known. Senders may say any time: of two that are infinite there is no difference. */
function between(later: Seconds | null, earlier: Seconds | null): Seconds | null {
  return later === null || earlier === null ? null : bounded(later) - bounded(earlier);
}

function bounded(time: Seconds): Seconds {
  return Math.max(-1e12, Math.min(time, 1e12));
}

function startOf(resolution: number, time: Seconds): Seconds {
  return Math.floor(time / resolution) * resolution;
}

/** The one under the same key, or a new one. */
function figureIn(
  figures: Map<string, Figure>,
  { resolution, kind, start, cluster, key }: Omit<Figure, 'sums'>,
): Figure {
  const id = `${resolution} ${start} ${kind} ${cluster}\n${key}`;
  let figure = figures.get(id);
  if (!figure) {
    figure = { resolution, kind, start, cluster, key, sums: new Map() };
    figures.set(id, figure);
  }
  return figure;
}

function dropZeros(sums: Sums): void {
  for (const [code, n] of sums) if (n === 0) sums.delete(code);
}

/** Which have a row of their own in their day: those that have one already, and as many more as `MOST_KEYS` allows. */
async function keysToldApart(client: pg.Client, minutes: readonly Figure[]): Promise<(figure: Figure) => boolean> {
  const ofDays = new Map<string, Figure>();
  const ofDay = (figure: Figure): Figure =>
    figureIn(ofDays, { ...figure, resolution: DAY, start: startOf(DAY, figure.start) });
  for (const figure of minutes) if (figure.kind !== 'all') ofDay(figure);
  const asked = [...ofDays.values()];
  const apart = new Set<Figure>();
  for (let from = 0; from < asked.length; from += CHUNK) {
    const some = asked.slice(from, from + CHUNK);
    const { rows } = await client.query<{ n: number }>(
      `select n from ${GIVEN} join task_figures using (${KEY})`,
      keysOf(some),
    );
    for (const { n } of rows) apart.add(some[n - 1] as Figure);
  }
  const others = asked.filter((figure) => !apart.has(figure));
  const room = await roomFor(client, others);
  for (const figure of others) {
    const left = room.get(dayOf(figure)) ?? 0;
    if (left <= 0) continue;
    room.set(dayOf(figure), left - 1);
    apart.add(figure);
  }
  return (figure) => figure.kind === 'all' || apart.has(ofDay(figure));
}

/** How many more keys their days may have, by `dayOf`. */
async function roomFor(client: pg.Client, figures: readonly Figure[]): Promise<Map<string, number>> {
  const days = [...new Map(figures.map((figure) => [dayOf(figure), figure])).values()];
  if (days.length === 0) return new Map();
  const { rows } = await client.query<{ size: number }>(
    `select (select count(*) from task_figures f where f.resolution = given.resolution and f.kind = given.kind
        and f.start = given.start and f.cluster = given.cluster) as size
      from ${GIVEN} order by n`,
    keysOf(days),
  );
  return new Map(days.map((day, n) => [dayOf(day), MOST_KEYS - (rows[n]?.size ?? 0)]));
}

function dayOf({ kind, start, cluster }: Figure): string {
  return `${kind} ${start} ${cluster}`;
}

const KEY = 'resolution, kind, start, cluster, key';
const GIVEN = `unnest($1::integer[], $2::text[], $3::bigint[], $4::text[], $5::text[]) with ordinality as given (${KEY}, n)`;

function keysOf(figures: readonly Figure[]): unknown[][] {
  return [
    figures.map(({ resolution }) => resolution),
    figures.map(({ kind }) => kind),
    figures.map(({ start }) => start),
    figures.map(({ cluster }) => cluster),
    figures.map(({ key }) => key),
  ];
}

async function addToTable(client: pg.Client, changes: readonly Figure[]): Promise<void> {
  const keys = keysOf(changes);
  const { rows } = await client.query<FigureTexts & { n: number }>(
    `select n, codes::text, counts::text from ${GIVEN} join task_figures using (${KEY})`,
    keys,
  );
  for (const row of rows) addRow((changes[row.n - 1] as Figure).sums, row);
  for (const { sums } of changes) dropZeros(sums);
  const sorted = changes.map(({ sums }) => [...sums].sort(([a], [b]) => a - b));
  const texts = (place: 0 | 1): string[] => sorted.map((sums) => `{${sums.map((each) => each[place]).join()}}`);
  await client.query(
    `insert into task_figures (${KEY}, codes, counts)
      select ${KEY}, codes::smallint[], counts::bigint[]
      from unnest($1::integer[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
        as changed (${KEY}, codes, counts)
      on conflict (${KEY}) do update set codes = excluded.codes, counts = excluded.counts`,
    [...keys, texts(0), texts(1)],
  );
}
