import { splitDefinition } from './definition-source.ts';

/**
 * addon/aftersync/resources/read-object.cue. What stands in an addon's definitions/ goes to vela-system under its own
 * name, and KubeVela has a read-object of its own there. So this one comes as objects: under a name of ours for all
 * namespaces, and under the built-in's name where people ask for it, since a namespace's own definition comes first.
 */
export function readObjectResource(source: string): string {
  const { metadata, template } = splitDefinition(source);
  return `// Made from definitions/read-object.cue by \`npm run generate\`: change that.
package main

readObjectDefinitions: [
	for place in [
		{name: "aftersync-read-object", namespace: "vela-system"},
		for namespace in parameter.readObjectNamespaces {name: "read-object", "namespace": namespace},
	] {
		apiVersion: "core.oam.dev/v1beta1"
		kind:       "WorkflowStepDefinition"
		metadata: {
			name:      place.name
			namespace: place.namespace
			annotations: {
				"definition.oam.dev/alias":           _readObject.alias
				"definition.oam.dev/description":     _readObject.description
				"custom.definition.oam.dev/category": _readObject.annotations.category
			}
		}
		spec: {
			_readObject.attributes
			schematic: cue: template: _readObjectTemplate
		}
	},
]

${metadata.replace('"read-object"', '_readObject')}
_readObjectTemplate: #"""
${indented(template)}
	"""#
`;
}

function indented(text: string): string {
  return text.trimEnd().replaceAll(/^(?=.)/gm, '\t');
}
