import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { optionTable } from '../../src/commands/options.ts';
import { type Config, type Flags, loadConfig } from '../../src/config.ts';
import { MonitorError } from '../../src/errors.ts';
import { scratch } from '../support/scratch.ts';

/** The message of the error that these options raise. */
function complaint(flags: Flags, env: NodeJS.ProcessEnv = {}): string {
  try {
    loadConfig(flags, env);
  } catch (error) {
    if (error instanceof MonitorError) return `${error.code}: ${error.message}`;
    throw error;
  }
  throw new Error('nothing was wrong with it');
}

function fileOf(content: string, name = 'celerycam.yaml'): string {
  const path = join(scratch(), name);
  writeFileSync(path, content);
  return path;
}

function urlsOf(broker: string): readonly string[] {
  return loadConfig({ broker: [broker] }, {}).brokers[0]?.urls ?? [];
}

describe('where an option comes from', () => {
  test('nothing given: defaults, and no broker configured', () => {
    const config = loadConfig({}, { HOME: '/home/me' });
    expect(config.brokersConfigured).toBe(false);
    expect(config.brokers[0]).toMatchObject({
      cluster: 'default',
      urls: ['amqp://guest:guest@localhost:5672/%2F'],
      exchange: 'celeryev',
      queue: null,
      routingKeys: ['task.#', 'worker.#'],
    });
    expect(config.database.url).toBeNull();
    expect(config.camera).toEqual({
      frequency: 1,
      maxrate: null,
      cleanupFrequency: 3600,
      expireSuccess: 86_400,
      expireError: 3 * 86_400,
      expirePending: 5 * 86_400,
      retireWorkers: 86_400,
      historyRetention: 7 * 86_400,
      results: { schemas: ['celerycam', 'public'], expires: null },
    });
    expect(config.http).toMatchObject({ host: '127.0.0.1', port: 5555, insecure: false, public: ['health'] });
    expect(config.redaction.rules).toEqual([]);
  });

  test('flag before environment before file before default', () => {
    const config = fileOf('port: 1\nhost: from-file\nmax-tasks: 11\nexpire-success: never\n');
    const env = { CELERYCAM_PORT: '2', CELERYCAM_HOST: 'from-env', CELERYCAM_CONFIG: config };
    const { http, state, camera } = loadConfig({ port: '3' }, env);
    expect(http).toMatchObject({ host: 'from-env', port: 3 });
    expect(state.maxTasks).toBe(11);
    expect(camera.expireSuccess).toBeNull();
  });

  test('our own variable before the one that people have already', () => {
    const people = { CELERY_BROKER_URL: 'amqp://theirs//', DATABASE_URL: 'postgres://theirs/db' };
    const theirs = loadConfig({}, people);
    expect(theirs.brokersConfigured).toBe(true);
    expect(theirs.brokers[0]?.urls).toEqual(['amqp://guest:guest@theirs:5672/%2F']);
    expect(theirs.database.url).toBe('postgres://theirs/db');
    const ours = loadConfig({}, { ...people, CELERYCAM_BROKER: 'amqp://ours//', CELERYCAM_DATABASE: 'embedded' });
    expect(ours.brokers[0]?.urls).toEqual(['amqp://guest:guest@ours:5672/%2F']);
    expect(ours.database.url).toBeNull();
  });

  test('an empty variable is not set', () => {
    expect(loadConfig({}, { CELERYCAM_QUEUE: '', CELERY_BROKER_URL: '' }).brokersConfigured).toBe(false);
  });

  test('the variables that Kubernetes adds for a service called celerycam are none of ours', () => {
    const links = {
      CELERYCAM_PORT: 'tcp://10.0.0.7:5555',
      CELERYCAM_SERVICE_HOST: '10.0.0.7',
      CELERYCAM_SERVICE_PORT: '5555',
      CELERYCAM_PORT_5555_TCP_ADDR: '10.0.0.7',
    };
    expect(loadConfig({}, links).http.port).toBe(5555);
  });

  test('a command reads only the groups that it uses', () => {
    const env = { CELERY_BROKER_URL: 'redis://somewhere', CELERYCAM_PORT: 'x' };
    expect(loadConfig({}, env, ['Database']).database.schema).toBe('celerycam');
  });

  test('a file may be JSON, hold lists, and brokers by name', () => {
    const path = fileOf(
      JSON.stringify({ broker: { eu: 'amqp://eu//', us: 'amqp://us//' }, 'routing-key': ['#'], prefetch: 7 }),
      'celerycam.json',
    );
    const { brokers } = loadConfig({ config: path }, {});
    expect(brokers.map(({ cluster }) => cluster)).toEqual(['eu', 'us']);
    expect(brokers[1]).toMatchObject({ routingKeys: ['#'], prefetch: 7, urls: ['amqp://guest:guest@us:5672/%2F'] });
  });
});

describe('values', () => {
  const frequency = (text: string): number => loadConfig({ frequency: text }, {}).camera.frequency;
  test.each([
    ['7d', 604_800],
    ['12h', 43_200],
    ['30m', 1800],
    ['1.5s', 1.5],
    ['250ms', 0.25],
    ['2', 2],
  ])('a time of %s is %d seconds', (text, seconds) => expect(frequency(text)).toBe(seconds));

  test.each([
    ['10/s', 10],
    ['90/m', 1.5],
    ['3600/h', 1],
    ['2', 2],
  ])('a rate of %s is %d times per second', (text, perSecond) => {
    expect(loadConfig({ maxrate: text }, {}).camera.maxrate).toBe(perSecond);
  });

  test.each([
    ['64MB', 64e6],
    ['1 GiB', 2 ** 30],
    ['512k', 512e3],
    ['1000', 1000],
  ])('a size of %s is %d bytes', (text, size) => {
    expect(loadConfig({ bufferSize: text }, {}).inbox.maxBytes).toBe(size);
  });

  test('Postgres URLs in the spellings of SQLAlchemy and Django', () => {
    const url = (text: string): string | null => loadConfig({ database: text }, {}).database.url;
    expect(url('postgresql+psycopg2://u:p@h/d')).toBe('postgres://u:p@h/d');
    expect(url('postgresql://u:p@h/d?sslmode=require')).toBe('postgres://u:p@h/d?sslmode=require');
    expect(url('embedded')).toBeNull();
  });
});

describe('broker URLs, read as Celery reads them', () => {
  test.each([
    ['amqp://', 'amqp://guest:guest@localhost:5672/%2F'],
    ['amqp://host', 'amqp://guest:guest@host:5672/%2F'],
    ['amqp://host/', 'amqp://guest:guest@host:5672/%2F'],
    ['amqp://host:5673//', 'amqp://guest:guest@host:5673/%2F'],
    ['amqp://host//deep', 'amqp://guest:guest@host:5672/%2Fdeep'],
    ['amqp://host/%2Fdeep', 'amqp://guest:guest@host:5672/%2Fdeep'],
    ['pyamqp://me:it@host/vhost', 'amqp://me:it@host:5672/vhost'],
    ['amqps://me:p%40ss@host/vhost', 'amqps://me:p%40ss@host:5671/vhost'],
    ['amqp://me:p@s:s@host/v', 'amqp://me:p%40s%3As@host:5672/v'],
    ['amqp://me:100%@host/v', 'amqp://me:100%25@host:5672/v'],
    ['amqp://[::1]:5672/v', 'amqp://guest:guest@[::1]:5672/v'],
    ['amqp://h/v?heartbeat=5', 'amqp://guest:guest@h:5672/v?heartbeat=5'],
  ])('%s', (given, read) => expect(urlsOf(given)).toEqual([read]));

  test('several for failover', () => {
    expect(urlsOf('amqp://a//;amqp://b//')).toEqual(['amqp://guest:guest@a:5672/%2F', 'amqp://guest:guest@b:5672/%2F']);
  });

  test('several clusters by flag, and in one variable', () => {
    const clusters = (config: Config): string[] => config.brokers.map(({ cluster }) => cluster);
    expect(clusters(loadConfig({ broker: ['eu=amqp://eu//', 'us=amqp://us//'] }, {}))).toEqual(['eu', 'us']);
    expect(clusters(loadConfig({}, { CELERYCAM_BROKER: 'eu=amqp://eu//  us=amqp://us//?x=1' }))).toEqual(['eu', 'us']);
  });
});

describe('what is wrong is said', () => {
  test.each<[Flags, NodeJS.ProcessEnv, string]>([
    [{ port: 'abc' }, {}, 'CONFIG_INVALID: --port: got "abc", expected a whole number from 0 to 65535'],
    [
      {},
      { CELERYCAM_PORT: '70000' },
      'CONFIG_INVALID: CELERYCAM_PORT: got "70000", expected a whole number from 0 to 65535',
    ],
    [
      { frequency: 'soon' },
      {},
      'CONFIG_INVALID: --frequency: got "soon", expected a time such as 1.5s, 30m, 12h or 7d',
    ],
    [{ frequency: '0' }, {}, 'CONFIG_INVALID: --frequency: got "0", expected a time such as 1.5s, 30m, 12h or 7d'],
    [{ queueType: 'stream' }, {}, 'CONFIG_INVALID: --queue-type: got "stream", expected quorum or classic'],
    [
      {},
      { CELERYCAM_PROT: '1' },
      'CONFIG_INVALID: CELERYCAM_PROT: there is no such option; `celerycam run --help` lists them',
    ],
    [
      {},
      { CELERY_BROKER_URL: 'redis://:secret@redis:6379/0' },
      'CONFIG_INVALID: CELERY_BROKER_URL: got "redis://:***@redis:6379/0", expected amqp:// or amqps://: brokers of type redis are not supported yet',
    ],
    [
      { database: 'mysql://u:secret@h/d' },
      {},
      'CONFIG_INVALID: --database: got "mysql://u:***@h/d", expected postgres://user:password@host/database, or embedded',
    ],
    [
      { broker: ['amqp://a//', 'amqp://b//'] },
      {},
      'CONFIG_INVALID: --broker: two brokers are called "default"; name each: --broker eu=amqp://… --broker us=amqp://…',
    ],
    [{ tlsCert: fileOf('x') }, {}, 'CONFIG_INVALID: --tls-cert and --tls-key: one was given, expected both or none'],
  ])('%j %j', (flags, env, message) => expect(complaint(flags, env)).toBe(message));

  test('everything at once', () => {
    expect(complaint({ port: 'a' }, { CELERYCAM_MAX_TASKS: 'b' }).split('\n')).toHaveLength(2);
  });

  test('a password never shows, however the URL is broken', () => {
    for (const url of [
      'amqp://u:s3cret@h:port/',
      'amqp://u:s3/cret@h',
      'x=y=amqp://u:s3cret@h',
      'http://u:s3cret@h;amqp://a:s3cret@b',
    ]) {
      expect(complaint({ broker: [url] })).not.toMatch(/s3|cret/);
    }
  });

  test('files', () => {
    expect(complaint({ config: '/nowhere.yaml' })).toMatch(
      /^FILE_UNREADABLE: the configuration file \/nowhere.yaml could not be read: ENOENT/,
    );
    expect(complaint({ config: fileOf('a: [') })).toMatch(/^CONFIG_INVALID: .*celerycam.yaml is neither YAML nor JSON/);
    expect(complaint({ config: fileOf('- a') })).toMatch(/expected a mapping of option names to values$/);
    expect(complaint({ config: fileOf('prot: 1') })).toMatch(/^CONFIG_INVALID: prot in .*: there is no such option/);
    expect(complaint({ config: fileOf('port: [1]') })).toMatch(
      /^CONFIG_INVALID: port in .*: got "\[1\]", expected text/,
    );
    expect(complaint({ tlsCa: '/nowhere.pem' })).toMatch(/^FILE_UNREADABLE: the file of --tls-ca \/nowhere.pem/);
  });
});

test('the table in the README is the table of options', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const table = /<!-- options -->\n(.*?)\n<!-- \/options -->/s.exec(readme)?.[1];
  expect(table).toBe(optionTable());
});
