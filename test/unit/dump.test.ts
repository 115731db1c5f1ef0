import { describe, expect, test } from 'vitest';
import type { Delivery } from '../../src/broker/delivery.ts';
import { lineOf } from '../../src/commands/dump.ts';
import { linesOf } from '../../src/commands/lines.ts';
import { printJson } from '../../src/commands/report.ts';
import type { DeadLetter } from '../../src/domain/event.ts';

function delivery(body: string, more: Partial<Delivery> = {}): Delivery {
  return {
    cluster: 'c',
    routing_key: 'task.sent',
    content_type: 'application/json',
    content_encoding: 'utf-8',
    headers: { hostname: 'w@h' },
    body: Buffer.from(body),
    redelivered: false,
    local_received: 1.5,
    receipt: null,
    ...more,
  };
}

function line(given: Delivery): { text: string; dead: DeadLetter[] } {
  const dead: DeadLetter[] = [];
  return { text: lineOf(given, (letter) => dead.push(letter)), dead };
}

describe('a message as a line', () => {
  test('an event; its text is not rewritten', () => {
    const { text } = line(delivery('{"type": "a",  "n": 1.0}'));
    expect(text).toBe(
      '{"routing_key":"task.sent","headers":{"hostname":"w@h"},"body":{"type": "a",  "n": 1.0},"local_received":1.5}\n',
    );
  });

  test.each(['[]', '[{"type":"a"}]', '[{"type":"a"},{"type":"b"}]'])('a list stays a list: %s', (body) => {
    const { text } = line(delivery(body, { routing_key: 'task.multi' }));
    expect((JSON.parse(text) as { body: unknown }).body).toEqual(JSON.parse(body));
  });

  test('what cannot be decoded is left out and told', () => {
    const some = line(delivery('[{"type":"a"}, 7]', { routing_key: 'task.multi' }));
    expect((JSON.parse(some.text) as { body: unknown }).body).toEqual([{ type: 'a' }]);
    expect(some.dead).toHaveLength(1);
    expect(line(delivery('nonsense'))).toMatchObject({ text: '', dead: [{ routing_key: 'task.sent' }] });
  });

  test('headers may hold what JSON cannot', () => {
    expect(JSON.parse(line(delivery('{"type":"a"}', { headers: { big: 2n ** 60n } })).text)).toMatchObject({
      headers: { big: '1152921504606846976' },
    });
  });
});

describe('lines of a stream', () => {
  async function lines(...chunks: readonly string[]): Promise<string[]> {
    async function* stream(): AsyncGenerator<Buffer> {
      for (const chunk of chunks) yield Buffer.from(chunk);
    }
    const found: string[] = [];
    for await (const some of linesOf(stream())) found.push(...some.map(String));
    return found;
  }

  test.each<[string[], string[]]>([
    [[], []],
    [[''], []],
    [['a\nb\n'], ['a', 'b']],
    [['a\nb'], ['a', 'b']],
    [
      ['a', 'b', '\n', '\nc'],
      ['ab', '', 'c'],
    ],
    [['a\u2028b\r\n'], ['a\u2028b\r']],
    [['ü'.repeat(3), 'ö\n'], ['üüüö']],
  ])('%j', async (chunks, expected) => expect(await lines(...chunks)).toEqual(expected));
});

test('JSON is printed in pieces, and is the same JSON', () => {
  const object = {
    n: 1,
    list: Array.from({ length: 2500 }, (_, i) => ({ i, text: 'ä"' })),
    empty: [],
    nested: { a: [1] },
  };
  const pieces: string[] = [];
  printJson(object, { write: (piece: string) => pieces.push(piece) > 0 });
  expect(JSON.parse(pieces.join(''))).toEqual(object);
  expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(50_000);
});
