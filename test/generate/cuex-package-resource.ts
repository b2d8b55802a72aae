/**
 * addon/aftersync/resources/cuex-package.cue: each step as a function of a CueX package. The templates are text to the
 * addon; the package's name is the functions' `#provider`, by which KubeVela finds the endpoint.
 */
export function cuexPackageResource(steps: readonly { readonly name: string; readonly description: string }[]): string {
  return `// Made from src/steps/index.ts by \`npm run generate\`: change that, or test/generate/cuex-package-resource.ts.
package main

_components: {
	if parameter.cuexPackage {
		"cuex-package": [{
			apiVersion: "cue.oam.dev/v1alpha1"
			kind:       "Package"
			metadata: {
				name:      "aftersync"
				namespace: "vela-system"
			}
			spec: {
				path: "ext/aftersync"
				provider: {
					protocol: "http"
					endpoint: "http://aftersync.vela-system:8080/v1/cuex"
				}
				templates: "aftersync.cue": _cuexTemplate
			}
		}]
	}
}

_cuexTemplate: #"""
	package aftersync

	#Params: {
		// +usage=Parameters of the step
		with: {...}
		// +usage=Step of the workflow that asks, of which the executor wants proof
		origin: {
			kind:      "Application" | "WorkflowRun"
			namespace: string
			name:      string
			step:      string
			sessionID: string
		}
		// +usage=How long the step may take, such as 30s, 10m or 2h
		timeout?: string
		// +usage=Whether the workflow is to go on where the step fails (ignore)
		failurePolicy?: "fail" | "ignore"
		// +usage=What must have changed since the last success
		onChange?: {...}
		// +usage=Object that must be as it should be before the step begins
		readyWhen?: {...}
	}

${steps.map(functionOf).join('\n\n')}
	"""#
`;
}

/** \`purge-cdn\` as \`#PurgeCdn\`. */
function functionOf({ name, description }: { readonly name: string; readonly description: string }): string {
  const words = name.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `	// ${description}
	#${words.join('')}: {
		#do:       "${name}"
		#provider: "aftersync"
		$params:   #Params
		// +usage=The execution as the REST API answers it, and final, whether it has ended. What is wrong is in error
		$returns?: {...}
		...
	}`;
}
