import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

/** Which rooms a room may import. `root` are the files directly in src/; `type:` allows only `import type`. */
const SMALL = ['root', 'errors', 'contract', 'domain'];
const ADAPTERS = ['broker', 'journal', 'store'];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  domain: [],
  contract: ['domain'],
  broker: SMALL,
  journal: SMALL,
  store: [...SMALL, 'migrations'],
  camera: [...SMALL, ...ADAPTERS.map((room) => `type:${room}`)],
  live: [...SMALL, ...ADAPTERS.map((room) => `type:${room}`)],
  beat: [...SMALL, ...ADAPTERS.map((room) => `type:${room}`)],
  metrics: [...SMALL, 'live', ...ADAPTERS.map((room) => `type:${room}`)],
  http: [...SMALL, 'live', 'metrics', ...ADAPTERS.map((room) => `type:${room}`)],
  library: [...SMALL, 'broker', 'store'],
  // Runs in browsers: of the contract it takes types only, which pull in no package.
  client: ['errors', 'type:contract', 'type:domain'],
  // Runs in browsers, too, and is small: no schemas, and only what is pure of the domain.
  ui: ['errors', 'client', 'domain', 'type:contract'],
  commands: [...SMALL, ...ADAPTERS, 'beat', 'camera', 'live', 'metrics', 'http', 'app'],
  app: [...SMALL, ...ADAPTERS, 'beat', 'camera', 'live', 'metrics', 'http'],
  cli: [...SMALL, 'commands', 'app'],
  index: [...SMALL, ...ADAPTERS, 'library', 'app'],
  root: ['root', 'errors', 'domain'],
  errors: [],
};
/** The packages of rooms that run in browsers; `ws` only where there is no WebSocket. */
const BROWSER_PACKAGES: Readonly<Record<string, readonly string[]>> = {
  client: ['eventemitter3', 'ws'],
  ui: ['preact', 'preact/hooks', '@preact/signals', 'uplot', 'uplot/dist/uPlot.min.css'],
};
/** Files directly in src/ that are no small thing for all: the pipeline and its parts, and the entries. */
const APP = ['app', 'beating', 'recorder', 'receivers', 'gaps', 'serving'];
const ENTRIES = ['cli', 'index'];
/** What a pure file has no business with. */
const IMPURE =
  /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bset(Timeout|Interval|Immediate)\b|(?<![.\w])process\.(env|argv|exit|on|std|hrtime|nextTick|cwd|uptime|memoryUsage)|\b(performance|console|crypto)\./;

type Files = ReadonlyMap<string, string>;

function roomOf(path: string): string {
  const [first = '', second] = path.replace(/^src\//, '').split('/');
  if (path.startsWith('migrations/')) return 'migrations';
  if (second !== undefined) return first;
  const name = first.replace(/\.ts$/, '');
  if (APP.includes(name)) return 'app';
  return name === 'errors' || ENTRIES.includes(name) ? name : 'root';
}

/** Every breach of the table, as sentences. */
function breaches(files: Files): string[] {
  const found: string[] = [];
  for (const [path, source] of files) {
    const room = roomOf(path);
    const allowed = MAY_IMPORT[room];
    if (allowed === undefined) found.push(`${path}: the room ${room} is not in the table`);
    for (const [, type, from, dynamic] of source.matchAll(
      /^(?:import|export)\s(type\s)?[^;]*?from\s+'([^']+)'|\bimport\('([^']+)'\)/gms,
    )) {
      const target = from ?? dynamic ?? '';
      if (!target.startsWith('.')) {
        if (room in BROWSER_PACKAGES && !type && !BROWSER_PACKAGES[room]?.includes(target))
          found.push(`${path} imports the package ${target}`);
        if (room === 'domain' || (room === 'contract' && target !== 'zod'))
          found.push(`${path} imports the package ${target}`);
        continue;
      }
      const other = roomOf(normalize(join(dirname(path), target)));
      if (other === room || allowed?.includes(other) || (type && allowed?.includes(`type:${other}`))) continue;
      found.push(`${path} imports ${target}`);
    }
    const impure = room === 'domain' && IMPURE.exec(source.replace(/\/\*.*?\*\/|\/\/.*?$/gms, ''));
    if (impure) found.push(`${path} is not pure: ${impure[0]}`);
  }
  return found;
}

function sources(): Files {
  const root = new URL('../../', import.meta.url).pathname;
  const paths = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' });
  const files = paths.filter((path) => /\.tsx?$/.test(path)).map((path) => `src/${path}`);
  return new Map(files.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

test('imports go downwards, and the domain is pure', () => {
  const files = sources();
  expect(files.size).toBeGreaterThan(30);
  expect(breaches(files)).toEqual([]);
});

test.each([
  ['src/domain/a.ts', `import { readFile } from 'node:fs';`],
  ['src/domain/a.ts', `import type { Task } from '../contract/api.ts';`],
  ['src/domain/a.ts', `import { z } from 'zod';`],
  ['src/domain/a.ts', 'export const now = () => Date.now();'],
  ['src/domain/a.ts', 'const at = new Date();'],
  ['src/domain/a.ts', 'if (process.env.DEBUG) x();'],
  ['src/contract/a.ts', `import { MonitorError } from '../errors.ts';`],
  ['src/contract/a.ts', `import { Hono } from 'hono';`],
  ['src/journal/a.ts', `import { openDatabase } from '../store/database.ts';`],
  ['src/store/a.ts', `export type { Inbox } from '../broker/inbox.ts';`],
  ['src/broker/a.ts', `import { Hub } from '../live/hub.ts';`],
  ['src/live/a.ts', `import {\n  Receiver,\n} from '../broker/receiver.ts';`],
  ['src/camera/a.ts', `import { run } from '../app.ts';`],
  ['src/http/a.ts', `const { run } = await import('../app.ts');`],
  ['src/client/a.ts', `import { z } from 'zod';`],
  ['src/client/a.ts', `import { setTimeout } from 'node:timers/promises';`],
  ['src/client/a.ts', `import { feedMessage } from '../contract/feed.ts';`],
  ['src/client/a.ts', `import { backoff } from '../runtime.ts';`],
  ['src/ui/a.tsx', `import { taskRow } from '../contract/history.ts';`],
  ['src/ui/pages/a.tsx', `import { run } from '../../app.ts';`],
  ['src/ui/a.tsx', `import { z } from 'zod';`],
  ['src/http/a.ts', `import { hrefOf } from '../ui/router.ts';`],
  ['src/errors.ts', `import { loadConfig } from './store/database.ts';`],
  ['src/utils/a.ts', ''],
])('a breach in %s is seen: %s', (path, source) => {
  expect(breaches(new Map([[path, source]]))).toHaveLength(1);
});

test.each([
  ['src/http/a.ts', `import type { ReceiverStatus } from '../broker/receiver.ts';`],
  ['src/domain/a.ts', `import type { Event } from './event.ts';`],
  ['src/domain/a.ts', 'const at = new Date(seconds * 1000); // not Date.now()'],
  ['src/domain/a.ts', 'const { process } = fact; return process.pid;'],
  ['src/store/a.ts', `import { MIGRATIONS } from '../../migrations/index.ts';`],
  ['src/commands/a.ts', `import { run } from '../app.ts';`],
  ['src/ui/pages/a.tsx', `import type { TaskRow } from '../../contract/history.ts';`],
  ['src/ui/a.tsx', `import { parseFilter } from '../domain/filter-parse.ts';`],
])('no breach in %s: %s', (path, source) => {
  expect(breaches(new Map([[path, source]]))).toEqual([]);
});
