/**
 * Which pages there are, by the last part of their path; empty: the overview. Another one is a line here, one in `app.tsx`
 * (the compiler asks for it) and its path in `http/pages.ts` (a test asks for it).
 */

interface PageSpec {
  /** Of the window, and of its link at the top. */
  readonly title: string;
  /** The page that it is below, under whose link it stands; without: it has a link at the top, in this order. */
  readonly below?: string;
}

export const PAGES = {
  '': { title: 'Overview' },
  tasks: { title: 'Tasks' },
  task: { title: 'Task', below: 'tasks' },
  workers: { title: 'Workers' },
  worker: { title: 'Worker', below: 'workers' },
  periodic: { title: 'Periodic' },
  'periodic-task': { title: 'Periodic task', below: 'periodic' },
  history: { title: 'History' },
  system: { title: 'System' },
} as const satisfies Readonly<Record<string, PageSpec>>;

export type Page = keyof typeof PAGES;

/** Those with a link at the top. */
export const LINKED = (Object.keys(PAGES) as Page[]).filter((page) => !('below' in PAGES[page]));

/** The page whose link stands for this one. */
export function linkOf(page: Page): string {
  const spec: PageSpec = PAGES[page];
  return spec.below ?? page;
}
