import { execFile } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { beforeAll, expect, test } from 'vitest';
import { listen } from '../../src/http/server.ts';
import { openBrowser, openPage } from '../support/browser.ts';
import { FakeServer } from '../support/feed.ts';
import { scratch } from '../support/scratch.ts';
import { apiSources } from '../support/sources.ts';

const exec = promisify(execFile);
const ROOT = new URL('../..', import.meta.url).pathname;

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** The tarball, and a project that has it installed: its dependencies are those that are here. */
let packed: Packed;
let tarball: string;
let project: string;

beforeAll(async () => {
  project = scratch();
  const pack = ['pack', '--json', '--ignore-scripts', '--cache', scratch(), '--pack-destination', project];
  const { stdout } = await exec('npm', pack, { cwd: ROOT });
  [packed] = JSON.parse(stdout) as [Packed];
  tarball = join(project, packed.filename);
  const installed = join(project, 'node_modules', 'celerycam');
  mkdirSync(installed, { recursive: true });
  await exec('tar', ['-xzf', tarball, '-C', installed, '--strip-components=1']);
  symlinkSync(join(ROOT, 'node_modules'), join(installed, 'node_modules'));
  writeFileSync(join(project, 'package.json'), '{"name":"a-program","type":"module"}');
});

/** What the compiler says of such a program in the project. */
async function compile(source: string, settings: readonly string[]): Promise<string> {
  writeFileSync(join(project, 'using.ts'), source);
  const all = ['--target', 'es2023', '--strict', '--noEmit', '--ignoreConfig', ...settings, 'using.ts'];
  return exec(join(ROOT, 'node_modules/.bin/tsc'), all, { cwd: project }).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
}

test('npm pack contains what runs, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  const program = /^dist\/(src|migrations)\/[a-z0-9_/-]+\.(js|d\.ts|js\.map)$/;
  const pages = /^dist\/ui\/(index\.html|assets\/[\w-]+\.(js|css|svg))$/;
  const others = paths.filter((path) => !program.test(path) && !pages.test(path));
  expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
  for (const path of [
    'dist/src/cli.js',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/client/index.js',
    'dist/migrations/index.js',
    'dist/ui/index.html',
  ]) {
    expect(paths).toContain(path);
  }
});

test('the dashboard is small: what is loaded first, in bytes of gzip', () => {
  const assets = join(ROOT, 'dist/ui/assets');
  const entry = readFileSync(join(ROOT, 'dist/ui/index.html'), 'utf8');
  const loaded = readdirSync(assets).filter((name) => entry.includes(name));
  const bytes = (ending: string): number =>
    loaded
      .filter((name) => name.endsWith(ending))
      .reduce((sum, name) => sum + gzipSync(readFileSync(join(assets, name))).length, 0);
  expect(bytes('.js')).toBeGreaterThan(5000);
  expect(bytes('.js')).toBeLessThan(25_000);
  expect(bytes('.css')).toBeGreaterThan(500);
  expect(bytes('.css')).toBeLessThan(8000);
});

test('a program that has it installed imports it by its name', async () => {
  const program = join(project, 'program.js');
  writeFileSync(
    program,
    `import { connect, fold, isCustom, MonitorError, run } from 'celerycam';
console.log([connect, fold, isCustom, run].map((each) => typeof each).join(' '));
const error = await connect('amqp://127.0.0.1:1//').catch((error) => error);
console.log(error instanceof MonitorError, error.code, isCustom({ type: 'task-progress' }));
`,
  );
  const { stdout } = await exec(process.execPath, [program], { cwd: project });
  expect(stdout).toBe('function function function function\ntrue BROKER_UNREACHABLE true\n');
});

test('and its compiler knows the types', async () => {
  const using = `import { connect, type CeleryEvent, type MonitorOptions } from 'celerycam';
const options: MonitorOptions = { queue: 'mine', prefetch: 10 };
export async function failures(url: string): Promise<string[]> {
  await using monitor = await connect(url, options);
  const seen: string[] = [];
  for await (const event of monitor.events()) if (event.type === 'task-failed') seen.push(event.exception);
  return seen;
}
`;
  const wrong = `export const nameOf = (event: CeleryEvent): string => event.name;\n`;
  const settings = [...['--module', 'nodenext', '--lib', 'es2023,esnext.disposable'], '--skipLibCheck'];
  settings.push('--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types'));
  expect(await compile(using, settings)).toBe('');
  expect(await compile(using + wrong, settings)).toContain("Property 'name' does not exist on type 'CeleryEvent'");
});

const BROWSER = `import { FeedState, History, LiveFeed, MonitorError } from 'celerycam/client';
declare const told: (what: string) => void;
const url = new URL('/', location.href);
await using feed = new LiveFeed(url, { q: 'name:mail.*', snapshot: true });
const state = new FeedState();
for await (const message of feed) {
  state.apply(message);
  if (state.isLive) break;
}
const { clusters } = await new History({ url }).cluster();
const refused = await new History({ url }).tasks({ q: 'nonsense:1' }).catch((error: unknown) => error);
const code = refused instanceof MonitorError ? refused.code : 'none';
told(\`\${[...state.tasks.values()].map(({ name }) => name).join()} \${clusters.length} \${code}\`);
`;

test('its client needs no types of Node, nor more of the language than browsers’ libraries have', async () => {
  const settings = ['--module', 'esnext', '--moduleResolution', 'bundler', '--lib', 'es2023,dom', '--types', ''];
  expect(await compile(BROWSER, settings)).toBe('');
  expect(await compile(BROWSER.replace('name }', 'nam }'), settings)).toContain("Property 'nam' does not exist");
});

test('and runs in a browser, bundled, in few bytes', async () => {
  const fake = new FakeServer();
  fake.record({ type: 'task-received', uuid: 'a', name: 'mail.send' });
  fake.record({ type: 'task-received', uuid: 'b', name: 'other' });
  const sources = apiSources({ clusters: fake.clusters, clock: () => fake.now });
  await using server = await listen(sources, fake.hub, { host: '127.0.0.1', port: 0 });
  writeFileSync(join(project, 'main.ts'), BROWSER);
  const outDir = join(project, 'bundle');
  const lib = { entry: 'main.ts', formats: ['es' as const], fileName: 'main' };
  const rolldownOptions = { output: { codeSplitting: false } };
  await build({ root: project, logLevel: 'error', build: { outDir, lib, target: 'es2022', rolldownOptions } });
  const [file, ...others] = readdirSync(outDir);
  expect(others).toEqual([]);
  const content = readFileSync(join(outDir, file as string), 'utf8');
  expect(gzipSync(content).length).toBeLessThan(10_000);

  await using browser = await openBrowser();
  const { page } = await openPage(browser, `${server.url}/healthz`, { bypassCSP: true });
  const answered = new Promise(
    (resolve) => void page.exposeFunction('told', resolve).then(() => page.addScriptTag({ content, type: 'module' })),
  );
  expect(await answered).toBe('mail.send 1 QUESTION_REFUSED');
});

test('its client can be imported, and asks for nothing of Node', async () => {
  const script = `const { FeedState, LiveFeed } = await import('celerycam/client'); console.log(typeof FeedState, typeof LiveFeed)`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  expect(stdout).toBe('function function\n');
});

test('publint finds nothing', async () => {
  const { stdout } = await exec('npx', ['publint', '--strict'], { cwd: ROOT });
  expect(stdout).toContain('All good');
});

test('attw finds nothing where modules are ESM, as this one is', async () => {
  const { stdout } = await exec('npx', ['attw', tarball, '--profile', 'esm-only', '--format', 'ascii'], { cwd: ROOT });
  expect(stdout).toContain('node16 (from ESM): 🟢 (ESM)');
});
