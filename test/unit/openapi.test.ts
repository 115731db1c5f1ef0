import { expect, test } from 'vitest';
import { openApi } from '../../src/contract/openapi.ts';
import { api, type Route } from '../../src/contract/routes.ts';
import { docsPage } from '../../src/http/docs.ts';

// biome-ignore lint/suspicious/noExplicitAny: a document to be spoilt
type Spoilt = any;
type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const document = JSON.parse(JSON.stringify(openApi('1.2.3'))) as { [key: string]: Json };

/** What OpenAPI 3.1 and JSON Schema 2020-12 know of what we write. */
const SCHEMA_KEYS = new Set([
  ...[
    'type',
    'properties',
    'required',
    'additionalProperties',
    'propertyNames',
    'items',
    'anyOf',
    'oneOf',
    'const',
    'enum',
  ],
  ...[
    '$ref',
    'minimum',
    'maximum',
    'minLength',
    'maxLength',
    'pattern',
    'format',
    'default',
    'description',
    'examples',
  ],
]);
const TYPES = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null']);

/** Every fault of an OpenAPI document, as sentences. */
function faults(document: { [key: string]: Json }): string[] {
  const found: string[] = [];
  const fault = (where: string, what: string): number => found.push(`${where}: ${what}`);
  const { openapi, info, paths, components } = document as never as {
    openapi: string;
    info: { title?: string; version?: string };
    paths: Record<string, Record<string, Json>>;
    components: { schemas: Record<string, Json> };
  };
  if (!/^3\.1\.\d+$/.test(openapi)) fault('openapi', 'is not 3.1');
  if (!info.title || !info.version) fault('info', 'has no title or version');

  const schema = (where: string, given: Json | undefined): void => {
    if (typeof given === 'boolean') return;
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      fault(where, 'is no schema');
      return;
    }
    for (const key of Object.keys(given)) if (!SCHEMA_KEYS.has(key)) fault(where, `unknown keyword ${key}`);
    const { $ref, type, properties = {}, required = [], items, additionalProperties, propertyNames } = given;
    if ($ref !== undefined) {
      const name = /^#\/components\/schemas\/([\w.-]+)$/.exec(String($ref))?.[1];
      if (name === undefined || !Object.hasOwn(components.schemas, name)) fault(where, `${$ref} leads nowhere`);
      return;
    }
    for (const each of [type ?? []].flat()) if (!TYPES.has(String(each))) fault(where, `unknown type ${each}`);
    for (const name of required as string[]) {
      if (!Object.hasOwn(properties as object, name)) fault(where, `requires ${name}, which it does not describe`);
    }
    for (const [name, property] of Object.entries(properties as object)) schema(`${where}.${name}`, property);
    if (type === 'array' && items === undefined) fault(where, 'a list of nothing known');
    if (items !== undefined) schema(`${where}[]`, items);
    if (additionalProperties !== undefined) schema(`${where}.*`, additionalProperties);
    if (propertyNames !== undefined) schema(`${where} names`, propertyNames);
    for (const choice of [given['anyOf'] ?? [], given['oneOf'] ?? []].flat()) schema(where, choice);
  };

  const ids = new Set<string>();
  for (const [path, methods] of Object.entries(paths)) {
    if (!path.startsWith('/')) fault(path, 'does not begin with a slash');
    for (const [method, operation] of Object.entries(methods)) {
      const { operationId, summary, parameters, requestBody, responses } = operation as never as {
        operationId: string;
        summary: string;
        parameters: { name: string; in: string; required?: boolean; description: string; schema: Json }[];
        requestBody?: { content: Record<string, { schema: Json }> };
        responses: Record<string, { description: string; content: Record<string, { schema: Json }> }>;
      };
      const where = `${method} ${path}`;
      if (ids.has(operationId)) fault(where, `operationId ${operationId} is taken`);
      ids.add(operationId);
      if (!summary) fault(where, 'has no summary');
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(inPath);
      const names = new Set(parameters.map((each) => `${each.in} ${each.name}`));
      if (names.size < parameters.length) fault(where, 'has two parameters of one name');
      for (const parameter of parameters) {
        if (parameter.in === 'path' && parameter.required !== true) fault(where, `${parameter.name} must be required`);
        if (!parameter.description) fault(where, `${parameter.name} is not explained`);
        schema(`${where} ${parameter.name}`, parameter.schema);
      }
      if (!responses['200'] && !responses['201']) fault(where, 'never succeeds');
      for (const { schema: shape } of Object.values(requestBody?.content ?? {})) schema(`${where} body`, shape);
      for (const [status, { description, content }] of Object.entries(responses)) {
        if (!description) fault(where, `${status} is not explained`);
        for (const [type, { schema: shape }] of Object.entries(content)) schema(`${where} ${status} ${type}`, shape);
      }
    }
  }
  for (const [name, shape] of Object.entries(components.schemas)) {
    if (!/^[\w.-]+$/.test(name)) fault(name, 'is no name');
    schema(name, shape);
  }
  return found;
}

test('the document is valid, and tells of every route of the contract', () => {
  expect(faults(document)).toEqual([]);
  const told = Object.entries(document['paths'] as object).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(told.sort()).toEqual(Object.keys(api).sort());
  for (const [name, { query }] of Object.entries<Route>(api)) {
    const { parameters } = openApi('1').paths[name.slice(name.indexOf(' ') + 1)]?.[
      name.slice(0, name.indexOf(' ')).toLowerCase()
    ] ?? { parameters: [] };
    const names = parameters.map((each) => each.name);
    expect(names).toEqual(expect.arrayContaining(Object.keys(query?.shape ?? {})));
  }
});

test.each<[string, (document: never) => void]>([
  ['a reference that leads nowhere', ({ components: { schemas } }: Spoilt) => delete schemas.TaskRow],
  ['an unknown type', ({ components: { schemas } }: Spoilt) => (schemas.Error.properties.error.type = 'text')],
  ['an unknown keyword', ({ components: { schemas } }: Spoilt) => (schemas.Error.$defs = {})],
  ['a required field that is not there', ({ components: { schemas } }: Spoilt) => schemas.Error.required.push('x')],
  ['an operationId twice', ({ paths }: Spoilt) => (paths['/api/gaps'].get.operationId = 'tasks')],
  [
    'a path parameter that is optional',
    ({ paths }: Spoilt) => delete paths['/api/tasks/{uuid}'].get.parameters[0].required,
  ],
  ['no success', ({ paths }: Spoilt) => delete paths['/api/gaps'].get.responses['200']],
  ['another version', (whole: Spoilt) => (whole.openapi = '3.0.0')],
])('%s is seen', (_, spoil) => {
  const spoilt = structuredClone(document);
  spoil(spoilt as never);
  expect(faults(spoilt).length).toBeGreaterThan(0);
});

test('the page shows every route and shape, without scripts or anything from elsewhere', () => {
  const page = docsPage(openApi('<1>'));
  for (const name of Object.keys(api)) expect(page).toContain(`<code>${name}</code>`);
  for (const name of Object.keys((document['components'] as { schemas: object }).schemas)) {
    expect(page).toContain(`id="schema-${name}"`);
  }
  const anchors = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  for (const [, target] of page.matchAll(/href="#([^"]+)"/g))
    expect([target, anchors.has(target)]).toEqual([target, true]);
  expect(page).not.toMatch(/<script|<style|style=|\bon\w+=|https?:|src=/);
  expect(page).toContain('&lt;1&gt;');
});
