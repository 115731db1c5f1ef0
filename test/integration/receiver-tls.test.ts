/** Joining over TLS, with certificates on both sides. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ReceiverOptions } from '../../src/broker/receiver.ts';
import { type Certificates, makeCertificates } from '../support/certificates.ts';
import { openProxy, type TcpProxy } from '../support/proxy.ts';
import { event, openSender, Receiving, receiverOptions, startReceiving } from '../support/receiving.ts';
import { type Fresh, freshVhost } from '../support/services.ts';

let certificates: Certificates;
let vhost: Fresh;
let proxy: TcpProxy;
beforeAll(async () => {
  certificates = await makeCertificates();
  vhost = await freshVhost();
  const { hostname, port } = new URL(vhost.url);
  const { ca, server } = certificates;
  // RabbitMQ's own `ssl_options.verify = verify_peer` and `fail_if_no_peer_cert = true`.
  proxy = await openProxy(
    { host: hostname, port: Number(port || 5672) },
    { ca, ...server, requestCert: true, rejectUnauthorized: true },
  );
});
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await vhost?.[Symbol.asyncDispose]();
});

function options(tls: ReceiverOptions['tls'], host = 'localhost'): ReceiverOptions {
  const url = new URL(vhost.url.replace('amqp:', 'amqps:'));
  url.hostname = host;
  url.port = String(proxy.port);
  return receiverOptions(url.href, { tls });
}

test('receives with the authority and a client certificate', async () => {
  const { ca, client } = certificates;
  await using receiving = await startReceiving(options({ ca, ...client }));
  await using sender = await openSender(vhost.url);
  await sender.send([event(1)]);
  expect(await receiving.take(1)).toHaveLength(1);
  expect(receiving.receiver.status.url).toMatch(/^amqps:\/\/guest:\*\*\*@localhost/);
  const [lost, ready] = [receiving.next('receiver:lost'), receiving.next('receiver:ready')];
  proxy.cut();
  await lost;
  await ready;
});

test.each([
  ['without a client certificate', () => ({ ca: certificates.ca }), 'localhost', /certificate required|reset|abruptly/],
  [
    'with an authority that is not known',
    () => certificates.client,
    'localhost',
    /self-signed certificate in certificate chain|unable to get local issuer certificate/,
  ],
  [
    'by a name that the certificate does not have',
    () => ({ ca: certificates.ca, ...certificates.client }),
    '127.0.0.1',
    /does not match certificate/,
  ],
])('%s it says what is wrong and keeps trying', async (_name, tls, host, reason) => {
  await using receiving = new Receiving(options(tls(), host));
  expect((await receiving.next('receiver:lost')).reason).toMatch(reason);
  expect((await receiving.next('receiver:lost')).reason).toMatch(reason);
});
