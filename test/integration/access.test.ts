import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { sha256 } from '../../src/access-values.ts';
import { LiveFeed } from '../../src/client/index.ts';
import { api } from '../../src/contract/routes.ts';
import { pathOf } from '../../src/http/answers.ts';
import { createRoutes } from '../../src/http/routes.ts';
import { createTokens, type TokenRow } from '../../src/store/tokens.ts';
import { migratedDatabase } from '../support/database.ts';
import { ask, basic, bearer, live, start, statusOf } from '../support/serving.ts';
import { apiSources } from '../support/sources.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

/** Every route that there is, by its method, of the app and of the contract; and paths that nothing is at. */
const ROUTES = [
  ...new Set([
    ...createRoutes(apiSources())
      .routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path}`),
    ...Object.keys(api).map((name) => `${name.split(' ')[0]} ${pathOf(name)}`),
    ...['/live', '/nothing', '/api/nothing', '/assets/nothing.js'].flatMap((path) =>
      METHODS.map((method) => `${method} ${path}`),
    ),
    'GET /api/changes?stream',
  ]),
].map((route) => {
  const [method = '', path = ''] = route.split(' ');
  return [method, path.replaceAll(/:\w+/g, 'x')] as const;
});

const TOKENS = {
  viewer: `ccam_${'v'.repeat(43)}`,
  operator: `ccam_${'o'.repeat(43)}`,
  revoked: `ccam_${'r'.repeat(43)}`,
};

async function list(): Promise<TokenRow[]> {
  return Object.entries(TOKENS).map(([name, token]) => ({
    ...{ name, hash: sha256(token), created_at: new Date(0) },
    role: name === 'operator' ? 'operator' : 'viewer',
    revoked_at: name === 'revoked' ? new Date(1) : null,
  }));
}

/** Ways not to log in. */
const WRONG: readonly object[] = [
  ...[{}, { authorization: 'nonsense' }, { authorization: 'Basic' }, { authorization: TOKENS.viewer }],
  ...['wrong', `ccam_${'a'.repeat(43)}`, TOKENS.revoked, `${TOKENS.viewer}x`, TOKENS.viewer.slice(0, -1)].map(bearer),
  { authorization: `Bearer ${sha256(TOKENS.viewer).toString('hex')}` },
  ...['ann:wrong', 'ann:', 'bob:secret', ':secret', 'ann', `ann:${TOKENS.revoked}`, `${TOKENS.viewer}:`].map(basic),
  { cookie: `token=${TOKENS.viewer}` },
  { 'x-forwarded-user': 'ann' },
];

test('every route is shut without and with a wrong login, but for health', { timeout: 60_000 }, async () => {
  const flags = { basicAuth: ['ann:secret'], rateLimit: '10000', trustedProxy: ['127.0.0.1'] };
  await using server = await start(flags, { list });
  let n = 0;
  // Each from an address of its own, so that none is slowed down for failing too often.
  const from = (headers: object) => ({ 'x-forwarded-for': `192.0.${n >> 8}.${n++ & 255}`, ...headers });
  const paths = ROUTES.map(([, path]) => path);
  expect(paths).toEqual(expect.arrayContaining(['/', '/api/tasks/x', '/api/changes', '/docs', '/metrics', '/live']));
  const open = new Set<string>();
  for (const [method, path] of ROUTES) {
    const route = `${method} ${path}`;
    for (const headers of WRONG) {
      const { status, headers: told, json } = await ask(server, path, from(headers), method);
      if (status === 200) open.add(route);
      else {
        expect([route, headers, status]).toEqual([route, headers, 401]);
        expect(told['www-authenticate']).toMatch(/^Basic .*, Bearer /);
        if (method !== 'HEAD') expect(json.error).toMatch(/\w/);
      }
    }
    // In a URL, which gets logged, nothing is good.
    for (const given of [`token=${TOKENS.operator}`, `ticket=${TOKENS.operator}`, `access_token=${TOKENS.operator}`]) {
      const { status } = await ask(server, `${path}${path.includes('?') ? '&' : '?'}${given}`, from({}), method);
      if (!open.has(route)) expect([route, given, status]).toEqual([route, given, 401]);
    }
    const looks = ['GET', 'HEAD'].includes(method) || path === '/api/ticket';
    const viewed = await statusOf(server, path, from(bearer(TOKENS.viewer)), method);
    // Let in, whatever else is wrong with the question.
    if (looks) expect([route, [200, 400, 404, 405].includes(viewed)]).toEqual([route, true]);
    else expect([route, viewed]).toEqual([route, 403]);
    const acted = await statusOf(server, path, from(bearer(TOKENS.operator)), method);
    expect([route, acted !== 401 && acted !== 403]).toEqual([route, true]);
  }
  expect([...open]).toEqual(['GET /healthz', 'GET /readyz']);
  for (const headers of WRONG) expect([headers, await live(server, '/live', from(headers))]).toEqual([headers, 401]);
  for (const given of [`token=${TOKENS.viewer}`, 'ticket=wrong', `ticket=${TOKENS.viewer}`])
    expect([given, await live(server, `/live?${given}`)]).toEqual([given, 401]);
  expect(await live(server, '/live', bearer(TOKENS.viewer))).toBe(101);
});

test('without any login configured this machine sees everything', async () => {
  await using server = await start();
  expect((await ask(server, '/api/cluster')).status).toBe(200);
  expect(await live(server)).toBe(101);
  const { json } = await ask(server, '/api/ticket', {}, 'POST');
  expect(await live(server, `/live?ticket=${json.ticket}`)).toBe(101);
});

test('no spelling of a path gets around the surface that it belongs to', async () => {
  await using server = await start({ basicAuth: ['a:b'], public: 'ui,health' });
  expect((await ask(server, '/')).status).toBe(200);
  const spellings = ['/api/cluster', '/%61pi/cluster', '/api%2Fcluster', '/x/../api/cluster', '/x/%2e%2e/api/cluster'];
  const more = ['/./api/cluster', '//api/cluster', '/api/./cluster', '/x/..%2Fapi/cluster', '/\\api\\cluster'];
  const others = ['http://elsewhere/api/cluster', '/%2561pi/cluster', '/API/cluster', '/api/cluster/', '/api;/cluster'];
  for (const path of [...spellings, ...more, ...others, '/healthz/../api/cluster', '/%00', '/%zz', '*']) {
    const { status, text } = await ask(server, path);
    expect([path, status, text.includes('position')]).toEqual([path, expect.toSatisfy((n) => n >= 400), false]);
  }
});

test.each(['/../../etc/passwd', '/%2e%2e/%2e%2e/etc/passwd', '/assets/..%5c..%5cwindows', '/..%2f..%2fetc%2fpasswd'])(
  'nothing outside is served: %s',
  async (path) => {
    await using server = await start();
    const { status, json } = await ask(server, path);
    expect(status).toBe(400);
    expect(json.error).toMatch(/the path is not plain/);
  },
);

test('a uuid or hostname may hold any character', async () => {
  await using server = await start();
  for (const path of ['/api/tasks/a%5Cb', '/api/tasks/a%0A%00', '/api/tasks/a%2Fb', '/api/workers/w%40h%5C']) {
    expect([path, (await ask(server, path)).json]).toEqual([path, { error: 'nothing is recorded of it' }]);
  }
});

test('a viewer looks, an operator acts', async () => {
  await using server = await start({ basicAuth: ['ann:secret', 'operator=bob:with:colons'], operatorOnly: 'metrics' });
  const ann = basic('ann:secret');
  const bob = basic('bob:with:colons');
  expect((await ask(server, '/api/cluster', ann)).status).toBe(200);
  const refused = await ask(server, '/metrics', ann);
  expect([refused.status, refused.json.error]).toEqual([
    403,
    expect.stringMatching(/needs the role operator; ann is a viewer/),
  ]);
  expect((await ask(server, '/metrics', bob)).status).not.toBe(403);
  expect((await ask(server, '/api/tasks/u/revoke', ann, 'POST')).status).toBe(403);
  expect((await ask(server, '/api/tasks/u/revoke', bob, 'POST')).status).toBe(404);
  expect((await ask(server, '/api/ticket', ann, 'POST')).status).toBe(200);
  expect((await ask(server, '/api/ticket', ann)).status).toBe(405);
});

test('tokens: hashed at rest, good as bearer and as password, and gone within seconds when revoked', async () => {
  await using database = await migratedDatabase();
  const tokens = createTokens(database.knex);
  const token = await tokens.create('grafana', 'viewer');
  await expect(tokens.create('grafana', 'viewer')).rejects.toThrow('there is a token called "grafana" already');
  expect(JSON.stringify(await database.knex('access_tokens'))).not.toContain(token.slice(5));
  await using server = await start({}, tokens);
  expect((await ask(server, '/api/cluster')).status).toBe(401);
  expect((await ask(server, '/api/cluster', bearer(token))).status).toBe(200);
  expect((await ask(server, '/api/cluster', basic(`any:${token}`))).status).toBe(200);
  expect((await ask(server, '/api/cluster', bearer(`${token}x`))).status).toBe(401);

  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/live`, { headers: bearer(token) });
  await once(socket, 'message');
  const { json } = await ask(server, '/api/ticket', bearer(token), 'POST');
  const closed = once(socket, 'close');
  expect(await tokens.revoke('grafana')).toBe(true);
  expect(await tokens.revoke('grafana')).toBe(false);
  const [code, reason] = await closed;
  expect([code, String(reason)]).toEqual([1008, 'the token was revoked']);
  expect((await ask(server, '/api/cluster', bearer(token))).status).toBe(401);
  expect(await live(server, `/live?ticket=${json.ticket}`)).toBe(401);
  // No token is left, but it does not become open to all by that.
  expect((await ask(server, '/api/cluster')).status).toBe(401);
  expect(await tokens.create('grafana', 'operator')).not.toBe(token);
});

test('a ticket is good once, and for feeds only', async () => {
  await using server = await start({ basicAuth: ['ann:secret'] });
  const ticket = async () => (await ask(server, '/api/ticket', basic('ann:secret'), 'POST')).json.ticket;
  const one = await ticket();
  expect(await live(server, `/live?ticket=${one}`)).toBe(101);
  expect(await live(server, `/live?ticket=${one}`)).toBe(401);
  expect((await ask(server, `/api/cluster?ticket=${await ticket()}`)).status).toBe(401);
});

test('a LiveFeed logs in with its token, and says why it is not let in', async () => {
  await using database = await migratedDatabase();
  const tokens = createTokens(database.knex);
  const token = await tokens.create('grafana', 'viewer');
  await using server = await start({ urlPrefix: '/cam' }, tokens);
  const url = `${server.url}/cam/`;
  await using feed = new LiveFeed(url, { token, backoff: 5 });
  const heard = (from: LiveFeed, name: 'hello' | 'lost' | 'failed'): Promise<unknown> =>
    new Promise((resolve) => from.once(name, resolve));
  expect(await heard(feed, 'hello')).toMatchObject({ type: 'hello', protocol: 1 });
  await using other = new LiveFeed(url, { token: 'wrong', backoff: 5 });
  expect(await heard(other, 'failed')).toMatchObject({ message: 'this token is not good' });
  const lost = heard(feed, 'lost');
  const failed = heard(feed, 'failed');
  expect(await tokens.revoke('grafana')).toBe(true);
  expect(await lost).toMatchObject({ reason: 'the token was revoked' });
  expect(await failed).toMatchObject({ code: 'QUESTION_REFUSED' });
});

test('a proxy is believed when it is trusted, and nobody else', async () => {
  const flags = { proxyUserHeader: 'X-Forwarded-User', proxyRole: 'operator' };
  const user = { 'X-Forwarded-User': 'ann' };
  await using far = await start({ ...flags, trustedProxy: ['10.0.0.0/8'] });
  expect((await ask(far, '/api/cluster', user)).status).toBe(401);
  await using near = await start({ ...flags, trustedProxy: ['10.0.0.0/8', '127.0.0.1'] });
  expect((await ask(near, '/api/cluster', user)).status).toBe(200);
  expect((await ask(near, '/api/cluster')).status).toBe(401);
  // What the client wrote itself, and the proxy left in.
  expect((await ask(near, '/api/cluster', { 'X-Forwarded-User': ['root', 'ann'] })).status).toBe(401);
  // The name that people use, which this machine would not have been asked by.
  expect((await ask(near, '/api/cluster', { ...user, host: 'monitor.example' })).status).toBe(200);
  const own = { ...user, 'x-forwarded-host': 'monitor.example' };
  expect(await live(near, '/live', own, 'https://monitor.example')).toBe(101);
  expect(await live(near, '/live', own, 'https://evil.example')).toBe(403);
});

test('logins that fail are slowed by address; a token is good all the same, and so are other addresses', async () => {
  await using database = await migratedDatabase();
  const tokens = createTokens(database.knex);
  const token = await tokens.create('t', 'viewer');
  await using server = await start({ basicAuth: ['ann:secret'], trustedProxy: ['127.0.0.1'] }, tokens);
  const from = (address: string, headers: object) =>
    ask(server, '/api/cluster', { 'x-forwarded-for': address, ...headers });
  const attempts: number[] = [];
  for (let n = 0; n < 12; n++) attempts.push((await from('192.0.2.1', basic(`ann:${n}`))).status);
  expect(attempts).toEqual([...Array<number>(10).fill(401), 429, 429]);
  const right = await from('192.0.2.1', basic('ann:secret'));
  expect([right.status, Number(right.headers['retry-after'])]).toEqual([429, expect.toSatisfy((n) => n > 0 && n <= 6)]);
  expect((await from('192.0.2.1', bearer(token))).status).toBe(200);
  expect((await from('192.0.2.2', basic('ann:secret'))).status).toBe(200);
  // A client cannot take another address by writing one itself: the proxy's comes last.
  expect((await from('192.0.2.2, 192.0.2.1', basic('ann:secret'))).status).toBe(429);
  expect(server.warned).toHaveLength(10);
  expect(JSON.stringify(server.warned)).not.toMatch(/secret|ann/);
});

test('requests of one address are limited', async () => {
  await using server = await start({ rateLimit: '1/s' });
  const statuses: number[] = [];
  for (let n = 0; n < 13; n++) statuses.push((await ask(server, '/healthz')).status);
  expect(statuses.slice(0, 10)).toEqual(Array(10).fill(200));
  expect(statuses.at(-1)).toBe(429);
});

test('every answer has the headers that keep pages in their place, errors too', async () => {
  await using server = await start({ basicAuth: ['a:b'], public: 'ui,health' });
  for (const path of ['/', '/api/cluster', '/nothing', '/%zz']) {
    const { headers } = await ask(server, path, { origin: 'https://evil.example' });
    expect(headers['content-security-policy']).toMatch(/^default-src 'self';.* frame-ancestors 'none'$/);
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  }
  const { text } = await ask(server, '/');
  expect(text).not.toMatch(/<style|<script(?![^>]*\ssrc=)|style=|\son\w+=|javascript:/i);
});

test('pages of other sites: those that are configured, exactly', async () => {
  await using server = await start({ basicAuth: ['ann:secret'], corsOrigin: ['https://ops.example'] });
  const preflight = (origin: string) =>
    ask(server, '/api/cluster', { origin, 'access-control-request-method': 'GET' }, 'OPTIONS');
  const allowed = await preflight('https://ops.example');
  expect([allowed.status, allowed.headers['access-control-allow-origin']]).toEqual([204, 'https://ops.example']);
  for (const origin of ['https://ops.example.evil', 'http://ops.example', 'https://OPS.example', 'null', '*']) {
    const { status, headers } = await preflight(origin);
    expect([origin, status, headers['access-control-allow-origin']]).toEqual([origin, 401, undefined]);
  }
  const ann = basic('ann:secret');
  const read = await ask(server, '/api/cluster', { ...ann, origin: 'https://ops.example' });
  expect(read.headers).toMatchObject({
    'access-control-allow-origin': 'https://ops.example',
    'access-control-allow-credentials': 'true',
    vary: 'Origin',
  });
  expect((await ask(server, '/api/ticket', { ...ann, origin: 'https://evil.example' }, 'POST')).status).toBe(403);
  expect((await ask(server, '/api/ticket', { ...ann, origin: 'https://ops.example' }, 'POST')).status).toBe(200);
  expect(await live(server, '/live', ann, 'https://ops.example')).toBe(101);
  expect(await live(server, '/live', ann, 'https://evil.example')).toBe(403);
});

test('below a prefix: with it, and without where the proxy takes it off', async () => {
  await using server = await start({ urlPrefix: '/celerycam' });
  expect((await ask(server, '/celerycam/api/cluster')).status).toBe(200);
  expect((await ask(server, '/api/cluster')).status).toBe(200);
  const moved = await ask(server, '/celerycam?a=1');
  expect([moved.status, moved.headers.location]).toEqual([308, '/celerycam/?a=1']);
  expect((await ask(server, '/celerycamera/api/cluster')).status).toBe(404);
  expect((await ask(server, '/celerycam/../api/cluster')).status).toBe(400);
  expect(await live(server, '/celerycam/live')).toBe(101);
  // Whatever a page needs is found from where it is, behind either kind of proxy.
  for (const page of ['/celerycam/', '/celerycam/docs', '/', '/docs', '/celerycam/tasks?q=a']) {
    const { text } = await ask(server, page);
    const links = [...text.matchAll(/(?:href|src)="([^#"]+)"/g)].map(([, target = '']) => target);
    expect(links).not.toEqual([]);
    for (const link of links) {
      expect(link).not.toMatch(/^\/|:/);
      const { pathname } = new URL(link, `http://localhost${page}`);
      expect([pathname, (await ask(server, pathname)).status]).toEqual([pathname, 200]);
    }
  }
});

test('listening to everybody without a login is said in the log', async () => {
  await using open = await start({ host: '0.0.0.0', insecure: true });
  await using shut = await start({ host: '0.0.0.0', basicAuth: ['a:b'] });
  await using here = await start();
  expect([open, shut, here].map(({ warned }) => warned)).toEqual([[{ host: '0.0.0.0' }], [], []]);
});
