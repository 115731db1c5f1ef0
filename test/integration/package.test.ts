import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { scratch } from '../support/scratch.ts';

const exec = promisify(execFile);
const ROOT = new URL('../..', import.meta.url).pathname;

test('npm pack contains what runs, and nothing else', async () => {
  const pack = ['pack', '--dry-run', '--json', '--ignore-scripts', '--cache', scratch()];
  const { stdout } = await exec('npm', pack, { cwd: ROOT });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const paths = files.map(({ path }) => path);
  const others = paths.filter((path) => !/^dist\/(src|migrations)\/[a-z0-9_/-]+\.(js|d\.ts|js\.map)$/.test(path));
  expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
  for (const path of [
    'dist/src/cli.js',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'dist/src/client/index.js',
    'dist/migrations/index.js',
  ]) {
    expect(paths).toContain(path);
  }
});

test('the package can be imported by its name', async () => {
  const script = `const { fold, run } = await import('celerycam'); const { History } = await import('celerycam/client');
    console.log(typeof fold, typeof run, typeof History)`;
  const { stdout } = await exec(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  expect(stdout).toBe('function function function\n');
});

test('publint finds nothing', async () => {
  const { stdout } = await exec('npx', ['publint', '--strict'], { cwd: ROOT });
  expect(stdout).toContain('All good');
});
