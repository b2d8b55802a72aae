import { authorityOf } from '../core/authority.ts';
import type { Step } from '../core/step.ts';
import { type ConnectionList, clusterConnection } from './cluster-connection.ts';
import { FirstPlaces } from './first-places.ts';
import type { MistakeList } from './mistake-list.ts';
import { expectedOneOf } from './nearest.ts';
import type { KubeVelaSection } from './settings-schema.ts';

/** The cluster whose KubeVela calls us: there, what a request says of its origin is proven. */
export interface KubeVelaSettings {
  readonly connection: string;
  /** Definitions of the platform that wrap a step of ours: the parameters of these are not compared. */
  readonly definitions: readonly { readonly type: string; readonly step: string }[];
  /** Fields that may come from a workflow's inputs though they carry authority: step and JSON Pointer, `read-object/kind`. */
  readonly authorityFromInputs: readonly string[];
}

export type StepNames = readonly Pick<Step, 'name' | 'authority'>[];

const pointer = '/kubevela';

/** Reads a section that fits its schema. Undefined where a mistake was added. */
export function readKubeVela(
  section: KubeVelaSection,
  steps: StepNames,
  list: ConnectionList,
): KubeVelaSettings | undefined {
  const { mistakes } = list;
  const { definitions = [], authorityFromInputs = [] } = section;
  const connection = clusterConnection({ named: section.connection, pointer, isRequired: true }, list);
  checkDefinitions(definitions, steps, mistakes);
  for (const [index, field] of authorityFromInputs.entries()) {
    const meant = steps.filter(({ name }) => field.startsWith(`${name}/`));
    const fields = (meant.length === 0 ? steps : meant).flatMap((step) =>
      authorityOf(step).map((at) => step.name + at),
    );
    if (!fields.includes(field)) mistakes.add(`${pointer}/authorityFromInputs/${index}`, expectedOneOf(fields, field));
  }
  return connection === undefined ? undefined : { connection, definitions, authorityFromInputs };
}

function checkDefinitions(definitions: KubeVelaSettings['definitions'], steps: StepNames, mistakes: MistakeList): void {
  const names = steps.map(({ name }) => name);
  const types = new FirstPlaces();
  for (const [index, { type, step }] of definitions.entries()) {
    const at = `${pointer}/definitions/${index}`;
    // Whose parameters are compared, by whichever of its two names.
    if (names.includes(type.replace(/^aftersync-/, ''))) {
      mistakes.add(
        `${at}/type`,
        `expected a definition of your own, found ${JSON.stringify(type)}, which is aftersync's`,
      );
    }
    const first = types.firstOf(type, mistakes.placeText(`${at}/type`));
    if (first !== undefined) {
      mistakes.add(
        `${at}/type`,
        `expected each type once, found ${JSON.stringify(type)} again; the first is at ${first}`,
      );
    }
    if (!names.includes(step)) mistakes.add(`${at}/step`, expectedOneOf(names, step));
  }
}
