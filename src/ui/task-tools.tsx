/** What the tasks page does with the list: which columns it has, and all of it as a file. */
import { useRef } from 'preact/hooks';
import { change } from './router.ts';
import { TASK_COLUMNS, USUAL } from './task-columns.tsx';
import type { TaskQuestion } from './task-list.ts';

export function Columns({ wanted }: { readonly wanted: readonly string[] }) {
  const menu = useRef<HTMLDetailsElement>(null);
  const toggle = (key: string): void => {
    const next = TASK_COLUMNS.map((column) => column.key).filter((each) => (each === key) !== wanted.includes(each));
    if (next.length > 0) change({ columns: next.join() === USUAL.join() ? null : next.join() }, 'replace');
  };
  return (
    <details
      class="menu"
      ref={menu}
      onKeyDown={(event) => {
        if (event.key !== 'Escape') return;
        event.currentTarget.open = false;
        event.currentTarget.querySelector('summary')?.focus();
      }}
    >
      <summary>Columns</summary>
      <div>
        {TASK_COLUMNS.map(({ key, title }) => (
          <label key={key}>
            <input type="checkbox" checked={wanted.includes(key)} onChange={() => toggle(key)} /> {title}
          </label>
        ))}
      </div>
    </details>
  );
}

/** Links to the same list, all of it. */
export function Export({ question }: { readonly question: TaskQuestion }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(question)) {
    for (const each of Array.isArray(value) ? value : [value]) if (each !== undefined) query.append(name, String(each));
  }
  return (
    <span class="bar">
      Export
      {['csv', 'ndjson'].map((format) => (
        <a key={format} href={`api/tasks?${query}&format=${format}`} download={`tasks.${format}`}>
          {format.toUpperCase()}
        </a>
      ))}
    </span>
  );
}
