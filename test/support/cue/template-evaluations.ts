import type { JsonObject } from '../../../src/core/json.ts';
import { cueExport } from './cue.ts';
import type { CueVersion } from './cue-program.ts';

const mostTogether = 24;

/** A definition's template with what a tick fills in. */
export interface Evaluation {
  readonly version: CueVersion;
  /** A KubeVela definition: CUE with a field `template`. */
  readonly definition: string;
  readonly context: JsonObject;
  /** Unified with the template: the parameter, and the answers to calls. */
  readonly filling: JsonObject;
}

interface Waiting {
  readonly evaluation: Evaluation;
  readonly resolve: (value: JsonObject) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * The evaluated template, by the real CUE. Most of the time that a process of it takes is its start, so what is asked for
 * while it runs is done together by the next one. Throws a CueError for what is wrong or not concrete.
 */
export function evaluateTogether(evaluation: Evaluation): Promise<JsonObject> {
  const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
  queue.push({ evaluation, resolve, reject });
  startNext();
  return promise;
}

let queue: Waiting[] = [];
let isRunning = false;

function startNext(): void {
  const [first] = queue;
  if (first === undefined || isRunning) return;
  const { version, definition } = first.evaluation;
  const batch = queue
    .filter(({ evaluation }) => evaluation.version === version && evaluation.definition === definition)
    .slice(0, mostTogether);
  queue = queue.filter((waiting) => !batch.includes(waiting));
  isRunning = true;
  void run(batch).finally(() => {
    isRunning = false;
    startNext();
  });
}

async function run(batch: readonly Waiting[]): Promise<void> {
  try {
    const values = await evaluateAll(batch.map(({ evaluation }) => evaluation));
    for (const [index, { resolve }] of batch.entries()) resolve(values[index] as JsonObject);
  } catch (error) {
    // One that is wrong spoils all.
    if (batch.length === 1) batch[0]?.reject(error);
    else for (const waiting of batch) await run([waiting]);
  }
}

async function evaluateAll(evaluations: readonly Evaluation[]): Promise<readonly JsonObject[]> {
  const [first] = evaluations;
  if (first === undefined) return [];
  const { version, definition } = first;
  const { imports, template } = partsOf(definition);
  const ticks = evaluations.map(({ context, filling }, index) => {
    return `tick${index}: {\ncontext: ${JSON.stringify(context)}\n${template}\nevaluation: template & ${JSON.stringify(filling)}\n}`;
  });
  const all = `evaluations: [${evaluations.map((_, index) => `tick${index}.evaluation`).join(', ')}]`;
  const files = { 'ticks.cue': `${imports}\n${ticks.join('\n')}\n${all}\n` };
  return (await cueExport({ version, files, expression: 'evaluations' })) as readonly JsonObject[];
}

/** Braces that open and close at the beginning of a line are the definition's own, as `cue fmt` writes it. */
function partsOf(definition: string): { readonly imports: string; readonly template: string } {
  const imports = /^import (?:\([^)]*\)|"[^"]*")$/m.exec(definition)?.[0] ?? '';
  const template = /^template: \{\n[\s\S]*?^\}$/m.exec(definition)?.[0];
  if (template === undefined) throw new Error(`no template in the definition:\n${definition}`);
  return { imports, template };
}
