/** Builds the dashboard, `src/ui`, to `dist/ui`: files that `src/http/pages.ts` serves under any prefix. */
import { defineConfig } from 'vite';

export default defineConfig({
  root: 'src/ui',
  // Relative, so that the pages work under whatever path a proxy gives them.
  base: './',
  // Nothing inlined as data: the content security policy lets pages load files only.
  build: {
    outDir: '../../dist/ui',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ['es2023', 'chrome123', 'firefox120', 'safari17.5'],
  },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
});
