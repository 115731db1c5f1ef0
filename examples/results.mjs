/**
 * Results as Celery's database backend keeps them: `node examples/results.mjs postgres://user:password@db/monitor [TASK_ID]`.
 * Waits for the result of a task; without one it is the worker itself, and stores what a Python caller then gets.
 */
import { randomUUID } from 'node:crypto';
import { EXCEPTION_STATES, openResults } from 'celerycam';

const [url, given] = process.argv.slice(2);
if (!url) throw new Error('expected the URL of the database: postgres://user:password@host/name');

const results = await openResults(url);
const taskId = given ?? randomUUID();
const waiting = results.get(taskId, { wait: 30 });
if (!given) {
  await results.store(taskId, { percent: 50 }, { status: 'PROGRESS' });
  await results.store(
    taskId,
    { total: 6, items: [1, 2, 3] },
    { name: 'proj.add_up', args: [[1, 2, 3]], worker: 'node@here' },
  );
}
const { status, text, traceback } = await waiting;
if (EXCEPTION_STATES.has(status)) console.log(`${taskId} is ${status}: ${text}\n${traceback ?? ''}`);
else console.log(`${taskId} is ${status}: ${text}`);

if (!given) {
  await results.saveGroup('a-group', [taskId, taskId]);
  const group = await results.restoreGroup('a-group');
  console.log(`of ${group.total} tasks ${group.completed_count} are done: ${JSON.stringify(group.result)}`);
  await results.deleteGroup('a-group');
  await results.forget(taskId);
}
await results[Symbol.asyncDispose]();
