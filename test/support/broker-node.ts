/** A RabbitMQ node of a test's own, which it may stop, kill and starve without harm to others. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);
/** Debian's wrapper in the PATH insists on the account `rabbitmq` and its directories. */
const SERVER = '/usr/lib/rabbitmq/bin/rabbitmq-server';

export interface BrokerNode extends AsyncDisposable {
  readonly url: string;
  /** Returns once it takes connections. */
  start(): Promise<void>;
  /** In order, or with SIGKILL. Returns once the process is gone. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** `rabbitmqctl` for this node. */
  control(...args: readonly string[]): Promise<string>;
}

/** Starts one in a directory of its own. */
export async function openBrokerNode(): Promise<BrokerNode> {
  if (!existsSync(SERVER)) throw new Error(`${SERVER} is missing: apt-get install rabbitmq-server`);
  const scripts = dirname(realpathSync(SERVER));
  const [port, distributionPort] = [await freePort(), await freePort()];
  const directory = mkdtempSync(join(tmpdir(), 'celerycam-broker-'));
  for (const name of ['mnesia', 'log', 'home']) mkdirSync(join(directory, name));
  writeFileSync(
    join(directory, 'rabbitmq.conf'),
    `listeners.tcp.local = 127.0.0.1:${port}\nvm_memory_calculation_strategy = erlang\n`,
  );
  writeFileSync(join(directory, 'plugins'), '[].');
  const env = {
    ...process.env,
    HOME: join(directory, 'home'),
    RABBITMQ_NODENAME: `celerycam-${port}@localhost`,
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(directory, 'mnesia'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none'),
    RABBITMQ_CONFIG_FILE: join(directory, 'rabbitmq'),
    ERL_EPMD_ADDRESS: '127.0.0.1',
  };
  let server: ChildProcess | null = null;
  const node: BrokerNode = {
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    async start() {
      server = spawn('/bin/sh', [join(scripts, 'rabbitmq-server')], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
        detached: true,
      });
      let output = '';
      for await (const chunk of server.stdout ?? []) {
        output += String(chunk);
        if (output.includes('Starting broker... completed')) {
          server.stdout?.resume();
          return;
        }
      }
      throw new Error(`the broker did not start: ${output}`);
    },
    async stop(signal = 'SIGTERM') {
      const { pid } = server ?? {};
      if (!server || pid === undefined || server.exitCode !== null || server.signalCode !== null) return;
      const gone = once(server, 'exit');
      process.kill(-pid, signal);
      await gone;
    },
    async control(...args) {
      const { stdout } = await exec(
        '/bin/sh',
        [join(scripts, 'rabbitmqctl'), '-q', '-n', env.RABBITMQ_NODENAME, ...args],
        { env },
      );
      return stdout;
    },
    async [Symbol.asyncDispose]() {
      await node.stop('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await node.start();
  return node;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
