/** The contract as an OpenAPI 3.1 document, made from the same schemas that check and type the answers. */
import { z } from 'zod';
import { FILTER_PARAMS } from '../domain/filter-params.ts';
import { errorAnswer } from './api.ts';
import {
  deadLetterRow,
  gapRow,
  snapshotRow,
  spread,
  statsPoint,
  taskNameRow,
  taskRow,
  taskVersion,
  total,
  workerRow,
} from './history.ts';
import { newPeriodicTask, periodicRunRow, periodicTaskChange, periodicTaskRow, schedule } from './periodic.ts';
import { toldOf } from './query.ts';
import { json, runRecord, taskRecord, workerRecord } from './records.ts';
import { resultRecord } from './results.ts';
import { api, eventRow, type Route, statsRow } from './routes.ts';

const SCHEMAS = '#/components/schemas/';

/** A JSON schema. */
export type Schema = Readonly<Record<string, unknown>>;

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: true;
  readonly description: string;
  readonly example?: readonly string[];
  readonly schema: Schema;
  readonly style?: 'form';
  readonly explode?: true;
}

export interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly required: true; readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content: Content }>>;
}

/** By media type. */
type Content = Readonly<Record<string, { readonly schema: Schema }>>;

export interface OpenApi {
  readonly openapi: '3.1.0';
  readonly info: Readonly<Record<'title' | 'version' | 'description', string>> & { readonly license: object };
  readonly servers: readonly { readonly url: string }[];
  /** By path and method. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  /** By which of these somebody may log in; `{}`: where nobody has to. */
  readonly security: readonly Readonly<Record<string, readonly never[]>>[];
  readonly components: {
    readonly securitySchemes: Readonly<Record<string, Readonly<Record<string, string>>>>;
    readonly schemas: Readonly<Record<string, Schema>>;
  };
}

/** Shapes that appear in several places, by the name that they have there. */
const NAMED: Readonly<Record<string, z.ZodType>> = {
  ...{ Error: errorAnswer, Json: json, Total: total, Spread: spread },
  ...{ TaskRecord: taskRecord, RunRecord: runRecord, WorkerRecord: workerRecord, ResultRecord: resultRecord },
  ...{ TaskRow: taskRow, TaskVersion: taskVersion, WorkerRow: workerRow, GapRow: gapRow, SnapshotRow: snapshotRow },
  ...{
    DeadLetterRow: deadLetterRow,
    EventRow: eventRow,
    TaskNameRow: taskNameRow,
    StatsPoint: statsPoint,
    StatsRow: statsRow,
  },
  ...{ Schedule: schedule, PeriodicTask: periodicTaskRow, PeriodicRun: periodicRunRow },
  ...{ NewPeriodicTask: newPeriodicTask, PeriodicTaskChange: periodicTaskChange },
};

/** @param version of celerycam */
export function openApi(version: string): OpenApi {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  const nameOf = (schema: z.ZodType, id: string): Schema => {
    if (!registry.has(schema)) registry.add(schema, { id });
    return { $ref: `${SCHEMAS}${registry.get(schema)?.id}` };
  };
  const failure = (description: string): Operation['responses'][string] => ({
    description,
    content: { 'application/json': { schema: nameOf(errorAnswer, 'Error') } },
  });
  const paths: Record<string, Record<string, Operation>> = {};
  for (const [name, route] of Object.entries<Route>(api)) {
    const [method = '', path = ''] = name.split(' ');
    const id = operationOf(method, path);
    const schema = nameOf(route.response, id.charAt(0).toUpperCase() + id.slice(1));
    const rows = route.row && { schema: nameOf(route.row, `${id}Row`) };
    paths[path] = {
      ...paths[path],
      [method.toLowerCase()]: {
        operationId: id,
        summary: route.summary,
        ...(route.description === undefined ? {} : { description: route.description }),
        tags: [route.tag],
        parameters: parametersOf(route),
        ...(route.body && {
          requestBody: { required: true, content: { 'application/json': { schema: nameOf(route.body, `${id}Body`) } } },
        }),
        responses: {
          [route.created ? 201 : 200]: {
            description: 'The answer.',
            content: {
              ...(route.stream
                ? { 'application/x-ndjson': { schema }, 'text/event-stream': { schema: { type: 'string' } } }
                : { 'application/json': { schema } }),
              ...(rows && {
                'application/x-ndjson': rows,
                'text/csv': { schema: { type: 'string' } },
              }),
            },
          },
          ...(route.query && { 400: failure('A parameter is unknown or cannot be read.') }),
          ...(route.body && {
            400: failure('A field is unknown, or cannot be so: `parameter` says which.'),
            409: failure('There is another one of that name.'),
            415: failure('The body is not said to be JSON.'),
          }),
          ...(route.guarded && {
            412: failure('Somebody has changed it since it was read.'),
            428: failure('The header If-Match is missing.'),
          }),
          ...((route.params || (route.query && 'at' in route.query.shape) || path === '/api/difference') && {
            404: failure('Nothing is recorded of it, or nothing so early.'),
          }),
          ...((route.query || route.body || route.params) && {
            503: failure('The database does not answer at the moment.'),
          }),
          default: failure(
            'Not logged in (401), not allowed (403), too often (429), too long (413), or a failure (500).',
          ),
          ...(path === '/readyz' && {
            503: { description: 'It is not ready.', content: { 'application/json': { schema } } },
          }),
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
    security: [{}, { token: [] }, { password: [] }, { ticket: [] }],
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: 'What `celerycam token create` gave.' },
        password: { type: 'http', scheme: 'basic' },
        ticket: { type: 'apiKey', in: 'query', name: 'ticket', description: 'For `/api/changes`, once.' },
      },
      schemas: schemasOf(registry),
    },
  };
}

/** `GET /api/tasks/{uuid}/events` → `tasksUuidEvents`. */
function operationOf(method: string, path: string): string {
  const verb = method === 'GET' ? '' : method.toLowerCase();
  const words = `${verb}/${path.replace(/^\/(api\/)?/, '')}`.split(/[^a-z]+/i).filter(Boolean);
  return words.map((word, n) => (n === 0 ? word : word.charAt(0).toUpperCase() + word.slice(1))).join('');
}

function parametersOf({ params, query, filters, guarded }: Route): Parameter[] {
  const inPath = Object.keys(params?.shape ?? {}).map((name): Parameter => {
    const description = 'Percent-encoded: it may hold any character.';
    return { name, in: 'path', required: true, description, schema: { type: 'string' } };
  });
  const inQuery = Object.entries(query?.shape ?? {}).map(([name, parameter]): Parameter => {
    const { description, schema } = toldOf(parameter as z.ZodType);
    return { name, in: 'query', description, schema };
  });
  const ofFilter = (filters ? FILTER_PARAMS : []).map(({ name, means, example }): Parameter => {
    const schema = { type: 'array', items: { type: 'string' } };
    return { name, in: 'query', description: means, example: [example], schema, style: 'form', explode: true };
  });
  const condition: Parameter = {
    ...{ name: 'If-Match', in: 'header', required: true, schema: { type: 'string' } },
    description: 'The `etag` of what was read, between quotes; `*`: whatever it is by now.',
  };
  return [...inPath, ...(guarded ? [condition] : []), ...ofFilter, ...inQuery];
}

/** The registered schemas, and those that they are made of. */
function schemasOf(registry: z.core.$ZodRegistry<{ id: string }>): Readonly<Record<string, Schema>> {
  const { schemas } = z.toJSONSchema(registry, {
    uri: (id) => `${SCHEMAS}${id}`,
    io: 'output',
    override({ jsonSchema }) {
      // Bounds that say no more than that a number is exact.
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
      // Zod knows what a schema makes of what is absent; a document is about what is sent.
      const { properties = {}, required } = jsonSchema;
      if (required) jsonSchema.required = required.filter((name) => !('default' in Object(properties[name])));
    },
  });
  const parts = new Map<string, Schema>();
  for (const [id, { $schema: _schema, $id: _id, $defs = {}, ...schema }] of Object.entries<Record<string, unknown>>(
    schemas,
  )) {
    if (id !== '__shared') parts.set(id, schema);
    for (const [part, shape] of Object.entries($defs as Record<string, Schema>)) parts.set(part, shape);
  }
  // Zod refers to its own parts in a place that OpenAPI does not have.
  const text = JSON.stringify(Object.fromEntries(parts));
  return JSON.parse(text.replaceAll(`${SCHEMAS}__shared#/$defs/`, SCHEMAS)) as Record<string, Schema>;
}
