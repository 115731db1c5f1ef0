/**
 * The dashboard's files, as `npm run build` left them in `dist/ui`. They are read once, so that nothing else can be asked for
 * by any path. Its pages are one file, which looks at the URL itself.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Hono } from 'hono';

/** Where the dashboard is, seen from the built program and from its source. */
const PLACES = [new URL('../../ui/', import.meta.url), new URL('../../dist/ui/', import.meta.url)];

/** One level below the root, so that the relative links in them hold under any prefix. The same as in `ui/pages.ts`. */
export const PAGES = [
  ...['/', '/tasks', '/task', '/workers', '/worker', '/periodic', '/periodic-task', '/history', '/system'],
];

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const NOT_BUILT = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>celerycam</title></head><body><h1>celerycam</h1>
<p>The dashboard is not built: type <code>npm run build</code>. The API is there: <a href="docs">docs</a>.</p></body></html>
`;

interface File {
  readonly type: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzip: Uint8Array<ArrayBuffer>;
  /** Its name changes with its content. */
  readonly isHashed: boolean;
}

/** By path from the root. */
type Files = ReadonlyMap<string, File>;

/** @param places where to look for the built dashboard, the first that exists */
export function mountPages(app: Hono, places: readonly URL[] = PLACES): void {
  let made: Files | null = null;
  const files = (): Files => {
    made ??= readFiles(places.find((place) => existsSync(place)));
    return made;
  };
  for (const page of PAGES) app.get(page, ({ req }) => respond(files().get('/index.html'), req.raw));
  app.get('/assets/:name', async (context, next) => {
    const file = files().get(context.req.path);
    return file ? respond(file, context.req.raw) : next();
  });
}

function readFiles(place: URL | undefined): Files {
  const files = new Map([['/index.html', fileOf('/index.html', Buffer.from(NOT_BUILT))]]);
  if (!place) return files;
  for (const entry of readdirSync(place, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = `${entry.parentPath}/${entry.name}`;
    const name = `/${path.slice(place.pathname.length).replace(/^\/+/, '')}`;
    files.set(name, fileOf(name, readFileSync(path)));
  }
  return files;
}

function fileOf(name: string, content: Uint8Array): File {
  return {
    type: TYPES[extname(name)] ?? 'application/octet-stream',
    plain: new Uint8Array(content),
    gzip: new Uint8Array(gzipSync(content, { level: 9 })),
    isHashed: name.startsWith('/assets/'),
  };
}

function respond(file: File | undefined, request: Request): Response {
  if (!file) return new Response(NOT_BUILT, { headers: { 'content-type': 'text/html; charset=utf-8' } });
  const zipped = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  const headers = new Headers({ 'content-type': file.type, vary: 'accept-encoding' });
  headers.set('cache-control', file.isHashed ? 'public, max-age=31536000, immutable' : 'no-store');
  if (zipped) headers.set('content-encoding', 'gzip');
  return new Response(zipped ? file.gzip : file.plain, { headers });
}
