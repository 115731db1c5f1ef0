/** The tasks of a saved group, from what `GroupResult.save()` wrote: the object itself, pickled, or its `as_tuple()`. */
import { isKind, type PythonValue } from './python-value.ts';

/** A task's id, or the members of a group within the group. */
export type Member = string | readonly Member[];

const MAX_MEMBERS = 10_000;
const MAX_DEPTH = 20;

/** The members; null where the value is no group's result, or of too many tasks. */
export function membersOf(value: PythonValue): readonly Member[] | null {
  let count = 0;
  const read = (part: PythonValue, depth: number): Member | null => {
    count += 1;
    if (count > MAX_MEMBERS || depth > MAX_DEPTH) return null;
    const [id, inner] = partsOf(part) ?? [null, null];
    if (!isKind(inner, 'list', 'tuple')) return typeof id === 'string' ? id : null;
    const members = inner.items.map((item) => read(item, depth + 1));
    return members.every((member) => member !== null) ? members : null;
  };
  const members = read(value, 0);
  return members === null || typeof members === 'string' ? null : members;
}

/** The id and, of a group, its list: `AsyncResult(id, …)`, `GroupResult(id, results)`; `((id, parent), children)`. */
function partsOf(value: PythonValue): readonly [PythonValue, PythonValue] | null {
  if (isKind(value, 'object')) {
    const [id = null, results = null] = value.args ?? [];
    const { module, name } = value.of;
    if (module !== 'celery.result') return null;
    return name === 'GroupResult' ? [id, results] : [id, null];
  }
  if (!isKind(value, 'list', 'tuple')) return null;
  const [self = null, children = null] = value.items;
  return isKind(self, 'list', 'tuple') ? [self.items[0] ?? null, children] : null;
}

export function tasksIn(members: readonly Member[]): readonly string[] {
  return members.flatMap((member) => (typeof member === 'string' ? [member] : tasksIn(member)));
}
