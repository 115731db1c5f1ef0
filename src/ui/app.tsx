/** The frame of every page: where one is, what moment is shown, and what is wrong with the picture. */
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { Banners } from './banners.tsx';
import { useKeys } from './keys.ts';
import { Overview } from './pages/overview.tsx';
import { System } from './pages/system.tsx';
import { TaskPage } from './pages/task.tsx';
import { Tasks } from './pages/tasks.tsx';
import { WorkerPage } from './pages/worker.tsx';
import { Workers } from './pages/workers.tsx';
import { Empty } from './parts.tsx';
import { paused, status } from './pulse.ts';
import { at, hrefOf, type Page, place } from './router.ts';
import { nextTheme, theme } from './theme.ts';
import { Travel } from './travel.tsx';

const LINKS: readonly (readonly [Page, string, readonly Page[]])[] = [
  ['', 'Overview', ['']],
  ['tasks', 'Tasks', ['tasks', 'task']],
  ['workers', 'Workers', ['workers', 'worker']],
  ['system', 'System', ['system']],
];

export function App() {
  const { page } = place.value;
  useKeys({ p: togglePause });
  const name = LINKS.find(([, , pages]) => page !== null && pages.includes(page))?.[1];
  useEffect(() => {
    document.title = `${name ?? 'Not found'} · celerycam`;
  }, [name]);
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
          {LINKS.map(([to, title, pages]) => (
            <a key={to} href={hrefOf(to)} aria-current={page !== null && pages.includes(page) ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
        <Travel />
        <Live />
        <button type="button" class="small" onClick={nextTheme} title="Change the theme">
          {theme.value === 'system' ? 'Auto' : theme.value === 'light' ? 'Light' : 'Dark'}
          <span class="hidden"> theme</span>
        </button>
      </header>
      <Banners />
      <main id="main" tabIndex={-1}>
        <Content page={page} />
      </main>
      <footer>
        <span>celerycam {status.value?.version}</span>
        <a href="docs">API</a>
        <a href="metrics">Metrics</a>
      </footer>
    </div>
  );
}

function Content({ page }: { readonly page: Page | null }): ComponentChildren {
  switch (page) {
    case '':
      return <Overview />;
    case 'tasks':
      return <Tasks />;
    case 'task':
      return <TaskPage />;
    case 'workers':
      return <Workers />;
    case 'worker':
      return <WorkerPage />;
    case 'system':
      return <System />;
    case null:
      return <Empty title="There is no such page." />;
  }
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
