import fc from 'fast-check';
import { expect, test } from 'vitest';
import { refuse } from '../../src/answer.ts';
import { csvField, exportOf } from '../../src/http/export.ts';
import type { Questions } from '../../src/http/questions.ts';
import { createRoutes } from '../../src/http/routes.ts';
import { createRecord, taskRow, tasksAnswer } from '../support/questions.ts';
import { apiSources } from '../support/sources.ts';

function ask(path: string, answers: Partial<Questions>, headers: Record<string, string> = {}): Promise<Response> {
  const routes = createRoutes(apiSources({ questions: createRecord(answers), clock: () => 1000 }));
  return Promise.resolve(routes.request(path, { headers }));
}

test.each([
  [null, ''],
  [undefined, ''],
  [-1.5, '-1.5'],
  [true, 'true'],
  ['plain', 'plain'],
  ['', ''],
  ['a,b', '"a,b"'],
  ['say "hi"', '"say ""hi"""'],
  ['two\nlines', '"two\nlines"'],
  ['=1+1', "'=1+1"],
  ['+1', "'+1"],
  ['-1', "'-1"],
  ['@SUM(A1)', "'@SUM(A1)"],
  ['\t=1', "'\t=1"],
  ['\r=1', '"\'\r=1"'],
  ['=cmd|"/c calc"!A0', `"'=cmd|""/c calc""!A0"`],
  [[1, 'a'], '"[1,""a""]"'],
  [{ a: 1 }, '"{""a"":1}"'],
])('a CSV field of %j is %j', (value, field) => expect(csvField(value)).toBe(field));

/** RFC 4180, as a spreadsheet reads it. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, quoted, plain = '', end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted === undefined ? plain : quoted.replaceAll('""', '"'));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

test('any text is read back from CSV as it was, but for the quote before what may be a formula', async () => {
  const text = fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^[=+@",\r\n\t'-]{0,5}$/));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(text, text)), async (rows) => {
      const stream = exportOf({
        ...{ format: 'csv', columns: ['a', 'b'], onError: String, cut() {} },
        pages: (async function* () {
          yield rows.map(([a, b]) => ({ a, b }));
        })(),
      });
      const [head, ...read] = readCsv(await new Response(stream as globalThis.ReadableStream).text());
      expect(head).toEqual(['a', 'b']);
      const shown = (value: string) => (/^[=+\-@\t\r]/.test(value) ? `'${value}` : value).toWellFormed();
      expect(read).toEqual(rows.map((row) => row.map(shown)));
    }),
  );
});

/** Three pages, after which it goes on only where there is more. */
const pages: Questions['tasks'] = async ({ cursor, limit }) => {
  const n = Number(cursor ?? 0);
  return tasksAnswer(
    [taskRow(`${n}a`, { args: '=1' }), taskRow(`${n}b`)].slice(0, limit),
    n < 2 ? String(n + 1) : null,
  );
};

test('a list as NDJSON: every page of it', async () => {
  for (const [path, headers] of [
    ['/api/tasks?format=ndjson', {}],
    ['/api/tasks', { accept: 'application/x-ndjson, */*' }],
  ] as const) {
    const response = await ask(path, { tasks: pages }, headers);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const lines = (await response.text()).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).task_id)).toEqual(['0a', '0b', '1a', '1b', '2a', '2b']);
  }
});

test('a list as CSV', async () => {
  const response = await ask('/api/tasks', { tasks: pages }, { accept: 'text/csv;q=0.9' });
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
  expect(response.headers.get('content-disposition')).toBe('attachment; filename="tasks.csv"');
  const lines = (await response.text()).split('\r\n');
  expect([lines.length, lines[0]?.slice(0, 26), lines.at(-1)]).toEqual([8, 'cluster,task_id,name,state', '']);
  expect(lines[1]).toContain(",'=1,");
});

test('a limit holds for the whole export', async () => {
  expect((await (await ask('/api/tasks?format=ndjson&limit=1', { tasks: pages })).text()).split('\n')).toHaveLength(2);
});

test('figures are exported as rows', async () => {
  const spread = { count: 0, p50: null, p95: null, p99: null };
  const point = { at: 60, tasks: { SUCCESS: 1 }, wait: spread, delivery: spread, runtime: spread, events: null };
  const stats: Questions['stats'] = async ({ from, to, bucket }) => ({
    ok: true,
    value: {
      from,
      to,
      bucket,
      series: [{ cluster: 'c', key: 'n', points: [point, { ...point, at: 120 }] }],
      cut: false,
      gaps: [],
    },
  });
  const text = await (await ask('/api/stats?by=name&format=csv', { stats })).text();
  expect(text.split('\r\n').slice(0, 2)).toEqual([
    'cluster,key,at,tasks,wait,delivery,runtime,events',
    expect.stringMatching(/^c,n,60,"\{""SUCCESS"":1\}",.*,$/),
  ]);
});

test('a list that ends early says so', async () => {
  const tasks: Questions['tasks'] = async (question) =>
    question.cursor === null ? pages(question) : refuse('cursor', 'this cursor is too old');
  const lines = (await (await ask('/api/tasks?format=ndjson', { tasks })).text()).trimEnd().split('\n');
  expect(lines.map((line) => Object.keys(JSON.parse(line))[0])).toEqual(['cluster', 'cluster', 'error']);
  expect(JSON.parse(lines[2] ?? '')).toEqual({ error: 'this cursor is too old' });
  await expect((await ask('/api/tasks?format=csv', { tasks })).text()).rejects.toThrow();
  // What is wrong from the beginning is an ordinary error.
  expect((await ask('/api/tasks?format=csv', { tasks: async () => refuse('cursor', 'no') })).status).toBe(400);
});

test('nothing more is asked for than is read, and nothing once the reader is gone', async () => {
  let asked = 0;
  let ended = false;
  async function* endless(): AsyncGenerator<readonly object[]> {
    try {
      for (;;) {
        asked += 1;
        yield [{ text: 'x'.repeat(100_000) }];
      }
    } finally {
      ended = true;
    }
  }
  const pages = endless() as AsyncIterable<readonly Record<string, unknown>[]>;
  const stream = exportOf({ format: 'ndjson', pages, columns: [], onError: String, cut() {} });
  const reader = stream.getReader();
  for (let n = 0; n < 5; n++) await reader.read();
  expect(asked).toBeLessThanOrEqual(7);
  await reader.cancel();
  expect(ended).toBe(true);
});
