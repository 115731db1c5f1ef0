/** `celerycam explain` against a journal in Postgres. */
import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';
import { createDiagnostics } from '../../src/diagnostics.ts';
import { createJournal } from '../../src/journal/postgres.ts';
import { migratedDatabase, NOON, received, taskEvent } from '../support/database.ts';
import { freshDatabase } from '../support/services.ts';

const CLI = new URL('../../dist/src/cli.js', import.meta.url).pathname;

function explain(url: string, ...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, 'explain', '--database', url, ...args], (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('a task is explained from the journal, cluster by cluster', async () => {
  await using database = await migratedDatabase();
  const journal = createJournal(database.knex, { retention: null, diagnostics: createDiagnostics() });
  const { signal } = new AbortController();
  const other = taskEvent('task-received', 'b');
  const mine = [taskEvent('task-received', "a'\\", { retries: 0 }), taskEvent('task-started', "a'\\")];
  await journal.append(
    [...mine, other].map((event) => received(event)),
    [],
    signal,
  );
  await journal.append([received(mine[0] ?? other, { cluster: 'two' })], [], signal);
  const gap = { cause: 'disconnect', started_at: NOON, ended_at: NOON + 60, estimate: null, detail: 'd' } as const;
  await journal.recordGap({ cluster: 'default', ...gap }, signal);

  const text = await explain(database.url, "a'\\");
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toContain("task a'\\ of cluster default: STARTED\n");
  expect(text.stdout).toMatch(
    /^1 +task-received +celery@one \(7\) .* opens run 1: received by celery@one \(pid 7\), retries 0$/m,
  );
  expect(text.stdout).toMatch(/^2 +task-started .* run 1 starts$/m);
  expect(text.stdout).toContain(`to ${new Date((NOON + 60) * 1000).toISOString()} (disconnect)`);
  expect(text.stdout).toContain("task a'\\ of cluster two: RECEIVED\n");

  const json = await explain(database.url, "a'\\", '--cluster', 'two', '--json');
  expect(JSON.parse(json.stdout)).toMatchObject({
    cluster: 'two',
    uuid: "a'\\",
    state: 'RECEIVED',
    events: [{ position: 4 }],
  });
});

test('a task of which nothing is recorded, and a database that is not set up', async () => {
  await using database = await migratedDatabase();
  const unknown = await explain(database.url, 'nobody', '--cluster', 'eu');
  expect(unknown).toMatchObject({ code: 1, stdout: '' });
  expect(unknown.stderr).toContain('no event of a task nobody of cluster eu is recorded in schema celerycam');
  await using empty = await freshDatabase();
  const outdated = await explain(empty.url, 'nobody');
  expect(outdated.code).toBe(1);
  expect(outdated.stderr).toContain('type `celerycam migrate up`');
});
