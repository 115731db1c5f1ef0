/** One worker: how it is, what it is executing, what it has done. */

import { escaping } from '../completion.ts';
import { Figures } from '../figures.tsx';
import { count, duration, visible } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { useKeys } from '../keys.ts';
import { Ago, Empty, Facts, Moment, Problem, State, Text } from '../parts.tsx';
import { beat, history } from '../pulse.ts';
import { at, atTime, hrefOf, place } from '../router.ts';
import { TaskTable } from '../task-table.tsx';
import { WorkerChanges } from '../worker-changes.tsx';
import { reasonIn } from '../worker-words.ts';
import { loadOf } from './workers.tsx';

export function WorkerPage() {
  const { query } = place.value;
  const hostname = query.get('hostname') ?? '';
  const cluster = query.get('cluster') ?? undefined;
  const asked = { at: at.value ?? undefined, cluster };
  const { value, error } = useAnswer(`worker ${JSON.stringify([hostname, asked])}`, beat.value, (signal) =>
    history.worker(hostname, asked, { signal }),
  );
  useKeys({ Escape: () => globalThis.history.back() });
  const { worker } = value ?? {};
  if (!worker || worker.hostname !== hostname) {
    if (error === null) return <Empty title="Looking …" />;
    return (
      <>
        <h1>Worker {visible(hostname)}</h1>
        <Problem error={error} />
      </>
    );
  }
  const record = 'heartbeats' in worker ? worker : null;
  const heartbeat = 'heartbeats' in worker ? (worker.heartbeats.at(-1) ?? null) : worker.last_heartbeat;
  return (
    <>
      <div class="title">
        <h1>
          {visible(hostname)} <State of={worker.status} />
        </h1>
        <span class="soft">
          {reasonIn(worker.reason)}
          {record?.since != null && (
            <>
              {' '}
              since <Moment of={record.since} />
            </>
          )}
          {worker.status === 'SUSPECT' && ' its heartbeat is late'}
        </span>
      </div>
      <Problem error={error} />
      <section class="panel">
        <h2 class="hidden">Facts</h2>
        <Facts
          of={[
            ['Active', count(worker.active)],
            ['Processed', count(worker.processed)],
            ['Load', loadOf(worker.loadavg)],
            ['Heartbeat', <Ago key="ago" of={heartbeat} then={atTime.value} />],
            ['Sent every', worker.freq === null ? null : duration(worker.freq)],
            ['Pid', worker.pid === null ? null : String(worker.pid)],
            ['Software', <Text key="sw" of={[worker.sw_ident, worker.sw_ver].filter(Boolean).join(' ') || null} />],
            ['System', <Text key="sys" of={worker.sw_sys} />],
            [
              'Its clock',
              record?.skew == null
                ? null
                : `${duration(Math.abs(record.skew))} ${record.skew < 0 ? 'behind' : 'ahead'}`,
            ],
            ['Cluster', <Text key="cluster" of={worker.cluster} />],
          ]}
        />
      </section>
      <TaskTable
        title="Executing"
        question={{ worker: escaping(hostname), state: 'STARTED', sort: 'started', order: 'asc' }}
        columns={['name', 'task_id', 'started', 'runtime', 'args', 'kwargs']}
        none="It executes nothing, as far as was heard."
        more={hrefOf('tasks', { q: `worker:"${escaping(hostname)}"`, state: 'STARTED' })}
      />
      <Figures worker={hostname} />
      <WorkerChanges hostname={hostname} cluster={worker.cluster} />
      <TaskTable
        title="Latest tasks"
        question={{ worker: escaping(hostname), sort: 'received' }}
        columns={['state', 'name', 'task_id', 'received', 'runtime', 'outcome']}
        none="No task of it is known."
        more={hrefOf('tasks', { q: `worker:"${escaping(hostname)}"` })}
      />
    </>
  );
}
