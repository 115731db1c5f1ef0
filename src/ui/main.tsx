/** The dashboard's entry. */
import { render } from 'preact';
import { App } from './app.tsx';
import { startPulse } from './pulse.ts';
import { startRouter } from './router.ts';
import { startTheme } from './theme.ts';

startTheme();
startRouter();
startPulse();
render(<App />, document.getElementById('app') as HTMLElement);
