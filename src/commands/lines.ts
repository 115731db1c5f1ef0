/** A stream of bytes → lines, without their ends. Only LF ends a line: JSON may hold U+2028 and the like as they are. */

/** All lines that a chunk completes come at once. A last line without an end counts. */
export async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<readonly Buffer[], void, undefined> {
  let rest: Buffer[] = [];
  for await (const chunk of stream) {
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      const tail = chunk.subarray(start, end);
      lines.push(rest.length > 0 ? Buffer.concat([...rest, tail]) : tail);
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (rest.length > 0) yield [Buffer.concat(rest)];
}
