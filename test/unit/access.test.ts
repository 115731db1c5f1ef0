import { describe, expect, test } from 'vitest';
import { sha256 } from '../../src/access-values.ts';
import { type Flags, loadConfig } from '../../src/config.ts';
import { MonitorError } from '../../src/errors.ts';
import { refuseOpen, surfaceOf } from '../../src/http/access.ts';
import { Tickets, TokenBook } from '../../src/http/book.ts';
import { Buckets, sameClient } from '../../src/http/limits.ts';

function complaint(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (MonitorError.is(error, 'CONFIG_INVALID')) return error.message;
    throw error;
  }
  return 'nothing was wrong with it';
}

const config = (flags: Flags, env: NodeJS.ProcessEnv = {}) => loadConfig(flags, env).http;

describe('listening beyond this machine', () => {
  const refusal = (flags: Flags, tokens = false): string => complaint(() => refuseOpen(config(flags), tokens));

  test.each(['0.0.0.0', '::', '10.0.0.1', 'monitor.example'])(
    '%s without a login is refused, and told how to',
    (host) => {
      const message = refusal({ host });
      expect(message).toMatch(`--host ${host}: `);
      for (const way of ['token create --name', 'CELERYCAM_BASIC_AUTH=', '--proxy-user-header', '--insecure']) {
        expect(message).toContain(way);
      }
    },
  );

  test.each([{ host: '127.0.0.1' }, { host: 'localhost' }, { host: '::1' }, { host: '127.1.2.3' }])(
    '%j is not',
    (flags) => {
      expect(refusal(flags)).toBe('nothing was wrong with it');
    },
  );

  test.each<Flags>([
    { insecure: true },
    { insecure: 'yes' },
    { basicAuth: ['a:b'] },
    { proxyUserHeader: 'X-User', trustedProxy: ['10.0.0.1'] },
  ])('with %j it is not', (flags) => {
    expect(refusal({ host: '0.0.0.0', ...flags })).toBe('nothing was wrong with it');
  });

  test('with a token it is not', () => {
    expect(refusal({ host: '0.0.0.0' }, true)).toBe('nothing was wrong with it');
    expect(refusal({ host: '0.0.0.0', insecure: 'no' })).not.toBe('nothing was wrong with it');
  });
});

describe('options', () => {
  test.each<[Flags, string]>([
    [{ basicAuth: ['hunter2'] }, '--basic-auth: got "***", expected [role=]user:password'],
    [{ redactKey: 'hunter2' }, '--redact-key: got "***", expected at least 16 characters'],
    [{ trustedProxy: ['10.0.0.0/33'] }, '--trusted-proxy: got "10.0.0.0/33", expected an address such as'],
    [{ trustedProxy: ['proxy'] }, '--trusted-proxy: got "proxy", expected an address'],
    [{ proxyUserHeader: 'X-User' }, '--proxy-user-header: anybody can send a header; name the proxies'],
    [{ public: 'ui,everything' }, '--public: got "ui,everything", expected of ui, api, live, metrics, health'],
    [{ corsOrigin: ['*'] }, '--cors-origin: got "*", expected an origin such as'],
    [{ corsOrigin: ['https://a.example/'] }, '--cors-origin: got "https://a.example/", expected an origin'],
    [{ urlPrefix: 'celerycam' }, '--url-prefix: got "celerycam", expected a path such as /celerycam'],
    [{ insecure: 'maybe' }, '--insecure: got "maybe", expected yes or no'],
    [{ redact: '/nowhere/redact.yml' }, 'nothing was wrong with it'],
  ])('%j', (flags, message) => {
    if (flags['redact']) expect(() => config(flags)).toThrow('/nowhere/redact.yml');
    else expect(complaint(() => config(flags))).toMatch(message);
  });

  test('no password stays in the configuration, from wherever it came', () => {
    const read = config({}, { CELERYCAM_BASIC_AUTH: 'ann:hunter2 operator=bob:a=b:c' });
    expect(read.basicAuth.map(({ user, role }) => [user, role])).toEqual([
      ['ann', 'viewer'],
      ['bob', 'operator'],
    ]);
    expect(JSON.stringify(read)).not.toContain('hunter2');
    expect(config({ public: 'none' }).public).toEqual([]);
    expect(config({ urlPrefix: '/a/b/' }).urlPrefix).toBe('/a/b');
  });
});

test.each([
  ['/healthz', 'health'],
  ['/metrics', 'metrics'],
  ['/live', 'live'],
  ['/api/changes', 'live'],
  ['/api/tasks/x', 'api'],
  ['/api', 'api'],
  ['/openapi.json', 'api'],
  ['/', 'ui'],
  ['/apis', 'ui'],
])('%s belongs to %s', (path, surface) => {
  expect(surfaceOf(path)).toBe(surface);
});

describe('buckets', () => {
  test('hold a burst, fill with time, and each address has its own', () => {
    let now = 0;
    const buckets = new Buckets(2, 3, () => now);
    expect([1, 2, 3].map(() => buckets.take('a'))).toEqual([0, 0, 0]);
    expect(buckets.take('a')).toBe(0.5);
    expect(buckets.take('b')).toBe(0);
    now = 0.5;
    expect([buckets.take('a'), buckets.take('a')]).toEqual([0, 0.5]);
    now = 100;
    expect([1, 2, 3, 4].map(() => buckets.take('a'))).toEqual([0, 0, 0, 0.5]);
  });

  test('are bounded, and whoever was heard last is remembered', () => {
    const buckets = new Buckets(1, 1, () => 0);
    buckets.take('mine');
    for (let n = 0; n < 30_000; n++) {
      buckets.take(`address ${n}`);
      if (n % 1000 === 0) expect(buckets.take('mine')).toBe(1);
    }
    expect(buckets.size).toBe(10_000);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:0db8:1:2:ffff::', '2001:db8:1:2'],
    ['::1', '0:0:0:0'],
    ['2001:db8::1', '2001:db8:0:0'],
  ])('of IPv6 the network counts: %s', (address, client) => {
    expect(sameClient(address)).toBe(client);
  });
});

test('a ticket is good for half a minute, and the oldest are void when there are too many', () => {
  let now = 0;
  const tickets = new Tickets(() => now);
  const who = { name: 'ann', role: 'viewer', token: null } as const;
  const [early, late] = [tickets.issue(who), tickets.issue(who)];
  now = 29;
  expect(tickets.redeem(early)).toBe(who);
  expect(tickets.redeem(early)).toBeUndefined();
  now = 30;
  expect(tickets.redeem(late)).toBeUndefined();
  const first = tickets.issue(null);
  const second = tickets.issue(null);
  for (let n = 0; n < 9_999; n++) tickets.issue(null);
  expect([tickets.redeem(first), tickets.redeem(second)]).toEqual([undefined, null]);
});

test('while the database does not answer, tokens are good that were so before', async () => {
  const row = { name: 'a', role: 'viewer', hash: sha256('ccam_x'), created_at: new Date(0), revoked_at: null } as const;
  let asked = 0;
  let wake = (): void => {};
  const askedAgain = new Promise<void>((resolve) => {
    wake = resolve;
  });
  const list = async () => {
    asked += 1;
    if (asked === 1) return [row];
    if (asked === 3) wake();
    throw new MonitorError('DATABASE_UNREACHABLE', 'gone');
  };
  await using book = new TokenBook({ list });
  await book.open(() => expect.unreachable(), 0.001);
  await askedAgain;
  expect(book.find('ccam_x')).toMatchObject({ name: 'a', role: 'viewer' });
  expect([book.find('ccam_y'), book.any]).toEqual([null, true]);
});
