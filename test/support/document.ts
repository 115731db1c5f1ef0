/** Answers held against the OpenAPI document of the program itself, as those who have nothing else would read it. */
import { expect } from 'vitest';
import { z } from 'zod';
import type { OpenApi, Operation } from '../../src/contract/openapi.ts';

export class Document {
  readonly #document: OpenApi;
  readonly #shapes = new Map<string, z.ZodType>();

  private constructor(document: OpenApi) {
    this.#document = document;
  }

  /** @param url of the running program */
  static async of(url: string): Promise<Document> {
    return new Document((await (await fetch(`${url}/openapi.json`)).json()) as OpenApi);
  }

  /** Fails unless the document tells of such an answer. @param name of the route, such as `GET /api/tasks/{uuid}` */
  async hold(name: string, response: Response): Promise<void> {
    const { status, headers } = response;
    const text = await response.clone().text();
    const [method = '', path = ''] = name.split(' ');
    const { responses } = this.#document.paths[path]?.[method.toLowerCase()] ?? {
      responses: {} as Operation['responses'],
    };
    const type = (headers.get('content-type') ?? '').split(';')[0] ?? '';
    const told = responses[status]?.content[type]?.schema;
    expect([name, status, type, told !== undefined]).toEqual([name, status, type, true]);
    const bodies = type === 'application/json' ? [text] : type === 'text/csv' ? [] : text.trimEnd().split('\n');
    for (const body of bodies.filter(Boolean)) {
      const { error } = this.#shapeOf(told as object).safeParse(JSON.parse(body));
      expect([name, status, error && z.prettifyError(error), error && body]).toEqual([
        name,
        status,
        undefined,
        undefined,
      ]);
    }
  }

  #shapeOf(schema: object): z.ZodType {
    const text = JSON.stringify({ ...schema, $defs: this.#document.components.schemas });
    let shape = this.#shapes.get(text);
    if (!shape) {
      // To JSON Schema a default says nothing of what is valid; Zod puts it in the place of what is missing.
      const strict = (key: string, value: unknown): unknown => (key === 'default' ? undefined : value);
      shape = z.fromJSONSchema(JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/'), strict));
      this.#shapes.set(text, shape);
    }
    return shape;
  }
}
