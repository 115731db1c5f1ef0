import { expect, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { createTurn } from '../../src/store/turn.ts';
import { freshDatabase } from '../support/services.ts';

interface Worker {
  readonly stop: AbortController;
  readonly done: Promise<void>;
  /** Settles when it is its turn. */
  readonly began: Promise<void>;
  readonly ended: Promise<void>;
}

function worker(take: (work: (signal: AbortSignal) => Promise<void>, signal: AbortSignal) => Promise<void>): Worker {
  const stop = new AbortController();
  let begin: () => void = () => undefined;
  let end: () => void = () => undefined;
  const began = new Promise<void>((resolve) => {
    begin = resolve;
  });
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const done = take(async (signal) => {
    begin();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    end();
  }, stop.signal);
  return { stop, done, began, ended };
}

test('one works, the other stands by and takes over when it stops', async () => {
  await using database = await freshDatabase();
  await using one = await openDatabase({ url: database.url, schema: 'public' });
  await using two = await openDatabase({ url: database.url, schema: 'public' });
  const first = worker(createTurn(one.knex, 'x').take);
  await first.began;
  const turn = createTurn(two.knex, 'x');
  const second = worker(turn.take);
  const other = worker(createTurn(two.knex, 'y').take);
  await other.began; // another name is another turn
  await expect.poll(() => turn.waiting, { timeout: 30_000 }).toBe(true);
  first.stop.abort();
  await first.done;
  await second.began;
  expect(turn.waiting).toBe(false);
  second.stop.abort();
  other.stop.abort();
  await Promise.all([second.done, other.done]);
});

test('whose connection was lost works on, unless another took the turn meanwhile', async () => {
  await using database = await freshDatabase();
  await using one = await openDatabase({ url: database.url, schema: 'public' });
  await using two = await openDatabase({ url: database.url, schema: 'public' });
  // Of this database alone: others on the server have their own.
  const locks = `pg_locks join pg_database d on d.oid = database
    where datname = current_database() and locktype = 'advisory' and granted`;
  const kill = (): Promise<unknown> => two.knex.raw(`select pg_terminate_backend(pid) from ${locks}`);
  const holders = async (): Promise<number> => (await two.knex.raw(`select from ${locks}`)).rows.length;
  const first = worker(createTurn(one.knex, 'x').take);
  await first.began;
  await kill();
  await expect.poll(holders, { timeout: 30_000 }).toBe(1); // it has taken its turn anew
  const second = worker(createTurn(two.knex, 'x').take);
  // Whoever comes first after this has the turn; the work of the other one, if it was under way, is stopped.
  for (let n = 0; n < 20; n++) await kill();
  await Promise.race([second.began, expect.poll(holders, { timeout: 30_000 }).toBe(1)]);
  first.stop.abort();
  await first.done;
  await first.ended;
  await second.began;
  second.stop.abort();
  await second.done;
});

test('who works keeps showing that it is alive, or the server would take it for frozen', async () => {
  await using database = await freshDatabase();
  await using one = await openDatabase({ url: database.url, schema: 'public' });
  await using two = await openDatabase({ url: database.url, schema: 'public' });
  const only = worker(createTurn(one.knex, 'x').take);
  await only.began;
  const heard = async (): Promise<{ pid: number; at: string }> => {
    const { rows } = await two.knex.raw(`select a.pid, state_change::text as at
      from pg_locks l join pg_database d on d.oid = database join pg_stat_activity a on a.pid = l.pid
      where d.datname = current_database() and locktype = 'advisory'`);
    return rows[0];
  };
  const { pid, at } = await heard();
  await expect.poll(async () => (await heard())?.at, { timeout: 30_000 }).not.toBe(at);
  expect((await heard()).pid).toBe(pid);
  only.stop.abort();
  await only.done;
});
