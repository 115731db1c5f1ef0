/** What is made of what was seen of periodic tasks, as in findings.ts. */
import type { Finding } from './findings.ts';

export interface SeenPeriodic {
  /** Tasks that are enabled and are, or will be, due. */
  readonly due: number;
  /** Tasks that are enabled and never sent, for what is wrong with them. */
  readonly unfit: readonly { readonly name: string; readonly reason: string }[];
  /** A beat leads at this moment. */
  readonly isLed: boolean;
}

/** Under which title a recorder tells them. */
export const PERIODIC_TITLE = 'Periodic tasks';

/** Unfit tasks told one by one. */
const MOST = 5;

export function examinePeriodic({ due, unfit, isLed }: SeenPeriodic): Finding[] {
  const findings: Finding[] = [];
  const tasks = due === 1 ? 'one periodic task is enabled' : `${due} periodic tasks are enabled`;
  if (due > 0 && isLed) findings.push({ level: 'ok', text: `${tasks}, and a beat leads` });
  if (due > 0 && !isLed) {
    const remedy = ['celerycam beat, or celerycam run --beat', 'not to be sent? celerycam periodic disable NAME'];
    findings.push({ level: 'problem', text: `${tasks}, and no beat leads: nothing is sent`, remedy });
  }
  for (const { name, reason } of unfit.slice(0, MOST)) {
    const remedy = ['celerycam periodic set NAME …, or celerycam periodic disable NAME'];
    findings.push({ level: 'problem', text: `the periodic task "${name}" is never sent: ${reason}`, remedy });
  }
  if (unfit.length > MOST) {
    const text = `${unfit.length - MOST} more periodic tasks are never sent, for what is wrong with them`;
    findings.push({ level: 'problem', text, remedy: ['celerycam periodic list'] });
  }
  return findings;
}
