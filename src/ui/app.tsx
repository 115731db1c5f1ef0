/** The frame of every page: where one is, what moment is shown, and what is wrong with the picture. */
import { type ComponentType, createElement } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Banners } from './banners.tsx';
import { useKeys } from './keys.ts';
import { LINKED, linkOf, PAGES, type Page } from './pages.ts';
import { Empty } from './parts.tsx';
import { paused, status } from './pulse.ts';
import { at, hrefOf, place } from './router.ts';
import { nextTheme, theme } from './theme.ts';
import { Travel } from './travel.tsx';
import './style/frame.css';

/** The code of a page is fetched when it is first wanted. */
const LOAD: Readonly<Record<Page, () => Promise<ComponentType>>> = {
  '': async () => (await import('./pages/overview.tsx')).Overview,
  tasks: async () => (await import('./pages/tasks.tsx')).Tasks,
  task: async () => (await import('./pages/task.tsx')).TaskPage,
  workers: async () => (await import('./pages/workers.tsx')).Workers,
  worker: async () => (await import('./pages/worker.tsx')).WorkerPage,
  periodic: async () => (await import('./pages/periodic.tsx')).Periodic,
  'periodic-task': async () => (await import('./pages/periodic-task.tsx')).PeriodicTaskPage,
  history: async () => (await import('./pages/history.tsx')).HistoryPage,
  system: async () => (await import('./pages/system.tsx')).System,
};

export function App() {
  const { page } = place.value;
  useKeys({ p: togglePause });
  useEffect(() => {
    document.title = `${page === null ? 'Not found' : PAGES[page].title} · celerycam`;
  }, [page]);
  return (
    <div class="frame" data-past={at.value === null ? undefined : ''}>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header>
        <a class="brand" href={hrefOf('')}>
          celerycam
        </a>
        <nav aria-label="Pages">
          {LINKED.map((to) => (
            <a key={to} href={hrefOf(to)} aria-current={page !== null && linkOf(page) === to ? 'page' : undefined}>
              {PAGES[to].title}
            </a>
          ))}
        </nav>
        <Travel />
        <Live />
        <button type="button" class="small" onClick={nextTheme} title="Change the theme">
          <span class="on-wide">Theme: </span>
          {theme.value === 'system' ? 'auto' : theme.value}
        </button>
      </header>
      <Banners />
      <main id="main" tabIndex={-1}>
        {page === null ? <Empty title="There is no such page." /> : <Content key={page} of={page} />}
      </main>
      <footer>
        <span>celerycam {status.value?.version}</span>
        <a href="docs">API</a>
        <a href="metrics">Metrics</a>
      </footer>
    </div>
  );
}

/** What a page shows, as soon as its code is there. */
function Content({ of }: { readonly of: Page }) {
  const [content, show] = useState<{ readonly is: ComponentType } | null>(null);
  const [hasFailed, fail] = useState(false);
  useEffect(() => {
    LOAD[of]().then(
      (page) => show({ is: page }),
      () => fail(true),
    );
  }, []);
  if (content) return createElement(content.is, null);
  return hasFailed ? (
    <Empty title="This page could not be loaded.">
      <p>
        celerycam does not answer, or was updated meanwhile.{' '}
        <button type="button" class="small" onClick={() => location.reload()}>
          Load it anew
        </button>
      </p>
    </Empty>
  ) : null;
}

function togglePause(): void {
  paused.value = !paused.value;
}

/** Whether what is seen moves, and the switch for it. */
function Live() {
  if (at.value !== null) return null;
  return (
    <button type="button" class="small live" aria-pressed={paused.value} title="Live updates (p)" onClick={togglePause}>
      <span aria-hidden="true">{paused.value ? '❚❚' : '●'}</span> {paused.value ? 'Paused' : 'Live'}
    </button>
  );
}
