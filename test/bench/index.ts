/**
 * `npm run bench [drain|journal|shutter|fold|feed|history|dashboard|metrics …]`: how fast celerycam is beside others, each pair measured in one run on
 * the same machine. Only the ratios travel; quote the machine with them.
 *
 * `history` takes `--full`, `--database URL` (one that it may fill, or has filled before; it stays), `--only PATTERN` (which questions)
 * and `--rounds N`. `dashboard` takes `--seconds N` (how long a heap is watched) and wants `npm run build` before.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import setup from '../support/global-setup.ts';
import { freshDatabase } from '../support/services.ts';
import { benchDashboard } from './dashboard.ts';
import { celerycam, celeryState, countOnly, FullQueue } from './drain.ts';
import { benchFeed, benchFeedAlone, type FeedFigures } from './feed.ts';
import { benchFold } from './fold.ts';
import { benchHistory } from './history.ts';
import { benchJournal } from './journal.ts';
import { benchMetrics } from './metrics.ts';
import { benchShutter } from './shutter.ts';

const { positionals: asked, values: options } = parseArgs({
  allowPositionals: true,
  options: {
    /** As many rows as the goals speak of: takes a quarter of an hour and 25 GB. */
    full: { type: 'boolean' },
    database: { type: 'string' },
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '60' },
  },
});

const ROUNDS = 3;
const TASKS = 45_000;

const SECTIONS: Readonly<Record<string, () => Promise<void>>> = {
  drain: async () => {
    await drain('single events', false);
    await drain('lists', true);
  },
  journal: async () => {
    await using database = await freshDatabase();
    const { append, bareCopy, recover } = await benchJournal(database.url);
    row('journal append', append, 'events/s');
    ratio(append / bareCopy, 'bare COPY of the same rows', 0.8);
    row('recovery of 1,000,000 events', recover, 's (goal: at most 5)');
  },
  shutter: async () => {
    await using database = await freshDatabase();
    const { insert, update, blocked } = await benchShutter(database.url);
    row('shutter, tasks new to the database', insert, 'tasks/s');
    row('shutter, tasks with history', update, 'tasks/s');
    row('event loop held up at most', blocked, 'ms (goal: 50)');
  },
  fold: async () => benchFold(),
  history: async () => {
    await using database = options.database === undefined ? await freshDatabase() : null;
    const url = options.database ?? database?.url ?? '';
    const tasks = options.full ? 10_000_000 : 1_000_000;
    console.log(
      `questions over ${tasks.toLocaleString('en')} tasks and three times as many versions: p50, p99 in ms, items`,
    );
    const which = { only: new RegExp(options.only), rounds: Number(options.rounds) };
    await benchHistory({ url, tasks, ...which }, ({ question, p50, p99, goal, items, bounded }) => {
      const figures = [p50, p99].map((ms) => ms.toFixed(1).padStart(8)).join('');
      const notes = [p99 > goal ? `over ${goal} ms` : '', bounded ? 'looked so far' : ''].filter(Boolean).join(', ');
      console.log(`${question.padEnd(54)}${figures}${String(items).padStart(6)} ${notes}`);
    });
  },
  dashboard: async () => {
    const { firstPaint, firstFigure, rows, present, frames, keys, heap } = await benchDashboard(
      Number(options.seconds),
    );
    row('dashboard: first paint', firstPaint, 'ms (goal: 1,000)');
    row('  first figure', firstFigure, 'ms');
    row('  rows scrolled through', rows, `rows; in the page ${present}`);
    row('  between frames while scrolling: 99 %', frames.p99, `ms; half ${frames.p50.toFixed(0)} ms`);
    row('  from key to frame at 2,000 events/s: 99 %', keys.p99, `ms; half ${keys.p50.toFixed(0)} ms (goal: 100)`);
    console.log(`  heap, every 10 s at 2,000 events/s, MB: ${heap.map((size) => size.toFixed(1)).join(' ')}`);
  },
  metrics: async () => benchMetrics(),
  feed: async () => {
    for (const [clients, rate] of [
      [100, 5000],
      [1000, 2000],
    ] as const) {
      const at = `${clients} clients, ${rate} events/s`;
      feed(`feed by itself, ${at}`, await benchFeedAlone(clients, rate, 15));
      feed(`whole program, ${at}`, await benchFeed(clients, rate, 15));
    }
  },
};

function feed(what: string, { latencies, messages, bytes, behind, processor }: FeedFigures): void {
  console.log(what);
  for (const [since, { p50, p99 }] of Object.entries(latencies))
    row(`  from ${since} to the client: 99 %`, p99, `ms; half ${p50} ms`);
  row('  messages to each client', messages, `messages/s, ${(bytes / 1000).toFixed(0)} kB/s`);
  row('  processor time of the server', processor * 100, `% of one; told to be behind: ${behind}`);
}

async function drain(shape: string, lists: boolean): Promise<void> {
  const broker = process.env['TEST_BROKER_URL'] ?? '';
  const queue = new FullQueue(broker, 'quorum', lists, TASKS);
  const rates = { counted: [] as number[], ours: [] as number[], celery: [] as number[] };
  let rss = 0;
  let perMessage = 0;
  try {
    for (let round = 0; round < ROUNDS; round++) {
      let full = await queue.fill();
      perMessage = full.events / full.messages;
      rates.counted.push((await countOnly(broker, queue.name, full.messages)) * perMessage);
      full = await queue.fill();
      const ours = await celerycam(broker, queue.name, 'quorum', full.events);
      rates.ours.push(ours.rate);
      rss = Math.max(rss, ours.rss);
      if (ours.cost) {
        const { program, postgres } = ours.cost;
        row(
          `  processor time for an event`,
          program + postgres,
          `µs: ${program.toFixed(1)} here, ${postgres.toFixed(1)} Postgres`,
        );
      }
    }
    const full = await queue.fill();
    rates.celery.push((await celeryState(broker, queue.name, full.events)).rate);
  } finally {
    await queue.remove();
  }
  const ours = median(rates.ours);
  row(`drain, ${shape} (${perMessage.toFixed(1)} to a message), everything recorded`, ours, 'events/s');
  ratio(ours / median(rates.counted), 'amqplib that only counts', lists ? 0.2 : 0.6);
  ratio(ours / median(rates.celery), 'Celery’s receiver and State, which record nothing', null);
  row('  largest resident set', rss, 'MB (goal: 300)');
}

function row(what: string, figure: number, unit: string): void {
  console.log(`${what.padEnd(66)} ${figure.toLocaleString('en', { maximumFractionDigits: 1 }).padStart(10)} ${unit}`);
}

function ratio(figure: number, of: string, goal: number | null): void {
  console.log(`  = ${figure.toFixed(2)} × ${of}${goal === null ? '' : ` (goal: ${goal})`}`);
}

function median(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}

const unknown = asked.filter((name) => !Object.hasOwn(SECTIONS, name));
if (unknown.length > 0) {
  console.error(`there is no section ${unknown.join(', ')}; expected ${Object.keys(SECTIONS).join(', ')}`);
  process.exit(2);
}
const stop = await setup();
console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`);
try {
  for (const [name, section] of Object.entries(SECTIONS))
    if (asked.length === 0 || asked.includes(name)) await section();
} finally {
  await stop();
}
