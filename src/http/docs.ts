/** The OpenAPI document as a page: plain HTML with one stylesheet, nothing that a strict content security policy forbids. */
import { html, raw } from 'hono/html';
import type { OpenApi, Operation, Schema } from '../contract/openapi.ts';

type Html = ReturnType<typeof html>;

export function docsPage({ info, paths, components }: OpenApi): string {
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({ name: `${method.toUpperCase()} ${path}`, told })),
  );
  const tags = [...new Set(routes.flatMap(({ told }) => told.tags))];
  const sections = tags.map((tag) => {
    const ofTag = routes.filter(({ told }) => told.tags.includes(tag));
    return html`<section><h2 id="tag-${tag}">${tag}</h2>${ofTag.map(({ name, told }) => operation(name, told))}</section>`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) => html`<article id="schema-${name}"><h3><code>${name}</code></h3>
${typeof schema['description'] === 'string' ? html`<p>${schema['description']}</p>` : ''}${shape(schema)}</article>`,
  );
  return String(html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>celerycam: API</title>
<link rel="stylesheet" href="docs/style.css"></head>
<body><header><h1>celerycam: API</h1><p>Version ${info.version}. ${info.description}
The same for tools: <a href="openapi.json">openapi.json</a>.</p>
<nav><ul>${tags.map((tag) => html`<li><a href="#tag-${tag}">${tag}</a></li>`)}<li><a href="#schemas">shapes</a></li></ul></nav></header>
<main>${sections}<section><h2 id="schemas">shapes</h2>${schemas}</section></main></body></html>
`);
}

function operation(name: string, told: Operation): Html {
  const { operationId, summary, description, parameters, requestBody, responses } = told;
  const body = requestBody?.content['application/json'];
  const rows = parameters.map(
    ({
      name: parameter,
      in: where,
      description: meaning,
      schema,
      example,
    }) => html`<tr><th scope="row"><code>${parameter}</code></th><td>${where}</td><td>${typeOf(schema)}</td>
<td>${prose(meaning)}${example === undefined ? '' : html`, such as <code>${parameter}=${example.join()}</code>`}</td></tr>`,
  );
  const table = html`<table><thead><tr><th scope="col">parameter</th><th scope="col">in</th><th scope="col">type</th><th scope="col">meaning</th></tr></thead><tbody>${rows}</tbody></table>`;
  const answers = Object.entries(responses).map(
    ([status, { description: meaning, content }]) =>
      html`<li><strong>${status}</strong> ${prose(meaning)} ${Object.entries(content).map(
        ([type, { schema }]) => html`<span class="media"><code>${type}</code> ${typeOf(schema)}</span> `,
      )}</li>`,
  );
  return html`<article id="${operationId}"><h3><code>${name}</code></h3><p><strong>${summary}.</strong> ${prose(description ?? '')}</p>
${rows.length > 0 ? table : ''}${body ? html`<p>Sent with it, as JSON: ${typeOf(body.schema)}.</p>` : ''}<ul class="answers">${answers}</ul></article>`;
}

/** What stands between backticks as code. */
function prose(text: string): Html {
  return html`${text.split('`').map((part, n) => (n % 2 === 1 ? html`<code>${part}</code>` : part))}`;
}

/** The fields of an object; of anything else its type. */
function shape(schema: Schema): Html {
  const properties = schema['properties'] as Readonly<Record<string, Schema>> | undefined;
  if (!properties) return html`<p>${typeOf(schema)}</p>`;
  const rows = Object.entries(properties).map(
    ([name, property]) => html`<tr><th scope="row"><code>${name}</code></th><td>${typeOf(property)}</td></tr>`,
  );
  return html`<table><tbody>${rows}</tbody></table>`;
}

function typeOf(schema: Schema): Html {
  const { $ref, anyOf, oneOf, items, type, properties, additionalProperties } = schema as {
    readonly $ref?: string;
    readonly anyOf?: readonly Schema[];
    readonly oneOf?: readonly Schema[];
    readonly items?: Schema;
    readonly type?: string;
    readonly properties?: Readonly<Record<string, Schema>>;
    readonly additionalProperties?: unknown;
  };
  if ($ref !== undefined) {
    const name = $ref.slice($ref.lastIndexOf('/') + 1);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  const choices = anyOf ?? oneOf;
  if (choices) return joined(choices.map(typeOf), ' or ');
  if (Array.isArray(schema['enum']))
    return joined(
      schema['enum'].map((word) => html`<code>${JSON.stringify(word)}</code>`),
      ' or ',
    );
  if (items) return html`list of ${typeOf(items)}`;
  if (properties) {
    const fields = Object.entries(properties).map(
      ([name, property]) => html`<code>${name}</code>: ${typeOf(property)}`,
    );
    return html`{ ${joined(fields, ', ')} }`;
  }
  if (typeof additionalProperties === 'object' && additionalProperties !== null)
    return html`map of ${typeOf(additionalProperties as Schema)}`;
  const { const: constant, minimum, maximum, format, default: unless } = schema;
  if (constant !== undefined) return html`<code>${JSON.stringify(constant)}</code>`;
  const range =
    type === 'integer' && typeof minimum === 'number' && minimum > -1e15
      ? ` from ${minimum} to ${String(maximum)}`
      : '';
  return html`${type ?? 'anything'}${range}${typeof format === 'string' ? ` (${format})` : ''}${unless === undefined ? '' : ` (${String(unless)})`}`;
}

function joined(parts: readonly Html[], between: string): Html {
  return html`${parts.map((part, n) => html`${n === 0 ? '' : raw(between)}${part}`)}`;
}

export const STYLE = `:root { color-scheme: light dark; --line: light-dark(#d8d8d8, #444); }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 1rem; list-style: none; padding: 0; }
article { border-top: 1px solid var(--line); margin: 1.5rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { text-align: left; vertical-align: top; padding: 0.2rem 1rem 0.2rem 0; font-weight: 400; }
thead th { font-weight: 600; }
.answers { padding-left: 1.2rem; }
.media { white-space: nowrap; margin-right: 1rem; }
:target { scroll-margin-top: 1rem; }
`;
