/** The contract as an OpenAPI 3.1 document, made from the same schemas that check and type the answers. */
import { z } from 'zod';
import { FILTER_PARAMS } from '../domain/filter-params.ts';
import { toldOf } from './query.ts';
import { api, errorAnswer, type Route } from './routes.ts';

type Document = Readonly<Record<string, unknown>>;

/** @param version of celerycam */
export function openApi(version: string): Document {
  const registry = z.registry<{ id: string }>();
  const nameOf = (schema: z.ZodType, id: string): Document => {
    if (!registry.has(schema)) registry.add(schema, { id });
    return reference(registry.get(schema)?.id ?? id);
  };
  const failure = (description: string): Document => ({
    description,
    content: { 'application/json': { schema: nameOf(errorAnswer, 'Error') } },
  });
  const paths: Record<string, { get: Document }> = {};
  for (const [name, route] of Object.entries<Route>(api)) {
    const path = name.slice(name.indexOf(' ') + 1);
    const id = operationOf(path);
    const schema = nameOf(route.response, id.charAt(0).toUpperCase() + id.slice(1));
    const rows = route.row && { schema: nameOf(route.row, `${id}Row`) };
    paths[path] = {
      get: {
        operationId: id,
        summary: route.summary,
        ...(route.description === undefined ? {} : { description: route.description }),
        tags: [route.tag],
        parameters: parametersOf(route),
        responses: {
          200: {
            description: 'The answer.',
            content: {
              'application/json': { schema },
              ...(rows && {
                'application/x-ndjson': rows,
                'text/csv': { schema: { type: 'string' } },
              }),
            },
          },
          ...(route.query && { 400: failure('A parameter is unknown or cannot be read.') }),
          ...(route.params && { 404: failure('There is no such thing.') }),
          503: path === '/readyz' ? { description: 'Not ready.', content: { 'application/json': { schema } } } : failure('The database does not answer at the moment.'),
        },
      },
    };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'celerycam',
      version,
      description: 'What a Celery cluster does, now and at any moment in the past. Times are epoch seconds.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // Relative to where this document is: there may be a prefix before it.
    servers: [{ url: '.' }],
    paths,
    components: { schemas: schemasOf(registry) },
  };
}

function reference(id: string): Document {
  return { $ref: `#/components/schemas/${id}` };
}

/** `/api/tasks/{uuid}/events` → `tasksUuidEvents`. */
function operationOf(path: string): string {
  const words = path.replace(/^\/(api\/)?/, '').split(/[^a-z]+/i).filter(Boolean);
  return words.map((word, n) => (n === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('');
}

function parametersOf({ params, query, filters }: Route): Document[] {
  const inPath = Object.keys(params?.shape ?? {}).map((name) => ({
    ...{ name, in: 'path', required: true, schema: { type: 'string' } },
    description: 'Percent-encoded: it may hold any character.',
  }));
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, parameter]) => {
    const { description, schema, repeated } = toldOf(parameter as z.ZodType);
    return repeated
      ? { ...{ name, in: 'query', description }, schema: { type: 'array', items: schema }, style: 'form', explode: true }
      : { ...{ name, in: 'query', description, schema } };
  });
  const ofFilter = (filters ? FILTER_PARAMS : []).map(({ name, means, example }) => ({
    ...{ name, in: 'query', description: means, example, style: 'form', explode: true },
    schema: { type: 'array', items: { type: 'string' } },
  }));
  return [...inPath, ...ofFilter, ...inQuery];
}

/** The registered schemas, and those that they are made of. */
function schemasOf(registry: z.core.$ZodRegistry<{ id: string }>): Document {
  const { schemas } = z.toJSONSchema(registry, { uri: (id) => `#/components/schemas/${id}`, io: 'output' });
  const parts = new Map<string, Document>();
  for (const [id, { $schema: _schema, $id: _id, $defs = {}, ...schema }] of Object.entries<Record<string, unknown>>(schemas)) {
    if (id !== '__shared') parts.set(id, schema);
    for (const [part, shape] of Object.entries($defs as Record<string, Document>)) parts.set(part, shape);
  }
  // Zod refers to its own parts in a place that OpenAPI does not have.
  const text = JSON.stringify(Object.fromEntries(parts));
  return JSON.parse(text.replaceAll('#/components/schemas/__shared#/$defs/', '#/components/schemas/')) as Document;
}
