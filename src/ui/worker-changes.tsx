/** How a worker came and went: whenever its status, its process or its software was another one. */
import type { WorkerChange } from '../contract/history.ts';
import { visible, wholeDuration } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Moment, Problem, State } from './parts.tsx';
import { history, now, slowBeat } from './pulse.ts';
import { atTime } from './router.ts';
import { happened } from './worker-words.ts';

/** Seconds that are told of, and changes that are shown at most. */
const REACH = 604_800;
const MOST = 50;

interface WorkerChangesProps {
  readonly hostname: string;
  readonly cluster: string;
}

export function WorkerChanges({ hostname, cluster }: WorkerChangesProps) {
  const until = atTime.value;
  const key = `changes ${JSON.stringify([hostname, cluster, until])}`;
  const { value, error } = useAnswer(key, slowBeat.value, (signal) => {
    const to = until ?? now.peek();
    return history.workerChanges(hostname, { cluster, from: to - REACH, to }, { signal });
  });
  const items = value?.items.slice(0, MOST) ?? [];
  return (
    <section class="panel">
      <div class="title">
        <h2>History</h2>
        <span class="soft">whenever its status, process or software changed in the last 7 days</span>
      </div>
      <Problem error={error} />
      {value && items.length === 0 && <p class="soft">No snapshot of that time shows it.</p>}
      {items.length > 0 && (
        <div class="wide">
          <table>
            <thead>
              <tr>
                <th scope="col">Since</th>
                <th scope="col">For</th>
                <th scope="col">Status</th>
                <th scope="col">What was new</th>
                <th scope="col" class="num">
                  Pid
                </th>
                <th scope="col">Software</th>
              </tr>
            </thead>
            <tbody>
              {items.map((change, n) => (
                <tr key={change.since}>
                  <td>
                    <Moment of={change.since_at} />
                  </td>
                  <td>{lengthOf(change, items[n - 1], until ?? now.value)}</td>
                  <td>
                    <State of={change.status} />
                  </td>
                  <td>{newIn(change, items[n + 1])}</td>
                  <td class="num">{change.pid ?? '–'}</td>
                  <td>{softwareOf(change)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {value && (value.cut || value.items.length > MOST) && <p class="soft">There were more changes than these.</p>}
        </div>
      )}
    </section>
  );
}

function lengthOf({ since_at }: WorkerChange, next: WorkerChange | undefined, latest: number): string {
  const end = next ? next.since_at : latest;
  return since_at === null || end === null ? '–' : wholeDuration(Math.max(0, end - since_at));
}

/** What was new, beside the one before it; of the first that is told nobody knows. */
function newIn(change: WorkerChange, before: WorkerChange | undefined): string {
  if (!before) return '';
  const isSame = change.status === before.status && change.pid === before.pid;
  return isSame ? 'other software' : happened(before, change);
}

function softwareOf({ sw_ident, sw_ver, sw_sys }: WorkerChange): string {
  return visible([sw_ident, sw_ver, sw_sys].filter(Boolean).join(' ')) || '–';
}
