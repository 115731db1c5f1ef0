/** A table of any length: only the rows in sight are in the page. Rows are of one height, so that their place is arithmetic. */
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';

export interface Column<Row> {
  readonly key: string;
  readonly title: string;
  /** Pixels at least; what is left over goes to all in proportion. */
  readonly width: number;
  readonly numeric?: boolean;
  /** What a click on its title sorts by. */
  readonly sort?: string;
  readonly cell: (row: Row) => ComponentChildren;
}

export interface Sorting {
  readonly by: string;
  readonly order: 'asc' | 'desc';
  readonly change: (by: string, order: 'asc' | 'desc') => void;
}

interface TableProps<Row> {
  readonly caption: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  /** How many there are in all; null where nobody knows. */
  readonly total?: number | null;
  readonly sorting?: Sorting;
  /** Index of the row that the keyboard is at. */
  readonly selected?: number;
  readonly isOld?: boolean;
  /** The end of the rows comes into sight. */
  readonly onEnd?: () => void;
  /** How far from the top it is scrolled, pixels. */
  readonly onScroll?: (top: number) => void;
}

/** The same as `--row` in the stylesheet. */
const ROW = 28;
/** Rows beyond those in sight. */
const SPARE = 12;

export function Table<Row>(props: TableProps<Row>) {
  const { caption, columns, rows, keyOf, total = rows.length, sorting, selected, isOld, onEnd, onScroll } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [{ top, height }, see] = useState({ top: 0, height: 800 });
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + height) / ROW) + SPARE);

  const look = (): void => {
    const { scrollTop, clientHeight } = scroller.current as HTMLDivElement;
    // Whole rows: a scroll of some pixels renders nothing.
    const seen = { top: scrollTop - (scrollTop % ROW), height: clientHeight };
    see((before) => (before.top === seen.top && before.height === seen.height ? before : seen));
    onScroll?.(scrollTop);
  };
  useLayoutEffect(() => {
    const observer = new ResizeObserver(look);
    observer.observe(scroller.current as HTMLDivElement);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (last >= rows.length - SPARE) onEnd?.();
  }, [last, rows.length]);
  useEffect(() => {
    const element = scroller.current;
    if (!element || selected === undefined || selected < 0) return;
    const [from, to] = [selected * ROW, (selected + 2) * ROW];
    if (from < element.scrollTop) element.scrollTop = from;
    else if (to > element.scrollTop + element.clientHeight) element.scrollTop = to - element.clientHeight;
  }, [selected]);

  const width = columns.reduce((sum, column) => sum + column.width, 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by the keyboard
    <section class="scroll tall" ref={scroller} onScroll={look} tabIndex={0} aria-label={caption}>
      <table class="fixed" style={{ minWidth: `${width}px` }} aria-rowcount={total ?? -1} aria-busy={isOld ?? false}>
        <caption class="hidden">{caption}</caption>
        <colgroup>
          {columns.map((column) => (
            <col key={column.key} style={{ width: `${(100 * column.width) / width}%` }} />
          ))}
        </colgroup>
        <thead>
          <tr aria-rowindex={1}>
            {columns.map((column) => (
              <Title key={column.key} column={column} sorting={sorting} />
            ))}
          </tr>
        </thead>
        <tbody>
          <Space of={first} columns={columns.length} />
          {rows.slice(first, last).map((row, n) => (
            <tr
              key={keyOf(row)}
              aria-rowindex={first + n + 2}
              aria-selected={selected === undefined ? undefined : first + n === selected}
            >
              {columns.map((column) => (
                <td key={column.key} class={column.numeric ? 'num' : undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          <Space of={rows.length - last} columns={columns.length} />
        </tbody>
      </table>
    </section>
  );
}

/** In place of rows that are out of sight. */
function Space({ of, columns }: { readonly of: number; readonly columns: number }) {
  return of <= 0 ? null : (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row is not
    <tr class="space" aria-hidden="true">
      <td colSpan={columns} style={{ height: `${of * ROW}px` }} />
    </tr>
  );
}

function Title<Row>({ column, sorting }: { readonly column: Column<Row>; readonly sorting: Sorting | undefined }) {
  const { title, sort, numeric } = column;
  const style = numeric ? 'num' : undefined;
  if (!sorting || !sort) {
    return (
      <th scope="col" class={style}>
        {title}
      </th>
    );
  }
  const order = sorting.by === sort ? sorting.order : null;
  return (
    <th scope="col" class={style} aria-sort={order === null ? undefined : order === 'asc' ? 'ascending' : 'descending'}>
      <button type="button" onClick={() => sorting.change(sort, order === 'desc' ? 'asc' : 'desc')}>
        {title} <span aria-hidden="true">{order === null ? '' : order === 'asc' ? '↑' : '↓'}</span>
      </button>
    </th>
  );
}
