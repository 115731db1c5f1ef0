/** `celerycam replay --diff`: where Celery's own fold and ours disagree, for people or as JSON. */
import type { Writable } from 'node:stream';
import { type Comparison, type Difference, RULES, type Rule } from '../domain/difference.ts';

/** Longer values are cut: a traceback is no help here. */
const WIDTH = 60;

/** Prints each difference and how many each rule explains; false when some difference has no explanation. */
export function printDifferences(comparison: Comparison, json: boolean, out: Pick<Writable, 'write'>): boolean {
  const counts = new Map<Rule | null, number>();
  const list: Difference[] = [];
  let before = '';
  for (const difference of comparison.differences()) {
    const { kind, id, field, celery, strict, rule } = difference;
    counts.set(rule, (counts.get(rule) ?? 0) + 1);
    if (json) {
      list.push(difference);
      continue;
    }
    const name = `${kind} ${id}`;
    if (name !== before) out.write(`${name}\n`);
    before = name;
    out.write(`  ${field.padEnd(11)} celery ${shortly(celery)}, strict ${shortly(strict)}: ${rule ?? 'UNEXPLAINED'}\n`);
  }
  const unexplained = counts.get(null) ?? 0;
  if (json) {
    const rules = Object.fromEntries(
      [...counts].flatMap(([rule, count]) => (rule ? [[rule, { count, means: RULES[rule] }]] : [])),
    );
    out.write(`${JSON.stringify({ differences: list, rules, unexplained })}\n`);
    return unexplained === 0;
  }
  if (counts.size === 0) out.write('no difference\n');
  else out.write('\n');
  for (const [rule, count] of counts) if (rule) out.write(`${String(count).padStart(6)}  ${rule}: ${RULES[rule]}\n`);
  if (unexplained > 0) out.write(`${String(unexplained).padStart(6)}  UNEXPLAINED: please report it, with the file\n`);
  return unexplained === 0;
}

function shortly(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > WIDTH ? `${text.slice(0, WIDTH)}…` : text;
}
