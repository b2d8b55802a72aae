/** The parts of a definition's file, as KubeVela takes it apart (kubevela/kubevela: pkg/definition/definition.go). */
export interface DefinitionSource {
  /** CUE: the definition's name with its metadata. */
  readonly metadata: string;
  /** What KubeVela stores: the imports, and what stands in `template`. */
  readonly template: string;
}

export function splitDefinition(source: string): DefinitionSource {
  const [, imports, metadata, template] =
    /^(import \(\n.*?\n\)\n)\n(.*?\n)\ntemplate: \{\n(.*)\n\}\n$/s.exec(source) ?? [];
  if (imports === undefined || metadata === undefined || template === undefined) {
    throw new Error('expected imports, metadata and template, one after the other');
  }
  return { metadata, template: `${imports}\n${template.replaceAll(/^\t/gm, '')}\n` };
}
