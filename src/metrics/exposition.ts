/** Writes Prometheus's text format, version 0.0.4. */

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** Labels as they stand between the braces: `a="b",c="d"`; empty for none. */
export function labelText(names: readonly string[], values: readonly string[]): string {
  return names.map((name, n) => `${name}="${escaped(values[n] ?? '')}"`).join(',');
}

function escaped(value: string): string {
  return /[\\"\n]/.test(value) ? value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n') : value;
}

/** One answer. A family's samples follow its `family`; a family without samples is told all the same. */
export class Exposition {
  #text = '';
  #name = '';

  get text(): string {
    return this.#text;
  }

  family(name: string, type: MetricType, help: string): void {
    this.#name = name;
    this.#text += `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
  }

  /** @param labels as `labelText` writes them */
  sample(labels: string, value: number): void {
    this.#text += labels === '' ? `${this.#name} ${shown(value)}\n` : `${this.#name}{${labels}} ${shown(value)}\n`;
  }

  /**
   * A sample of a histogram. @param les the bounds as `bucketLabels` writes them @param counts of each bucket by itself, from
   * `from` on: one for each bound, the one beyond, and the sum of what was observed
   */
  histogram(labels: string, les: readonly string[], counts: readonly number[], from = 0): void {
    const name = this.#name;
    const before = labels === '' ? `${name}_bucket{` : `${name}_bucket{${labels},`;
    let total = 0;
    let text = '';
    for (let n = 0; n < les.length; n++) {
      total += counts[from + n] as number;
      text += `${before}${les[n]}} ${total}\n`;
    }
    const braced = labels === '' ? '' : `{${labels}}`;
    this.#text += `${text}${name}_sum${braced} ${shown(counts[from + les.length] as number)}\n${name}_count${braced} ${total}\n`;
  }
}

/** `le="0.5"` for each bound and `+Inf`, as Python's client writes them: Prometheus 2 takes `1` and `1.0` for two buckets. */
export function bucketLabels(bounds: readonly number[]): string[] {
  return [...bounds.map((bound) => `le="${Number.isInteger(bound) ? bound.toFixed(1) : bound}"`), 'le="+Inf"'];
}

function shown(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : `${value}`;
}
