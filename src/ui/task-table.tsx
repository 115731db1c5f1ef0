/** A few tasks in a panel of some other page, with a link to all of them. */
import { useAnswer } from './inquiry.ts';
import { Problem } from './parts.tsx';
import { beat, history } from './pulse.ts';
import { at } from './router.ts';
import { PRESENT_ONLY, TASK_COLUMNS } from './task-columns.tsx';
import type { TaskQuestion } from './task-list.ts';

const MOST = 10;

interface TaskTableProps {
  readonly title: string;
  readonly question: TaskQuestion;
  /** Keys of `TASK_COLUMNS`. */
  readonly columns: readonly string[];
  /** What it means that there is none. */
  readonly none: string;
  /** Where all of them are. */
  readonly more: string;
}

export function TaskTable({ title, question, columns, none, more }: TaskTableProps) {
  const asked = { ...question, at: at.value ?? undefined, limit: MOST };
  const { value, error, isOld } = useAnswer(`tasks ${JSON.stringify(asked)}`, beat.value, (signal) =>
    history.tasks(asked, { signal }),
  );
  const kept = columns.filter((key) => at.value === null || !PRESENT_ONLY.includes(key));
  const shown = kept.flatMap((key) => TASK_COLUMNS.filter((column) => column.key === key));
  return (
    <section class="panel" aria-busy={isOld}>
      <div class="title">
        <h2>{title}</h2>
        <a href={more}>all</a>
      </div>
      <Problem error={error} />
      {value?.items.length === 0 && <p class="soft">{none}</p>}
      {value && value.items.length > 0 && (
        <div class="wide">
          <table class="fixed" style={{ minWidth: `${shown.reduce((sum, { width }) => sum + width, 0)}px` }}>
            <colgroup>
              {shown.map(({ key, width }) => (
                <col key={key} style={{ width: `${width}px` }} />
              ))}
            </colgroup>
            <thead>
              <tr>
                {shown.map(({ key, title: name, numeric }) => (
                  <th key={key} scope="col" class={numeric ? 'num' : undefined}>
                    {name}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {value.items.map((row) => (
                <tr key={`${row.cluster}\0${row.task_id}`}>
                  {shown.map(({ key, numeric, cell }) => (
                    <td key={key} class={numeric ? 'num' : undefined}>
                      {cell(row)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
