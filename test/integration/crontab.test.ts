/** Crontabs are read as Celery reads them, and due when Celery's are: `test/support/celery_crontab.py` asks the real one. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CRONTAB_FIELDS, type CrontabField, readField } from '../../src/domain/crontab-field.ts';
import { nextDue, scheduleFault } from '../../src/domain/schedule.ts';
import { firstShowing, type Zone, zoneOf } from '../../src/domain/zone.ts';
import { anyCrontab, anyFieldText, type CrontabSchedule, momentIn } from '../support/crontabs.ts';
import { runs } from '../support/effort.ts';
import { PYTHON } from '../support/services.ts';

/** One answer to each question. */
function askCelery(questions: readonly unknown[]): unknown[] {
  const { stdout, stderr } = spawnSync(PYTHON, ['test/support/celery_crontab.py'], {
    input: questions.map((question) => `${JSON.stringify(question)}\n`).join(''),
    encoding: 'utf8',
    maxBuffer: 1 << 30,
  });
  expect(stderr).toBe('');
  const answers = stdout.trimEnd().split('\n');
  expect(answers).toHaveLength(questions.length);
  return answers.map((answer) => JSON.parse(answer));
}

/** What celerycam means to do otherwise: docs/periodic-tasks.md, "Reading a field". */
function isReadOtherwise(field: CrontabField, text: string): boolean {
  if (/[^\0-\x7f]/.test(text)) return true;
  if (field === 'day_of_week') return /7/.test(text);
  return field === 'month_of_year' && /jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec/i.test(text);
}

test('what Celery reads is read alike, and what it refuses is refused', () => {
  const asked = fc.sample(fc.tuple(fc.constantFrom(...CRONTAB_FIELDS), anyFieldText), runs(40_000));
  const answers = askCelery(asked.map(([field, text]) => ({ field, text })));
  const seen = { read: 0, refused: 0, otherwise: 0 };
  const differing = asked.flatMap(([field, text], n) => {
    const theirs = typeof answers[n] === 'string' ? null : answers[n];
    const read = readField(field, text);
    const ours = read.ok ? read.value : null;
    if (JSON.stringify(ours) === JSON.stringify(theirs)) {
      seen[ours ? 'read' : 'refused']++;
      return [];
    }
    // Of the two one refuses; never are both sure and mean different things.
    const isMeant = isReadOtherwise(field, text) && (ours === null || theirs === null);
    if (isMeant) seen.otherwise++;
    return isMeant ? [] : [{ field, text, ours: read, theirs: answers[n] }];
  });
  expect(differing.slice(0, 5)).toEqual([]);
  expect(seen.read).toBeGreaterThan(asked.length / 10);
  expect(seen.refused).toBeGreaterThan(asked.length / 10);
  expect(seen.otherwise).toBeLessThan(asked.length / 20);
});

interface Case {
  readonly schedule: CrontabSchedule;
  readonly last: number;
  readonly due: number;
}

const DAY = 86_400;
const PYTZ_ENDS = Date.UTC(2037, 9, 1) / 1000;

/** Why Celery is known to be wrong about a case, or to mean otherwise: docs/periodic-tasks.md, "Where Celery differs". */
function excuse({ schedule, last, due }: Case, isThen: boolean, zone: Zone): string | null {
  if (isThen && due >= PYTZ_ENDS && schedule.timezone !== 'UTC') return 'pytz knows no changes from 2038 on';
  const tomorrow = Math.floor((last + zone.offsetAt(last)) / DAY) + 1;
  // Celery passes a day over when the midnight *UTC* that begins it is past; and then looks for one in other months.
  const isOnlyThen = due + zone.offsetAt(due) >= tomorrow * DAY;
  if (isOnlyThen && tomorrow * DAY < last && isByDate(schedule, tomorrow)) return 'midnight, in UTC, is past';
  if (isEveryHour(schedule)) return zone.changeIn(last, due) === null ? null : 'hourly, and the clock is changed first';
  const shown = firstShowing(zone, Math.floor(last) + zone.offsetAt(last));
  return shown < Math.floor(last) ? 'not hourly, and the clock shows what it has shown before' : null;
}

/** Whether Celery looks at the date, and day_of_month and month_of_year allow that day. */
function isByDate({ day_of_month, month_of_year }: CrontabSchedule, day: number): boolean {
  const date = new Date(day * DAY * 1000);
  if (day_of_month === '*' && month_of_year === '*') return false;
  return (
    allows('day_of_month', day_of_month, date.getUTCDate()) &&
    allows('month_of_year', month_of_year, date.getUTCMonth() + 1)
  );
}

function allows(field: CrontabField, text: string, value: number): boolean {
  const read = readField(field, text);
  return read.ok && read.value.includes(value);
}

function isEveryHour({ hour }: CrontabSchedule): boolean {
  const read = readField('hour', hour);
  return read.ok && read.value.length === 24;
}

test('due when Celery’s is', { timeout: 180_000 }, () => {
  const wanted = runs(100_000);
  // A few are never due, such as on February 30.
  const schedules = fc.sample(anyCrontab, Math.ceil(wanted / 20)).filter((schedule) => !scheduleFault(schedule));
  const made: Case[] = schedules.flatMap((schedule) =>
    fc.sample(momentIn(schedule.timezone), 22).map((last) => {
      const due = nextDue(schedule, last, 0);
      if (due === null) throw new Error(`never due: ${JSON.stringify({ schedule, last })}`);
      return { schedule, last, due };
    }),
  );
  const cases = made.slice(0, wanted);
  expect(cases).toHaveLength(wanted);
  const answers = askCelery(
    cases.map(({ schedule, last, due }) => ({
      spec: CRONTAB_FIELDS.map((field) => schedule[field]),
      timezone: schedule.timezone,
      last,
      due,
    })),
  );

  const excused = new Map<string, number>();
  const differing = cases.flatMap((each, n) => {
    const zone = zoneOf(each.schedule.timezone) as Zone;
    const [waitsFor, atDue, before] = answers[n] as [number, boolean, boolean];
    // Celery sends when the clock on the wall shows `waitsFor` or, when it was put forward past that, more.
    const isThen = each.due + zone.offsetAt(each.due) === waitsFor || firstShowing(zone, waitsFor) === each.due;
    const isEqual = isThen && atDue === true && before === false;
    const why = isEqual ? null : excuse(each, isThen, zone);
    if (why !== null) excused.set(why, (excused.get(why) ?? 0) + 1);
    return isEqual || why !== null ? [] : [{ ...each, celery: answers[n] }];
  });
  expect(differing.slice(0, 5)).toEqual([]);
  // Only so often.
  const count = [...excused.values()].reduce((sum, each) => sum + each, 0);
  console.info(`${cases.length} cases, of which excused:`, Object.fromEntries(excused));
  expect(count).toBeLessThan(cases.length / 30);
});
