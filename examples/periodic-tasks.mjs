/**
 * Makes a periodic task where there is none of its name, and tells when it is due: `node examples/periodic-tasks.mjs [URL]`.
 * Needs celerycam running; a token of an operator, where one is needed, in CELERYCAM_TOKEN.
 */
import { PeriodicTasks, refusalIn } from 'celerycam/client';

const [url = 'http://127.0.0.1:5555'] = process.argv.slice(2);
const tasks = new PeriodicTasks({ url, token: process.env.CELERYCAM_TOKEN });

const name = 'nightly report';
const schedule = {
  kind: 'crontab',
  minute: '30',
  hour: '2',
  day_of_week: '*',
  day_of_month: '*',
  month_of_year: '*',
  timezone: 'Europe/Berlin',
};

try {
  await tasks.create({ name, task: 'shop.report', schedule, kwargs: '{"kind": "daily"}', queue: 'reports' });
  console.log(`made ${name}`);
} catch (error) {
  if (refusalIn(error)?.status !== 409) throw error;
  console.log(`${name} is there already`);
}

const due = await tasks.dueTimes(schedule, { count: 3 });
console.log(`${name}: ${due.schedule}`);
for (const { local } of due.items) console.log(`  ${local}`);
