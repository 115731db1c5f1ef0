/** Reads Prometheus's text format, and fails on whatever a server would refuse. */

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly type: string;
  readonly help: string;
  readonly samples: Sample[];
}

const LINE = /^([a-z_][a-z0-9_]*)(?:\{(.*)\})? (NaN|[+-]?Inf|-?[0-9][0-9.e+-]*)$/is;
const LABEL = /([a-z_][a-z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)/gy;

export function parseExposition(text: string): Map<string, Family> {
  const families = new Map<string, Family>();
  const told = new Set<string>();
  let name = '';
  let help = '';
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  for (const line of text.slice(0, -1).split('\n')) {
    const [, key = '', own = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? [];
    if (key === 'HELP') [name, help] = [own, rest];
    else if (key === 'TYPE') {
      if (own !== name || families.has(own)) throw new Error(`not after its HELP, or twice: ${line}`);
      families.set(own, { type: rest, help, samples: [] });
    } else {
      const sample = parseSample(line);
      const family = families.get(name);
      const suffixes = family?.type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
      if (!family || !suffixes.some((suffix) => sample.name === `${name}${suffix}`)) throw new Error(`alone: ${line}`);
      const identity = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      if (told.has(identity)) throw new Error(`twice: ${line}`);
      told.add(identity);
      family.samples.push(sample);
    }
  }
  for (const [name, { type, samples }] of families) if (type === 'histogram') checkHistogram(name, samples);
  return families;
}

/** For each set of labels: buckets that grow with their bounds, up to `+Inf`, which is the count. */
function checkHistogram(name: string, samples: readonly Sample[]): void {
  const open = new Map<string, { bound: number; count: number }>();
  for (const { name: own, labels, value } of samples) {
    const { le, ...rest } = labels;
    const key = JSON.stringify(Object.entries(rest).sort());
    const { bound, count } = open.get(key) ?? { bound: Number.NEGATIVE_INFINITY, count: 0 };
    if (own === `${name}_bucket`) {
      const next = Number(le?.replace('Inf', 'Infinity') ?? Number.NaN);
      if (!(next > bound && value >= count)) throw new Error(`bucket ${le} of ${name} ${key}`);
      open.set(key, { bound: next, count: value });
    } else if (bound !== Number.POSITIVE_INFINITY || le !== undefined || (own === `${name}_count` && value !== count)) {
      throw new Error(`${own} ${key} does not fit its buckets`);
    }
  }
}

function parseSample(line: string): Sample {
  const [, name = '', labelText = '', value = ''] = LINE.exec(line) ?? [];
  if (name === '') throw new Error(`no sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const [, label, own] = LABEL.exec(labelText) ?? [];
    if (label === undefined || own === undefined || Object.hasOwn(labels, label)) throw new Error(`labels of ${line}`);
    labels[label] = own.replace(/\\(.)/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
  }
  return { name, labels, value: Number(value.replace('Inf', 'Infinity')) };
}

/** The value of the one sample with exactly these labels; undefined where there is none. */
export function sampleOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const identity = JSON.stringify(Object.entries(labels).sort());
  for (const { samples } of families.values()) {
    const found = samples.find((s) => s.name === name && JSON.stringify(Object.entries(s.labels).sort()) === identity);
    if (found) return found.value;
  }
  return undefined;
}
