// Prints tasks that fail, as they fail: `node examples/live-feed.mjs [http://localhost:5555] [filter]`
import { LiveFeed } from 'celerycam/client';

const [url = 'http://localhost:5555', q = 'state:FAILURE'] = process.argv.slice(2);

const feed = new LiveFeed(url, { q, topics: ['tasks'] });
feed.on('lost', ({ reason, retryIn }) => console.error(`${reason}: trying again in ${Math.round(retryIn)} ms`));
feed.on('reset', ({ message }) => console.error(message));
for await (const message of feed) {
  if (message.type === 'live') console.error('listening');
  if (message.type !== 'changes') continue;
  for (const { name, task_id, state, worker, exception } of message.tasks) {
    console.log([name, task_id, state, worker, exception].join('\t'));
  }
}
