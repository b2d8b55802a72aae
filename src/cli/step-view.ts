import { isJsonObject, type Json, type JsonObject } from '../core/json.ts';
import type { Plan, StepAnswer } from './answers.ts';
import { roughly } from './execution-view.ts';
import { alignedRows } from './table.ts';
import { printable } from './terminal.ts';

export function stepRows(steps: readonly StepAnswer[]): string[] {
  return alignedRows(
    ['STEP', 'TIMEOUT', 'DRY RUN', 'DESCRIPTION'],
    steps.map(({ name, defaultTimeout, canPlan, description }) => [
      name,
      defaultTimeout,
      canPlan ? 'yes' : 'no',
      description,
    ]),
  );
}

export function stepLines({ name, description, defaultTimeout, canPlan, params, outputs }: StepAnswer): string[] {
  return [
    `${name}: ${description}`,
    `Timeout ${defaultTimeout} unless given; ${canPlan ? 'has a dry run (aftersync plan)' : 'has no dry run'}.`,
    '',
    ...alignedRows(['PARAMETER', 'TYPE', 'DEFAULT', 'DESCRIPTION'], propertyRows(params)),
    '',
    ...alignedRows(
      ['OUTPUT', 'TYPE', 'DESCRIPTION'],
      propertyRows(outputs).map(([at, type, , text]) => [at ?? '', type ?? '', text ?? '']),
    ),
  ];
}

/** Name, type, default and description of each property of a JSON Schema. */
function propertyRows(schema: JsonObject): string[][] {
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(isJsonObject(schema.properties) ? schema.properties : {}).map(([name, property]) => {
    const { default: fallback, description } = isJsonObject(property) ? property : {};
    return [
      name,
      typeInWords(property),
      fallback === undefined ? (required.includes(name) ? 'required' : '') : JSON.stringify(fallback),
      typeof description === 'string' ? description : '',
    ];
  });
}

function typeInWords(schema: Json | undefined): string {
  if (!isJsonObject(schema)) return 'any';
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  const variants = [schema.enum, schema.anyOf, schema.oneOf].find(Array.isArray);
  if (variants !== undefined) {
    return variants
      .map((variant) => (isJsonObject(variant) ? typeInWords(variant) : JSON.stringify(variant)))
      .join(' or ');
  }
  if (schema.type === 'array') return `list of ${typeInWords(schema.items)}`;
  return typeof schema.type === 'string' ? schema.type : 'any';
}

export function planLines({ calls, seconds, costUsd, notes }: Plan): string[] {
  const rows = calls.map(({ method, url, count, description }) => [
    String(count),
    method,
    printable(url),
    printable(description),
  ]);
  return [
    ...(rows.length === 0 ? ['no calls'] : alignedRows(['CALLS', 'METHOD', 'URL', 'WHAT'], rows)),
    '',
    `takes at least ${roughly(seconds * 1_000)}${costUsd === undefined ? '' : `, and costs ${costUsd.toFixed(2)} US dollars`}`,
    ...notes.map((note) => `note: ${printable(note)}`),
    'Nothing was sent.',
  ];
}
