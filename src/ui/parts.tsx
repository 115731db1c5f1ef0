/** Small things that every page shows the same way: states, moments, foreign text, errors, empty places. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { ago, clock, dateTime, day, duration, iso, middle, visible } from './format.ts';
import { now } from './pulse.ts';
import { hrefOf } from './router.ts';
import './style/parts.css';
import './style/tables.css';

/** A sign for each state, so that colour says nothing alone. */
const SIGNS: Readonly<Record<string, string>> = {
  ...{ PENDING: '○', RECEIVED: '◇', STARTED: '▶', SUCCESS: '✓', FAILURE: '✕', RETRY: '↻', REVOKED: '⊘', REJECTED: '⊗' },
  ...{ ONLINE: '●', SUSPECT: '◐', OFFLINE: '○' },
};

/** A state of a task or the status of a worker. */
export function State({ of }: { readonly of: string }) {
  return (
    <span class="state" data-state={of in SIGNS ? of : 'CUSTOM'}>
      <span aria-hidden="true">{SIGNS[of] ?? '◆'}</span> {visible(of)}
    </span>
  );
}

/** A moment: its time of day, with the date where that is not today. */
export function Moment({ of, ms = false }: { readonly of: number | null | undefined; readonly ms?: boolean }) {
  if (of === null || of === undefined) return <span class="none">–</span>;
  const text = day(of) === day(now.value) ? clock(of) : dateTime(of);
  const fraction = ms ? `.${String(Math.floor((of % 1) * 1000)).padStart(3, '0')}` : '';
  return (
    <time dateTime={iso(of)} title={`${dateTime(of)} here, ${iso(of)}`}>
      {text}
      {fraction}
    </time>
  );
}

/** How long ago a moment was. @param then what to count from, where that is not now */
export function Ago({ of, then }: { readonly of: number | null; readonly then?: number | null | undefined }) {
  if (of === null) return <span class="none">–</span>;
  return (
    <time dateTime={iso(of)} title={`${dateTime(of)} here, ${iso(of)}`}>
      {ago((then ?? now.value) - of)}
    </time>
  );
}

/** Foreign text in one line. @param most characters; a longer one loses its middle, the whole shows where the pointer is */
export function Text({
  of,
  most,
  mono,
}: {
  readonly of: string | null;
  readonly most?: number;
  readonly mono?: boolean;
}) {
  if (of === null) return <span class="none">–</span>;
  const whole = visible(of);
  return (
    <span class={mono ? 'mono' : undefined} title={whole}>
      {most === undefined ? whole : middle(whole, most)}
    </span>
  );
}

export function TaskLink({ uuid, children }: { readonly uuid: string; readonly children?: ComponentChildren }) {
  return (
    <a href={hrefOf('task', { uuid })} class={children ? undefined : 'mono'}>
      {children ?? visible(uuid)}
    </a>
  );
}

export function WorkerLink({ hostname, most = 40 }: { readonly hostname: string | null; readonly most?: number }) {
  if (hostname === null) return <span class="none">–</span>;
  return (
    <a href={hrefOf('worker', { hostname })}>
      <Text of={hostname} most={most} />
    </a>
  );
}

/** How long something that has not ended goes on. */
export function Elapsed({ since, then }: { readonly since: number; readonly then?: number | null }) {
  return <span class="soft">{duration(Math.max(0, (then ?? now.value) - since))}…</span>;
}

export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const [said, say] = useState('Copy');
  const copy = (): void => {
    // Only secure origins have a clipboard.
    const done = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'));
    done.then(
      () => say('Copied'),
      () => say('Select it by hand'),
    );
  };
  return (
    <button type="button" class="small quiet" onClick={copy}>
      <span aria-live="polite">{said}</span>
      <span class="hidden"> {what}</span>
    </button>
  );
}

export function Problem({ error }: { readonly error: string | null }) {
  return error === null ? null : (
    <p class="problem" role="alert">
      {visible(error)}
    </p>
  );
}

/** Why there is nothing here, and what to do about it. */
export function Empty({ title, children }: { readonly title: string; readonly children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children}
    </div>
  );
}

/** Names and values side by side; those whose value is null are left out. */
export function Facts({ of }: { readonly of: readonly (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {of
        .filter(([, value]) => value !== null && value !== undefined)
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
