/** The contract for people and tools: `/openapi.json`, and a page that shows it without scripts or anything from elsewhere. */
import type { Hono } from 'hono';
import { openApi } from '../contract/openapi.ts';
import { unlessKnown } from './answers.ts';
import { docsPage, STYLE } from './docs.ts';

export function mountDocuments(app: Hono, version: string): void {
  // Made when somebody first asks: that takes longer than a start should.
  let made: { readonly document: string; readonly page: string } | null = null;
  const documents = () => {
    if (made === null) {
      const document = openApi(version);
      made = { document: JSON.stringify(document), page: docsPage(document) };
    }
    return made;
  };
  app.get('/openapi.json', (context) => unlessKnown(context, documents().document, 'application/json'));
  app.get('/docs', (context) => unlessKnown(context, documents().page, 'text/html; charset=utf-8'));
  app.get('/docs/style.css', (context) => unlessKnown(context, STYLE, 'text/css; charset=utf-8'));
}
