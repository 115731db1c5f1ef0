/** kill -9 of beats, and beats that freeze: each due time is sent exactly once. */
import { test } from 'vitest';
import { Chance } from '../../src/broker/agenda.ts';
import { AsyncStack, sleep } from '../../src/runtime.ts';
import { addInterval, expectEachOnce, freshPlace, untilEachRan } from '../support/beating.ts';
import { runs } from '../support/effort.ts';
import { Program } from '../support/program.ts';
import { holdRuns } from '../support/record.ts';

const SEED = 20_261_129;
const KILLS = runs(9);
const NEVER = new AbortController().signal;

/** When the leader is killed: at any time, when a task has just arrived, or when it could not record yet that it was sent. */
const MOMENTS = ['anywhere', 'on arrival', 'before it is recorded'] as const;

const LEADING = 'leading: periodic tasks are sent from here';

test('three beats, of which the leader is killed again and again', { timeout: 60_000 + KILLS * 10_000 }, async () => {
  await using place = await freshPlace();
  await using programs = new AsyncStack();
  const { knex, inbox, database, vhost } = place;
  const lengths = new Map<number, number>();
  for (const [n, length] of [0.2, 0.3, 0.5, 1, 1, 1, 2].entries())
    lengths.set(await addInterval(knex, length, { name: `${n}: every ${length} s` }), length);
  const start = (): Program =>
    programs.use(new Program({ broker: vhost.url, database: database.url, heartbeat: '2s' }, 'beat'));
  const alive = [start(), start(), start()];
  const leader = async (): Promise<Program> =>
    Promise.race(alive.map((program) => program.until('leading', ({ msg }) => msg === LEADING).then(() => program)));

  const chance = new Chance(SEED);
  for (let n = 0; n < KILLS; n++) {
    const victim = await leader();
    await inbox.until(inbox.messages.length + 2);
    const moment = MOMENTS[n % MOMENTS.length];
    if (moment === 'anywhere') await sleep(chance.between(0, 1), NEVER);
    if (moment === 'on arrival') await inbox.until(inbox.messages.length + 1);
    const held = moment === 'before it is recorded' ? await holdRuns(place) : null;
    await held?.waiting(1);
    await victim.kill();
    await held?.release();
    alive.splice(alive.indexOf(victim), 1, start());
  }
  await leader();
  await leader();
  await untilEachRan(place, lengths);
  await Promise.all(alive.map((program) => program.stop()));
  await expectEachOnce(place, lengths);
});

test('a leader that freezes is succeeded, and sends nothing when it wakes up', { timeout: 240_000 }, async () => {
  await using place = await freshPlace();
  await using programs = new AsyncStack();
  const { knex, inbox, database, vhost } = place;
  const lengths = new Map<number, number>();
  for (const length of [0.2, 0.5, 1])
    lengths.set(await addInterval(knex, length, { name: `every ${length} s` }), length);
  const start = (): Program =>
    programs.use(new Program({ broker: vhost.url, database: database.url, heartbeat: '2s' }, 'beat'));
  const leads = (program: Program, from = 0): Promise<unknown> =>
    program.until('leading', ({ msg }) => msg === LEADING, from);
  let leader = start();
  await leads(leader);
  let other = start();
  await other.until('ready', ({ msg }) => msg.startsWith('ready'));
  for (let n = 0; n < 3; n++) {
    await inbox.until(inbox.messages.length + 2);
    const [asleep, awake] = [leader.lines.length, other.lines.length];
    leader.freeze();
    await leads(other, awake);
    await inbox.until(inbox.messages.length + 5);
    leader.thaw();
    await leader.until('stepping down', ({ msg }) => msg === 'not leading any more', asleep);
    [leader, other] = [other, leader];
  }
  await untilEachRan(place, lengths);
  await Promise.all([leader.stop(), other.stop()]);
  await expectEachOnce(place, lengths);
});
