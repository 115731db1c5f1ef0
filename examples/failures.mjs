/**
 * What failed in the last hour, by name of the task, and the latest exception of each: `node examples/failures.mjs [URL]`.
 * Needs celerycam running; a token, where one is needed, in CELERYCAM_TOKEN.
 */
import { History } from 'celerycam/client';

const [url = 'http://127.0.0.1:5555'] = process.argv.slice(2);
const history = new History({ url, token: process.env.CELERYCAM_TOKEN });

const failures = new Map();
for await (const { name, exception } of history.each('/api/tasks', { state: 'FAILURE', received_from: '-1h' })) {
  const known = failures.get(name) ?? { count: 0, exception };
  failures.set(name, { ...known, count: known.count + 1 });
}
for (const [name, { count, exception }] of failures) console.log(`${count} × ${name}: ${exception}`);
if (failures.size === 0) console.log('nothing failed in the last hour');
