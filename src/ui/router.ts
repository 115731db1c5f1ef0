/**
 * Where the reader is. The URL holds everything: the page, what is asked of it, and the moment that is shown (`at`). All pages
 * are one level below the root that the server gives them, so that relative links hold under any prefix.
 */
import { computed, signal } from '@preact/signals';
import { readTime } from '../domain/filter-values.ts';
import { PAGES, type Page } from './pages.ts';

export interface Place {
  /** Null: there is no such page. */
  readonly page: Page | null;
  readonly query: URLSearchParams;
}

type Params = Readonly<Record<string, string | number | null | undefined>>;

/** The root of this celerycam, with a slash at its end. */
export const ROOT = new URL('.', location.href).href;

export const place = signal<Place>(placeOf(location.href));

/** The moment of the past that is shown, as the URL has it; null: now. */
export const at = computed(() => place.value.query.get('at') || null);

/** The same as epoch seconds; null: now, or what is no time. */
export const atTime = computed(() => (at.value === null ? null : (readTime(at.value, Date.now() / 1000) ?? null)));

function placeOf(href: string): Place {
  const url = new URL(href);
  const name = url.pathname.slice(new URL(ROOT).pathname.length);
  return { page: Object.hasOwn(PAGES, name) ? (name as Page) : null, query: url.searchParams };
}

/** A link to a page, at the same moment of the past. Parameters that are null or empty are left out. */
export function hrefOf(page: Page, params: Params = {}): string {
  return `./${page}${queryOf({ at: at.value, ...params })}`;
}

function queryOf(params: Params): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') query.set(name, String(value).toWellFormed());
  }
  return query.size > 0 ? `?${query}` : '';
}

/** Goes there. @param how `replace`: the way back leads past the present place */
export function go(href: string, how: 'push' | 'replace' = 'push'): void {
  const url = new URL(href, location.href).href;
  if (url === location.href) return;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  place.value = placeOf(url);
  if (how === 'push') scrollTo(0, 0);
}

/** Changes parameters of the present place; null takes one away. */
export function change(params: Params, how: 'push' | 'replace' = 'push'): void {
  const { page, query } = place.peek();
  go(`./${page ?? ''}${queryOf({ ...Object.fromEntries(query), ...params })}`, how);
}

/** Makes plain links move within the program, and the browser's buttons, too. */
export function startRouter(): void {
  // What is relative to now would be another moment with each question.
  if (atTime.value !== null && at.value !== String(atTime.value)) change({ at: atTime.value }, 'replace');
  addEventListener('popstate', () => {
    place.value = placeOf(location.href);
  });
  document.addEventListener('click', (event) => {
    const link = event.target instanceof Element ? event.target.closest('a') : null;
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.download) return;
    if (!link.href.startsWith(ROOT) || placeOf(link.href).page === null || link.hash) return;
    event.preventDefault();
    go(link.href);
  });
}
