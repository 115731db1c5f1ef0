/** Takes out of a stored result what redaction takes out of events: it holds whole what those had cut. */
import type { ResultRecord } from '../contract/results.ts';
import type { Event, Json } from '../domain/event.ts';
import { MASK, type Redactor } from '../domain/redaction.ts';
import { EXCEPTION_STATES } from '../domain/states.ts';

/** @param names by which the task is known; where there are none, every rule counts as one about it. Nothing to take out: the same record. */
export function redactResult(redactor: Redactor, record: ResultRecord, names: readonly string[]): ResultRecord {
  return (names.length > 0 ? names : [null]).reduce((each, name) => redactOnce(redactor, each, name), record);
}

function redactOnce(redactor: Redactor, record: ResultRecord, name: string | null): ResultRecord {
  const { task_id: uuid, status, args, kwargs, traceback } = record;
  const field = EXCEPTION_STATES.has(status) ? 'exception' : 'result';
  const pass = (fields: Readonly<Record<string, Json>>): Event => {
    const event = { type: 'task-result', uuid, ...(name !== null && { name }), ...fields };
    return redactor.event({ cluster: '', local_received: 0, redelivered: false, event, body: '' }).event;
  };
  const data = pass({ args, kwargs, traceback, [field]: record.result });
  const words = pass({ [field]: record.text });
  const isSame = data[field] === record.result;
  const isSameText = words[field] === record.text;
  const others = { args: data['args'] ?? null, kwargs: data['kwargs'] ?? null, traceback: textOf(data['traceback']) };
  if (isSame && isSameText && others.args === args && others.kwargs === kwargs && others.traceback === traceback) {
    return record;
  }
  return {
    ...record,
    ...others,
    // What is hidden in one of the two forms may stand in the other where a rule does not find it: in Base64, say.
    result: isSame && !isSameText ? MASK : (data[field] ?? null),
    text: isSameText && !isSame ? MASK : textOf(words[field]),
  };
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
