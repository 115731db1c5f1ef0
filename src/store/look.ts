/** The database as those see it who want to know whether all is well with it. */
import type { Knex } from 'knex';
import type { SeenDatabase } from '../domain/findings.ts';
import { dueAfter, timingOf, unfitReason } from '../domain/periodic.ts';
import type { SeenPeriodic } from '../domain/periodic-findings.ts';
import { reasonOf } from '../errors.ts';
import { now } from '../runtime.ts';
import type { Database } from './database.ts';
import { lackingIn } from './fitness.ts';
import { migrationStatus } from './migrate.ts';
import { BEAT_TURN, createTimetable } from './timetable.ts';
import { isTaken } from './turn.ts';

/** Changes nothing. Where it does not answer, that is what is seen. */
export async function lookAt(database: Database): Promise<SeenDatabase> {
  const seen = {
    exists: true,
    schema: database.schema,
    version: null,
    error: null,
    applied: 0,
    pending: [],
    unknown: [],
    lacking: [],
    periodic: null,
  };
  try {
    const { rows } = await database.knex.raw('show server_version');
    const { applied, pending, unknown } = await migrationStatus(database);
    const lacking = await lackingIn(database);
    const version = String(rows[0].server_version);
    const isOurs = pending.length === 0 && unknown.length === 0;
    const periodic = isOurs ? await lookAtPeriodic(database.knex) : null;
    return { ...seen, version, applied: applied.length, pending, unknown, lacking, periodic };
  } catch (error) {
    return { ...seen, error: reasonOf(error) };
  }
}

async function lookAtPeriodic(db: Knex): Promise<SeenPeriodic> {
  const unfit: { name: string; reason: string }[] = [];
  let due = 0;
  for (const row of await createTimetable(db).read(now())) {
    const reason = unfitReason(row);
    if (reason !== null) unfit.push({ name: row.name, reason });
    else if (dueAfter(timingOf(row), row.settled ?? 0) !== null) due += 1;
  }
  unfit.sort((a, b) => (a.name < b.name ? -1 : 1));
  return { due, unfit, isLed: await isTaken(db, BEAT_TURN) };
}
