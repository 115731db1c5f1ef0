/** Directories that tests write into; gone when the tests of a file have run. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const made: string[] = [];

// In the file of tests that imports this.
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

export function scratch(): string {
  const path = mkdtempSync(join(tmpdir(), 'celerycam-test-'));
  // Started by root, Postgres runs as somebody else, who has to get in.
  chmodSync(path, 0o755);
  made.push(path);
  return path;
}
