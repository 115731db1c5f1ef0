/** Commands to workers and their replies; load for a broker. */
import { randomUUID } from 'node:crypto';
import { expect, test } from 'vitest';
import { type Connection, openConnection } from '../../src/broker/connection.ts';
import { broadcast, inspect } from '../../src/broker/control.ts';
import { decode } from '../../src/broker/decoder.ts';
import { openPublisher, publishSimulation } from '../../src/broker/publisher.ts';
import { DEFAULT_SIMULATION } from '../../src/broker/simulator.ts';
import { MonitorError } from '../../src/errors.ts';
import { startNode } from '../support/node.ts';
import { openSender, receiverOptions, startReceiving } from '../support/receiving.ts';
import { freshVhost, rabbitmqctl } from '../support/services.ts';

const OPTIONS = { tls: {}, heartbeat: 10 };
const never = new AbortController().signal;

function connected(url: string): Promise<Connection> {
  return openConnection(url, OPTIONS, never);
}

test('inspect collects what each node answers, and ignores what is no answer to it', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  await startNode(sender, 'w1@vm', ({ method }) => ({ 'w1@vm': { ok: `${method} yourself` } }));
  await startNode(sender, 'w2@vm', () => ({ 'w2@vm': { ok: 'pong' } }));
  await startNode(sender, 'broken@vm', (command) => {
    const { exchange, routing_key } = command.reply_to;
    sender.channel.publish(exchange, routing_key, Buffer.from('not JSON'), { headers: { ticket: command.ticket } });
    sender.channel.publish(exchange, routing_key, Buffer.from('{"old@vm":{}}'), { headers: { ticket: randomUUID() } });
    return null;
  });
  await using connection = await connected(vhost.url);
  const replies = await inspect(connection, 'celery', { method: 'ping' }, 1);
  expect(Object.fromEntries(replies)).toEqual({ 'w1@vm': { ok: 'ping yourself' }, 'w2@vm': { ok: 'pong' } });
});

test('inspect of named nodes is over when all have answered', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  await startNode(sender, 'w1@vm', () => ({ 'w1@vm': { ok: 'pong' } }));
  await startNode(sender, 'w2@vm', () => ({ 'w2@vm': { ok: 'pong' } }));
  await using connection = await connected(vhost.url);
  const started = performance.now();
  const replies = await inspect(connection, 'celery', { method: 'ping', destination: ['w2@vm'] }, 60);
  expect([...replies.keys()]).toEqual(['w2@vm']);
  expect(performance.now() - started).toBeLessThan(30_000);
});

test('a broadcast goes to a control exchange that was declared otherwise, too', async () => {
  await using vhost = await freshVhost();
  await using sender = await openSender(vhost.url);
  await sender.channel.assertExchange('celery.pidbox', 'fanout', { durable: true });
  await sender.channel.assertQueue('seen');
  await sender.channel.bindQueue('seen', 'celery.pidbox', '');
  await using connection = await connected(vhost.url);
  await broadcast(connection, 'celery', { method: 'enable_events', arguments: { a: 1 }, destination: ['w1@vm'] });
  const message = await sender.channel.get('seen', { noAck: true });
  expect(JSON.parse(message ? message.content.toString() : '')).toMatchObject({
    method: 'enable_events',
    arguments: { a: 1 },
    destination: ['w1@vm'],
  });
});

test('a simulated cluster is published whole, with the properties of Celery’s events', async () => {
  await using vhost = await freshVhost();
  await using receiving = await startReceiving(receiverOptions(vhost.url));
  const sent = { messages: 0, events: 0 };
  {
    await using publisher = await openPublisher(vhost.url, 'celeryev', OPTIONS, never);
    const options = { ...DEFAULT_SIMULATION, rate: 5000, tasks: ['quick'], retries: 0, count: 2000 };
    await publishSimulation(publisher, options, (progress) => Object.assign(sent, progress), never);
  }
  const deliveries = await receiving.take(sent.messages);
  const { events, deadLetters } = decode(deliveries);
  expect(deadLetters).toEqual([]);
  expect(events).toHaveLength(sent.events);
  expect(events.filter(({ event }) => event.type === 'task-sent').length).toBeGreaterThanOrEqual(2000);
  expect(deliveries[0]).toMatchObject({
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: { hostname: expect.stringMatching(/^celery@worker\d$/) },
  });
});

test('publishing fails in plain words when the broker is lost', async () => {
  await using vhost = await freshVhost();
  await using publisher = await openPublisher(vhost.url, 'celeryev', OPTIONS, never);
  const failing = publishSimulation(publisher, DEFAULT_SIMULATION, () => {}, never).catch((error: unknown) => error);
  await rabbitmqctl(
    'close_all_connections',
    '--vhost',
    decodeURIComponent(new URL(vhost.url).pathname.slice(1)),
    'bye',
  );
  const failure = await failing;
  expect(MonitorError.is(failure, 'BROKER_UNREACHABLE')).toBe(true);
  expect(String(failure)).toContain('CONNECTION_FORCED - bye');
});

test('publishing stops when the signal aborts', async () => {
  await using vhost = await freshVhost();
  await using publisher = await openPublisher(vhost.url, 'celeryev', OPTIONS, never);
  const stop = new AbortController();
  const publishing = publishSimulation(publisher, DEFAULT_SIMULATION, () => stop.abort(), stop.signal);
  await publishing;
  expect(stop.signal.aborted).toBe(true);
});
