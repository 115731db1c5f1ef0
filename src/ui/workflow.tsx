/** The workflow that a task is part of, chain, group or chord: who called whom, indented, with the state of each. */
import type { TaskRow } from '../contract/history.ts';
import { duration, visible } from './format.ts';
import { useAnswer } from './inquiry.ts';
import { Moment, Problem, State, TaskLink } from './parts.tsx';
import { beat, history } from './pulse.ts';
import { at } from './router.ts';
import './style/task.css';

interface Of {
  readonly task_id: string;
  readonly cluster: string;
}

export function Workflow({ of: { task_id, cluster } }: { readonly of: Of }) {
  const then = at.value ?? undefined;
  const { value, error } = useAnswer(`tree ${JSON.stringify([task_id, cluster, then])}`, beat.value, (signal) =>
    history.tree(task_id, { cluster, at: then }, { signal }),
  );
  if (!value) return <Problem error={error} />;
  if (value.items.length < 2 && value.missing.length === 0) return null;
  const byId = new Map(value.items.map((item) => [item.task_id, item]));
  const children = new Map<string, string[]>();
  const called = new Set<string>();
  for (const { parent, child } of value.edges) {
    if (parent === child) continue;
    children.set(parent, [...(children.get(parent) ?? []), child]);
    called.add(child);
  }
  // Whoever nobody called, and whatever hangs together in a ring.
  const roots = value.items.filter((item) => !called.has(item.task_id)).map((item) => item.task_id);
  const shown = new Set<string>();
  const branch = (id: string): TreeNode | null => {
    const task = byId.get(id);
    if (!task || shown.has(id)) return null;
    shown.add(id);
    return { task, below: (children.get(id) ?? []).map(branch).filter((node) => node !== null) };
  };
  const forest = [...roots, ...byId.keys()].map(branch).filter((node) => node !== null);
  const states = new Map<string, number>();
  for (const { state } of value.items) states.set(state, (states.get(state) ?? 0) + 1);
  return (
    <section class="panel">
      <div class="title">
        <h2>Workflow</h2>
        {[...states].map(([state, n]) => (
          <span key={state}>
            {n} <State of={state} />
          </span>
        ))}
      </div>
      <Problem error={error} />
      {value.missing.length > 0 && (
        <p class="soft">
          {value.missing.length}{' '}
          {value.missing.length === 1 ? 'task that called others has' : 'tasks that called others have'} expired, or{' '}
          {value.missing.length === 1 ? 'was' : 'were'} never heard of:{' '}
          {value.missing.slice(0, 5).map(visible).join(', ')}
        </p>
      )}
      <Branches of={forest} current={task_id} />
      {value.cut && <p class="soft">There are more tasks than these {value.items.length}.</p>}
    </section>
  );
}

interface TreeNode {
  readonly task: TaskRow;
  readonly below: readonly TreeNode[];
}

/** A chain goes on at one level, so that a long one does not wander off to the right. */
function chainFrom(node: TreeNode): readonly TreeNode[] {
  const chain = [node];
  for (let last = node; last.below.length === 1; chain.push(last)) last = last.below[0] as TreeNode;
  return chain;
}

function Branches({ of, current }: { readonly of: readonly TreeNode[]; readonly current: string }) {
  return (
    <ul class="tree">
      {of.flatMap((node) => {
        const chain = chainFrom(node);
        const end = chain.at(-1) as TreeNode;
        return chain.map((link, n) => (
          <li key={link.task.task_id} aria-current={link.task.task_id === current ? 'true' : undefined}>
            <div>
              <span class="soft" title={n === 0 ? undefined : 'called by the one before'}>
                {n === 0 ? '' : '→ '}
              </span>
              <State of={link.task.state} />{' '}
              <TaskLink uuid={link.task.task_id}>{visible(link.task.name ?? link.task.task_id)}</TaskLink>{' '}
              <span class="soft">
                {duration(link.task.runtime)} <Moment of={link.task.received} />
              </span>
            </div>
            {link === end && end.below.length > 0 && <Branches of={end.below} current={current} />}
          </li>
        ));
      })}
    </ul>
  );
}
