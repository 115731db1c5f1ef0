/** Holds queries of dashboards and alerts against what is exported: whether each finds what it asks for. */
import { readFileSync } from 'node:fs';
import type { Family, Sample } from './exposition.ts';

/** Labels that Prometheus itself gives what it scrapes. */
const TARGET = { job: 'celery-exporter', instance: 'host:5555', namespace: 'shop' };

const SELECTOR = /\b((?:celery|celerycam|flower)_\w+)(?:\{([^{}]*)\})?/g;
const MATCHER = /(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"/g;
const GROUPING = /\b(?:by|on)\s*\(([^()]*)\)|label_values\(.*,\s*(\w+)\)$/g;

/** The queries of a peer, one a line. */
export function peerQueries(peer: 'celery-exporter' | 'flower'): readonly string[] {
  const text = readFileSync(new URL(`../fixtures/peers/${peer}.promql`, import.meta.url), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

/** What a query asks for in vain; empty where every selector finds a sample, and has the labels that are grouped by. */
export function askedInVain(query: string, families: ReadonlyMap<string, Family>): readonly string[] {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  const vain: string[] = [];
  const grouped = Array.from(query.matchAll(GROUPING), ([, list = '', one = '']) => `${list},${one}`.split(','))
    .flat()
    .map((label) => label.trim())
    .filter((label) => label !== '');
  const selectors = [...query.matchAll(SELECTOR)];
  if (selectors.length === 0) vain.push('no metric');
  for (const [text, name = '', matchers = ''] of selectors) {
    const found = all.filter((sample) => sample.name === name && matches(sample, matchers));
    if (found.length === 0) vain.push(text);
    const labels = found.flatMap((sample) => Object.keys({ ...TARGET, ...sample.labels }));
    vain.push(
      ...grouped.filter((label) => found.length > 0 && !labels.includes(label)).map((label) => `${label} of ${text}`),
    );
  }
  return vain;
}

/** A variable of a dashboard stands for anything. */
function matches({ labels }: Sample, matchers: string): boolean {
  const own: Readonly<Record<string, string>> = { ...TARGET, ...labels };
  return [...matchers.matchAll(MATCHER)].every(([, label = '', operator = '', text = '']) => {
    const value = own[label] ?? '';
    const isSame = text.startsWith('$')
      ? value !== ''
      : new RegExp(`^(?:${operator.endsWith('~') ? text : escaped(text)})$`).test(value);
    return operator.startsWith('!') ? !isSame : isSame;
  });
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
