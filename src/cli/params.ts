import type { JsonObject } from '../core/json.ts';
import { readParamsFile } from './params-file.ts';
import type { Session } from './session.ts';
import { mergeWithValues } from './with-values.ts';

/** Where the parameters of a step come from. */
export interface ParamsOptions {
  readonly file?: string;
  readonly with: readonly string[];
}

/** Those of the file, and above them those of the command line. Throws CommandError. */
export async function readParams({ file, with: pairs }: ParamsOptions, session: Session): Promise<JsonObject> {
  return await mergeWithValues(file === undefined ? {} : await readParamsFile(file, session), pairs);
}
