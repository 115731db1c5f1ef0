/** `celerycam demo`: a simulated cluster, shown through the whole pipeline, or published to a broker as load. */
import { z } from 'zod';
import { openPublisher, publishSimulation } from '../broker/publisher.ts';
import { DEFAULT_SIMULATION } from '../broker/simulator.ts';
import type { BrokerConfig, SimulationConfig } from '../config.ts';
import { MonitorError, redactUrl } from '../errors.ts';
import type { Logger } from '../log.ts';
import { count } from '../option-values.ts';
import { now } from '../runtime.ts';

const share = z
  .string()
  .regex(/^(0(\.\d+)?|1(\.0+)?|\.\d+)$/, 'a share from 0 to 1, such as 0.05')
  .transform(Number);

const FLAGS = {
  rate: z
    .string()
    .regex(/^\d+(\.\d+)?$/, 'tasks per second, such as 100')
    .transform(Number),
  workers: count(1, 10_000),
  tasks: z.string().transform((names) =>
    names
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  ),
  failures: share,
  retries: share,
  seed: count(0),
  count: count(1),
} as const;

/** What the flags say, defaults for the rest. @throws MonitorError CONFIG_INVALID */
export function simulationOf(flags: Readonly<Record<string, unknown>>): SimulationConfig {
  const given: Record<string, unknown> = { lists: flags['lists'] !== false };
  for (const [name, schema] of Object.entries(FLAGS)) {
    const flag = flags[name];
    if (typeof flag !== 'string') continue;
    const { success, data, error } = schema.safeParse(flag);
    const expected = error?.issues[0]?.message;
    if (!success) throw new MonitorError('CONFIG_INVALID', `--${name}: got "${flag}", expected ${expected}`);
    given[name] = data;
  }
  const options: SimulationConfig = { ...DEFAULT_SIMULATION, ...given };
  if (!(options.rate > 0)) throw new MonitorError('CONFIG_INVALID', '--rate: got 0, expected more than none');
  if (options.tasks.length === 0)
    throw new MonitorError('CONFIG_INVALID', '--tasks: got no name, expected names with commas between');
  return options;
}

/** Publishes until the simulation ends or the signal aborts, and says how fast it was. */
export async function publishDemo(
  broker: BrokerConfig,
  options: SimulationConfig,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const [url = ''] = broker.urls;
  await using publisher = await openPublisher(url, broker.exchange, broker, signal);
  const start = now();
  let told = start;
  let sent = { messages: 0, events: 0 };
  const rate = (): number => Math.round(sent.events / Math.max(now() - start, 0.001));
  log.info({ url: redactUrl(url), exchange: broker.exchange, rate: options.rate }, 'publishing a simulated cluster');
  await publishSimulation(
    publisher,
    options,
    (progress) => {
      sent = progress;
      if (now() - told < 5) return;
      told = now();
      log.info({ ...sent, events_per_second: rate() }, 'published');
    },
    signal,
  );
  log.info({ ...sent, events_per_second: rate() }, 'published everything');
}
