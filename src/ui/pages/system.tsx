/** The recorder itself: how it listens, what it has recorded, what it may have missed, what it could not read. */
import type { ClusterAnswer, ReceiverRecord } from '../../contract/api.ts';
import type { DeadLetterRow, GapRow } from '../../contract/history.ts';
import { readable } from '../bytes.ts';
import { Findings } from '../findings.tsx';
import { count, duration, percent, plural, visible } from '../format.ts';
import { useAnswer } from '../inquiry.ts';
import { Ago, Facts, Moment, Problem, Text } from '../parts.tsx';
import { history, slowBeat, status } from '../pulse.ts';
import '../style/system.css';

export function System() {
  const gaps = useAnswer('gaps', slowBeat.value, (signal) => history.gaps({ limit: 50 }, { signal }));
  const letters = useAnswer('letters', slowBeat.value, (signal) => history.deadLetters({ limit: 50 }, { signal }));
  const answer = status.value;
  return (
    <>
      <h1>System</h1>
      <Findings />
      {answer && <Recorder of={answer} />}
      <section class="panel">
        <h2>Receivers</h2>
        {answer?.receivers.map((receiver) => (
          <Receiver key={receiver.cluster} of={receiver} />
        ))}
      </section>
      <section class="panel">
        <h2>Gaps: when events may have been missed</h2>
        <Problem error={gaps.error} />
        <Gaps of={gaps.value?.items ?? null} />
      </section>
      <section class="panel">
        <h2>Dead letters: messages that could not be decoded</h2>
        <Problem error={letters.error} />
        <Letters of={letters.value?.items ?? null} />
      </section>
    </>
  );
}

function Recorder({ of }: { readonly of: ClusterAnswer }) {
  const { last_shutter, since_start, capture } = of;
  return (
    <section class="panel">
      <h2>Journal and camera</h2>
      <Facts
        of={[
          [
            'Recording',
            of.recording_error === null ? 'yes' : <strong key="no">no: {visible(of.recording_error)}</strong>,
          ],
          ['Position', count(of.position)],
          ['Lag', duration(of.lag)],
          [
            'Events',
            `${count(of.events_per_second.now)} a second, ${count(Math.round(of.events_per_second.minute))} over the last minute`,
          ],
          ['Feed clients', count(of.feed_clients)],
          ['Running since', <Moment key="started" of={of.started} />],
          ['Last snapshot', last_shutter && <Ago key="shutter" of={last_shutter.at} />],
          ['Its number', last_shutter && count(last_shutter.snapshot)],
          [
            'It wrote',
            last_shutter && `${plural(last_shutter.tasks, 'task')}, ${plural(last_shutter.workers, 'worker')}`,
          ],
          ['It took', last_shutter && duration(last_shutter.seconds)],
          [
            'Completeness',
            capture.completeness === null
              ? 'not known yet'
              : `${percent(capture.completeness)}: ${count(capture.captured)} heard of, ${count(capture.lost)} not`,
          ],
          ['In memory', `${count(of.clusters.reduce((sum, { tasks }) => sum + total(tasks), 0))} tasks`],
          ['Dropped early', count(of.clusters.reduce((sum, { evicted_active }) => sum + evicted_active, 0))],
          [
            'Since its start',
            [
              plural(since_start.events, 'event'),
              plural(since_start.duplicates, 'duplicate'),
              plural(since_start.dead_letters, 'dead letter'),
              plural(since_start.gaps, 'gap'),
            ].join(', '),
          ],
        ]}
      />
    </section>
  );
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

function Receiver({ of }: { readonly of: ReceiverRecord }) {
  return (
    <>
      <h3>
        {visible(of.cluster)}{' '}
        <span class="state" data-state={of.connected ? 'SUCCESS' : 'FAILURE'}>
          {of.connected ? '● connected' : '✕ not connected'}
        </span>
      </h3>
      <Facts
        of={[
          ['Broker', of.simulated ? 'none: simulated' : <Text key="url" of={of.url} />],
          ['RabbitMQ', of.version === null ? null : visible(of.version)],
          ['Queue', <Text key="queue" of={of.queue} />],
          [
            'Mode',
            of.mode === 'guest' ? 'guest: what happens while away is missed' : 'durable: nothing is missed while away',
          ],
          ['Since', <Moment key="since" of={of.since} />],
          ['Last message', <Ago key="last" of={of.last_delivery} />],
          ['Messages', count(of.received)],
          ['Why not', of.error === null ? null : visible(of.error)],
          ['Blocked', of.blocked === null ? null : visible(of.blocked)],
        ]}
      />
    </>
  );
}

function Gaps({ of }: { readonly of: readonly GapRow[] | null }) {
  if (of === null) return null;
  if (of.length === 0) return <p class="soft">None is known.</p>;
  return (
    <div class="wide">
      <table class="wrap">
        <thead>
          <tr>
            <th scope="col">From</th>
            <th scope="col">Length</th>
            <th scope="col">Cause</th>
            <th scope="col" class="num">
              Missing, about
            </th>
            <th scope="col">Detail</th>
            <th scope="col">Cluster</th>
          </tr>
        </thead>
        <tbody>
          {of.map(({ id, started_at, ended_at, cause, estimate, detail, cluster }) => (
            <tr key={id}>
              <td>
                <Moment of={started_at} />
              </td>
              <td>{duration(ended_at - started_at)}</td>
              <td>{visible(cause)}</td>
              <td class="num">{estimate === null ? 'unknown' : count(Math.round(estimate))}</td>
              <td>{visible(detail)}</td>
              <td>{visible(cluster)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Bytes of a dead letter that the API tells. */
const SHOWN = 16_384;

function Letters({ of }: { readonly of: readonly DeadLetterRow[] | null }) {
  if (of === null) return null;
  if (of.length === 0) return <p class="soft">None: everything that arrived could be read.</p>;
  return (
    <div class="wide">
      <table class="wrap">
        <thead>
          <tr>
            <th scope="col">Received</th>
            <th scope="col">Reason</th>
            <th scope="col">Routing key</th>
            <th scope="col">Content</th>
            <th scope="col" class="num">
              Bytes
            </th>
            <th scope="col">Cluster</th>
          </tr>
        </thead>
        <tbody>
          {of.map((letter) => (
            <tr key={letter.id}>
              <td>
                <Moment of={letter.received_at} />
              </td>
              <td>{visible(letter.reason)}</td>
              <td>
                <code>{visible(letter.routing_key)}</code>
              </td>
              <td>
                <details>
                  <summary>{visible(letter.content_type ?? 'no content type')}</summary>
                  <pre class="value">{readable(letter.body)}</pre>
                  {letter.body_bytes > SHOWN && <p class="soft">The first {count(SHOWN)} bytes of it.</p>}
                </details>
              </td>
              <td class="num">{count(letter.body_bytes)}</td>
              <td>{visible(letter.cluster)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
