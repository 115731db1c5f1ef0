/**
 * Prints what a Celery cluster does, one line an event: `node examples/monitor.mjs amqp://guest:guest@localhost:5672//`.
 * Ctrl-C ends it. Records nothing; `npm install celerycam` is all it needs.
 */
import { connect, isCustom } from 'celerycam';

const [url = 'amqp://guest:guest@localhost:5672//'] = process.argv.slice(2);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());

const monitor = await connect(url, {
  signal: stop.signal,
  onGap: ({ cause, started_at, ended_at }) =>
    console.error(`events of ${(ended_at - started_at).toFixed(1)} s may be missing: ${cause}`),
  onConnection: (lost) => console.error(lost === null ? 'joined again' : `lost the broker: ${lost}`),
});
console.log(`joined ${monitor.status.url}`);

const started = new Map();
for await (const event of monitor.events()) {
  switch (event.type) {
    case 'task-started':
      started.set(event.uuid, event.timestamp);
      console.log(`${event.uuid} started on ${event.hostname}`);
      break;
    case 'task-succeeded':
      console.log(`${event.uuid} succeeded after ${event.runtime.toFixed(3)} s: ${event.result}`);
      started.delete(event.uuid);
      break;
    case 'task-failed':
    case 'task-retried':
      console.log(`${event.uuid} ${event.type.slice('task-'.length)}: ${event.exception}`);
      started.delete(event.uuid);
      break;
    case 'worker-online':
    case 'worker-offline':
      console.log(`${event.hostname} is ${event.type.slice('worker-'.length)}`);
      break;
    default:
      if (isCustom(event)) console.log(`${event.type} ${JSON.stringify(event)}`);
  }
}
console.log(`${started.size} tasks still running`);
