/** A value that a worker told in Python's words, as a tree; what cannot be read as one, as the text that it is. */
import { visible, visibleLines } from './format.ts';
import { Copy } from './parts.tsx';
import { type Item, isCut, readRepr, type Value } from './python-repr.ts';
import './style/task.css';

/** Levels that are open at first, and items up to which one is. */
const OPEN = 3;
const FEW = 40;

interface Shown {
  readonly title: string;
  readonly of: string | null;
  /** The table that it is whole from, and not from an event, which may be cut. */
  readonly table?: string | null | undefined;
}

export function PythonValue({ title, of, table = null }: Shown) {
  if (of === null || of === '') {
    return (
      <section class="panel">
        <h2>{title}</h2>
        <span class="soft">{of === null ? 'not known' : 'empty: the sender left it out'}</span>
      </section>
    );
  }
  const value = readRepr(of);
  return (
    <section class="panel">
      <div class="title">
        <h2>{title}</h2>
        <Copy text={of} what={title.toLowerCase()} />
        {value === null && <span class="soft">as it was sent: it cannot be read as a value</span>}
        {table !== null && <span class="soft">whole, from {visible(table)}</span>}
        {table === null && value !== null && isCut(value) && (
          <span class="cut">cut short by the worker, which sends some 1,024 characters</span>
        )}
      </div>
      <div class="value">{value === null ? visibleLines(of) : <Node of={value} depth={0} />}</div>
    </section>
  );
}

function Node({ of, depth }: { readonly of: Value; readonly depth: number }) {
  switch (of.kind) {
    case 'atom':
      return <span class="atom">{visible(of.text)}</span>;
    case 'object':
      return <span class="object">{visible(of.text)}</span>;
    case 'cut':
      return <span class="cut">… left out</span>;
    case 'text':
      return (
        <span class="text">
          {of.prefix}'{visibleLines(of.text)}'{of.isCut && <span class="cut"> … cut</span>}
        </span>
      );
    case 'items':
      return <Items of={of} depth={depth} />;
  }
}

const NAMES: Readonly<Record<string, string>> = { '(': 'tuple', '[': 'list', '{': 'dict' };

function Items({ of, depth }: { readonly of: Extract<Value, { kind: 'items' }>; readonly depth: number }) {
  const close = of.open === '(' ? ')' : of.open === '[' ? ']' : '}';
  const isSet = of.open === '{' && of.of.length > 0 && of.of.every(({ key }) => key === null);
  const kind = of.name === '' ? (isSet ? 'set' : NAMES[of.open]) : of.name;
  if (of.of.length === 0) {
    return (
      <span class="object">
        {of.name}
        {of.open}
        {of.isCut ? <span class="cut">… cut</span> : close}
      </span>
    );
  }
  return (
    <details open={depth < OPEN && of.of.length <= FEW}>
      <summary>
        <span class="object">{visible(kind ?? '')}</span>{' '}
        <span class="key">
          {of.of.length} {of.of.length === 1 ? 'item' : 'items'}
        </span>
      </summary>
      <ul>
        {of.of.map((item, n) => (
          <Entry key={String(n)} item={item} n={n} depth={depth + 1} isNamed={of.open !== '{' || !isSet} />
        ))}
        {of.isCut && <li class="cut">… cut here</li>}
      </ul>
    </details>
  );
}

function Entry(props: { readonly item: Item; readonly n: number; readonly depth: number; readonly isNamed: boolean }) {
  const { item, n, depth, isNamed } = props;
  const { key, value } = item;
  return (
    <li>
      {key === null ? (
        isNamed && value.kind !== 'cut' && <span class="key">{n}: </span>
      ) : (
        <Key of={key} depth={depth} />
      )}
      <Node of={value} depth={depth} />
    </li>
  );
}

function Key({ of, depth }: { readonly of: Value; readonly depth: number }) {
  return (
    <span class="key">
      {of.kind === 'text' || of.kind === 'atom' ? visible(of.text) : <Node of={of} depth={depth} />}
      {': '}
    </span>
  );
}
