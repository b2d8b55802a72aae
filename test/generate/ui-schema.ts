import type { TSchema } from '@sinclair/typebox';
import { stringify } from 'yaml';

import { ExecutionRequestSchema } from '../../src/core/request.ts';
import type { Step } from '../../src/core/step.ts';

/** A field of a form in VelaUX (kubevela/kubevela: pkg/utils/schema/ui_schema.go); what is absent, VelaUX takes from CUE. */
export interface UiField {
  readonly jsonKey: string;
  readonly sort: number;
  readonly label: string;
  readonly uiType?: 'Input' | 'Select';
  readonly validate?: { readonly required: boolean; readonly options: readonly { label: string; value: string }[] };
  readonly subParameters?: readonly UiField[];
  /** No form can hold it: it is for those who write YAML. */
  readonly disable?: true;
}

const { step: _step, with: _with, origin: _origin, ...siblings } = ExecutionRequestSchema.properties;
const executor = { type: 'string' };

const labels: Readonly<Record<string, string>> = { apiVersion: 'API version', urls: 'URLs' };

/** The form of a step: its own parameters first, and of those the required ones; then what every step has. */
export function uiFields({ params }: Pick<Step, 'params'>): UiField[] {
  const required: readonly string[] = params.required ?? [];
  const own = Object.entries<TSchema>(params.properties);
  const ordered = [
    ...own.filter(([name]) => required.includes(name)),
    ...own.filter(([name]) => !required.includes(name)),
  ];
  return fieldsOf([...ordered, ...Object.entries({ ...siblings, executor })], required);
}

/** VelaUX looks for forms of what is in vela-system, where read-object is KubeVela's own. */
export function uiSchemaFile({ name }: Pick<Step, 'name'>): string {
  const definition = name === 'read-object' ? 'aftersync-read-object' : name;
  return `addon/aftersync/schemas/workflowstep-uischema-${definition}.yaml`;
}

export function uiSchema(step: Pick<Step, 'params'>): string {
  return `# Made from src/steps by \`npm run generate\`: change that.\n${stringify(uiFields(step))}`;
}

function fieldsOf(properties: readonly (readonly [string, unknown])[], required: readonly string[]): UiField[] {
  return properties.map(([jsonKey, schema], index) => ({
    jsonKey,
    sort: (index + 1) * 10,
    label: labels[jsonKey] ?? inWords(jsonKey),
    ...shown(schema as TSchema, required.includes(jsonKey)),
  }));
}

function shown(schema: TSchema, required: boolean): Partial<UiField> {
  if (schema.properties !== undefined) {
    return { subParameters: fieldsOf(Object.entries(schema.properties), schema.required ?? []) };
  }
  const variants = variantsOf(schema);
  const values = [...new Set(variants.map((variant) => variant.const).filter((value) => typeof value === 'string'))];
  if (values.length > 0) {
    return { uiType: 'Select', validate: { required, options: values.map((value) => ({ label: value, value })) } };
  }
  if (schema.type !== undefined) return {};
  return variants.some(({ type }) => type === 'string') ? { uiType: 'Input' } : { disable: true };
}

/** What a union offers, down to what is no union. */
function variantsOf(schema: TSchema): TSchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(variantsOf);
}

/** `readyWhen` as `Ready when`. */
function inWords(name: string): string {
  const words = name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return words.charAt(0).toUpperCase() + words.slice(1);
}
