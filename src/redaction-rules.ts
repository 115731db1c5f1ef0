/** The file of `--redact`: rules as people write them, in YAML or JSON, each checked by itself. */
import { createHmac } from 'node:crypto';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { createRedactor, type RedactionRule, type Redactor, type RedactorParts } from './domain/redaction.ts';
import { MonitorError, reasonOf } from './errors.ts';

/** No rules: nothing is redacted. */
export interface RedactionConfig {
  readonly rules: readonly RedactionRule[];
  /** Not for logs. Null only where no rule hashes. */
  readonly key: string | null;
}

/** Fields that a rule takes where it names none: all that a task's author can put something into. */
const FIELDS = ['args', 'kwargs', 'result', 'exception', 'traceback'] as const;

/** Without these an event is none, or is taken for another. */
const KEPT = new Set([
  ...['type', 'uuid', 'name', 'hostname', 'timestamp', 'utcoffset', 'pid', 'clock', 'local_received'],
  ...['root_id', 'parent_id', 'retries', 'runtime', 'eta', 'expires', 'queue', 'exchange', 'routing_key'],
  ...['freq', 'active', 'processed', 'loadavg', 'sw_ident', 'sw_ver', 'sw_sys'],
]);

const oneOrMore = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)], 'text or a list of texts');

const ruleForm = z.strictObject({
  task: oneOrMore.optional(),
  fields: oneOrMore.optional(),
  path: oneOrMore.optional(),
  match: z.string('a regular expression').min(1, 'a regular expression').optional(),
  action: z.enum(['mask', 'hash'], 'mask or hash').default('mask'),
});

type RuleForm = z.output<typeof ruleForm>;

/**
 * Reads the rules. @param path for messages only
 * @throws MonitorError CONFIG_INVALID with a line for each rule that is wrong.
 */
export function parseRedaction(content: string, path: string, key: string | null): readonly RedactionRule[] {
  const wrong: string[] = [];
  const rules = listOf(content, path).flatMap((raw, n) => {
    try {
      return [ruleOf(raw, key)];
    } catch (error) {
      wrong.push(`${path}, rule ${n + 1}: ${reasonOf(error)}`);
      return [];
    }
  });
  if (wrong.length > 0) throw new MonitorError('CONFIG_INVALID', wrong.join('\n'));
  return rules;
}

function listOf(content: string, path: string): readonly unknown[] {
  let parsed: unknown;
  try {
    parsed = parseYaml(content);
  } catch (cause) {
    const [first] = reasonOf(cause).split('\n', 1);
    throw new MonitorError('CONFIG_INVALID', `${path} is neither YAML nor JSON: ${first}`, { cause });
  }
  const form = z.strictObject({ rules: z.array(z.unknown()).min(1) }).safeParse(parsed);
  if (form.success) return form.data.rules;
  throw new MonitorError('CONFIG_INVALID', `${path}: expected a list of redaction rules under the key "rules"`);
}

/** Throws an Error that says what was wrong and what was expected. */
function ruleOf(raw: unknown, key: string | null): RedactionRule {
  const read = ruleForm.safeParse(raw);
  if (!read.success) throw new Error(complaintOf(read.error, raw));
  const form = read.data;
  if (form.action === 'hash' && key === null) throw new Error('action hash needs a key: give one with --redact-key');
  const tasks = listed(form.task)?.map(globOf) ?? null;
  return { tasks, action: form.action, fields: new Map(fieldsOf(form)) };
}

function complaintOf(error: z.ZodError, raw: unknown): string {
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) {
    return 'expected a mapping of task, fields, path, match and action';
  }
  const [issue] = error.issues;
  if (issue?.code === 'unrecognized_keys') {
    return `there is no key "${issue.keys[0]}", expected task, fields, path, match or action`;
  }
  return `${String(issue?.path[0] ?? 'rule')}: expected ${issue?.message}`;
}

function fieldsOf({ fields, path, match }: RuleForm): [string, 'all' | string[][] | RegExp][] {
  if (path !== undefined) {
    if (match !== undefined || fields !== undefined) throw new Error('path stands alone, without fields and match');
    const paths = new Map<string, string[][]>();
    for (const each of listed(path) ?? []) {
      const [field = '', ...steps] = stepsOf(each);
      paths.set(field, [...(paths.get(field) ?? []), steps]);
    }
    return Array.from(paths, ([field, steps]) => {
      return [checked(field), steps.some((one) => one.every((step) => step === '**')) ? 'all' : steps];
    });
  }
  const what = match === undefined ? 'all' : patternOf(match);
  return (listed(fields) ?? FIELDS).map((field) => [checked(field), what]);
}

function checked(field: string): string {
  if (!KEPT.has(field)) return field;
  throw new Error(`${field} cannot be redacted: without it events cannot be told apart or put in order`);
}

/** `kwargs.user.card`, `args[0]`, `kwargs.**.password` → steps, the field first. */
function stepsOf(path: string): string[] {
  if (!/^[^.[\]*]+(\.[^.[\]*]+|\.\*\*?|\[\d+\])*$/.test(path)) {
    throw new Error(
      `path: got "${path}", expected one such as kwargs.password, args[0], kwargs.*.pin or kwargs.**.token`,
    );
  }
  return path.split(/[.[\]]+/).filter(Boolean);
}

function patternOf(match: string): RegExp {
  try {
    return new RegExp(match, 'gu');
  } catch (error) {
    throw new Error(`match: got "${match}", expected a regular expression (${reasonOf(error)})`);
  }
}

function globOf(glob: string): RegExp {
  const escaped = glob.replace(/[\\^$.+()[\]{}|/-]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's');
}

function listed(value: string | readonly string[] | undefined): readonly string[] | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? [value] : value;
}

/** `sha256:…`, the same for the same text and key: values can be recognised, and not guessed without the key. */
export function hasher(key: string): (text: string) => string {
  return (text) => `sha256:${createHmac('sha256', key).update(text).digest('hex').slice(0, 32)}`;
}

/** A redactor by these options; null where there are no rules. */
export function openRedactor(
  { redaction, state }: { readonly redaction: RedactionConfig; readonly state: Pick<RedactorParts, 'maxTasks'> },
  nameOf: RedactorParts['nameOf'],
): Redactor | null {
  if (redaction.rules.length === 0) return null;
  return createRedactor(redaction.rules, { hash: hasher(redaction.key ?? ''), nameOf, maxTasks: state.maxTasks });
}
