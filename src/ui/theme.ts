/** Dark or light: as the system has it, unless the reader says otherwise in this browser. */
import { effect, signal } from '@preact/signals';

const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'celerycam-theme';

export const theme = signal<Theme>(THEMES.find((each) => each === kept()) ?? 'system');

/** Shows and keeps what `theme` says, from now on. */
export function startTheme(): void {
  effect(() => {
    if (theme.value === 'system') document.documentElement.removeAttribute('data-theme');
    else document.documentElement.dataset['theme'] = theme.value;
    try {
      localStorage.setItem(KEY, theme.value);
    } catch {
      // Storage may be forbidden: then it holds for this visit.
    }
  });
}

/** System, light, dark, and round again. */
export function nextTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'system';
}

function kept(): string | null {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}
