/** Finds which field was meant by a name that is none. */
import { FIELDS } from './filter.ts';

/** What people call a field elsewhere: in records, in Celery, in Flower. */
const ALSO_KNOWN_AS: ReadonlyMap<string, string> = new Map([
  ['status', 'state'],
  ['task', 'name'],
  ['taskname', 'name'],
  ['hostname', 'worker'],
  ['workername', 'worker'],
  ['id', 'uuid'],
  ['task_id', 'uuid'],
  ['root_id', 'root'],
  ['parent_id', 'parent'],
  ['error', 'exception'],
  ['duration', 'runtime'],
  ['time', 'timestamp'],
]);

/** What to say of a field that there is not: what was expected, and what is the matter, with the one that was meant. */
export function unknownField(name: string): [expected: string, problem: string] {
  const known = FIELDS.map((field) => field.name);
  const lower = name.toLowerCase();
  const meant = ALSO_KNOWN_AS.get(lower) ?? known.find((field) => isNear(field, lower));
  const problem = `there is no field ${name.slice(0, 40)}${meant ? `, perhaps ${meant} is meant` : ''}`;
  return [`one of ${known.join(', ')}, or quotes around the text`, problem];
}

/** Whether one is made from the other by adding, dropping, changing or swapping one character. */
function isNear(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let start = 0;
  while (start < a.length && a[start] === b[start]) start++;
  const [restA, restB] = [a.slice(start), b.slice(start)];
  return (
    restA.slice(1) === restB.slice(1) ||
    restA === restB.slice(1) ||
    restA.slice(1) === restB ||
    (restA.slice(2) === restB.slice(2) && restA[0] === restB[1] && restA[1] === restB[0])
  );
}
