import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { Hono } from 'hono';
import { beforeAll, describe, expect, test } from 'vitest';
import { mountPages, PAGES } from '../../src/http/pages.ts';
import { PAGES as SHOWN } from '../../src/ui/pages.ts';
import { scratch } from '../support/scratch.ts';

const SCRIPT = `console.log('${'x'.repeat(1000)}')`;
let app: Hono;

beforeAll(() => {
  const home = scratch();
  mkdirSync(join(home, 'ui', 'assets'), { recursive: true });
  writeFileSync(join(home, 'ui', 'index.html'), '<title>celerycam</title>');
  writeFileSync(join(home, 'ui', 'assets', 'index-a1.js'), SCRIPT);
  writeFileSync(join(home, 'secret'), 'secret');
  app = new Hono();
  mountPages(app, [pathToFileURL(`${home}/none/`), pathToFileURL(`${home}/ui/`)]);
});

test('every page that the dashboard has is served', () => {
  expect(PAGES).toEqual(Object.keys(SHOWN).map((name) => `/${name}`));
});

test.each(PAGES)('%s is the dashboard, never kept by a cache', async (page) => {
  const answer = await app.request(`${page}?at=-5m&q=a%2Fb`);
  expect([answer.status, await answer.text()]).toEqual([200, '<title>celerycam</title>']);
  expect(answer.headers.get('content-type')).toBe('text/html; charset=utf-8');
  expect(answer.headers.get('cache-control')).toBe('no-store');
});

test('files whose names change with their content are kept for ever, and travel compressed', async () => {
  const answer = await app.request('/assets/index-a1.js', { headers: { 'accept-encoding': 'br, gzip' } });
  expect(answer.headers.get('cache-control')).toContain('immutable');
  expect(answer.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
  const body = Buffer.from(await answer.arrayBuffer());
  expect(body.length).toBeLessThan(200);
  expect(String(gunzipSync(body))).toBe(SCRIPT);
  expect(await (await app.request('/assets/index-a1.js')).text()).toBe(SCRIPT);
});

test.each([
  '/assets/none.js',
  '/assets/../index.html/x',
  '/assets/..%2F..%2Fsecret',
  '/assets/%2e%2e/%2e%2e/secret',
  '/../secret',
  '/assets/..%5c..%5csecret',
  '/tasks/x',
])('there is nothing else: %s', async (path) => {
  const answer = await app.request(path);
  expect(answer.status).toBe(404);
  expect(await answer.text()).not.toContain('secret');
});

describe('where the dashboard was not built', () => {
  test('the page says what to type', async () => {
    const bare = new Hono();
    mountPages(bare, []);
    expect(await (await bare.request('/')).text()).toContain('npm run build');
  });
});
