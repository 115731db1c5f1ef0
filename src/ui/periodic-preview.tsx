/** The next due times of what stands in the form, before it is saved: in the schedule's zone, and where the reader is. */
import { useEffect } from 'preact/hooks';
import { refusalIn } from '../client/api-client.ts';
import type { ErrorAnswer } from '../contract/api.ts';
import type { PeriodicSchedule, PeriodicTaskRow } from '../contract/periodic.ts';
import { dateTime, duration, visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Problem } from './parts.tsx';
import { periodic } from './periodic.ts';
import { changesIn, type Draft, scheduleIn } from './periodic-draft.ts';
import { now, slowBeat } from './pulse.ts';

const MOST = 10;

interface PreviewProps {
  readonly draft: Draft;
  /** What is saved; null: nothing yet. */
  readonly task: PeriodicTaskRow | null;
  /** What is wrong with the schedule; null where nothing is. */
  readonly onFault: (fault: ErrorAnswer | null) => void;
}

export function Preview({ draft, task, onFault }: PreviewProps) {
  const schedule = scheduleIn(draft);
  const { expires, start_time } = draft.times;
  const changes = changesIn(draft, task);
  // A schedule that is new counts from when it is saved.
  const isNew = 'schedule' in changes || 'start_time' in changes;
  const asked = {
    ...(expires !== null && { expires }),
    ...(start_time !== null && { start_time }),
    ...(!isNew && task?.scheduled_at != null && { scheduled_at: task.scheduled_at }),
    count: MOST,
  };
  const key = JSON.stringify([schedule, asked]);
  const { value, error, isOld } = useAnswer(`due ${key}`, slowBeat.value, async (signal) => {
    try {
      return { dues: await periodic.dueTimes(schedule as PeriodicSchedule, asked, { signal }), fault: null };
    } catch (error) {
      const fault = refusalIn(error);
      if (fault) return { dues: null, fault };
      throw error;
    }
  });
  const fault = value?.fault ?? null;
  useEffect(() => onFault(fault), [fault?.error]);
  const dues = value?.dues;
  return (
    <section class="preview" aria-label="Due next" aria-busy={isOld}>
      <h2>Due next</h2>
      <Problem error={error} />
      {fault && <p class="soft">Nothing can be said until the schedule makes sense.</p>}
      {dues?.items.length === 0 && <p>Never again.</p>}
      {dues && dues.items.length > 0 && (
        <div class="wide">
          <table>
            <caption class="hidden">{visible(dues.schedule)}</caption>
            <thead>
              <tr>
                <th scope="col">{draft.kind === 'crontab' ? visible(draft.texts.timezone) : 'UTC'}</th>
                <th scope="col">Here</th>
                <th scope="col" class="num">
                  In
                </th>
              </tr>
            </thead>
            <tbody>
              {dues.items.map(({ due_at, local }) => (
                <tr key={due_at}>
                  <td>{local.replace('T', ' ').replace(/\.000(?=[+-])/, ' ')}</td>
                  <td>{dateTime(due_at)}</td>
                  <td class="num">{duration(Math.max(0, Math.round(due_at - now.value)))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
