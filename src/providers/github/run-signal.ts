import type { RunPlace } from './workflow-runs.ts';

/** The connections' type, which is also the prefix of their signals. */
export const githubType = 'github';

/** `github:<connection>/<owner>/<repo>/<run id>`, in lower case as GitHub compares the names. */
export function runSignal(connectionName: string, { repository, runId }: RunPlace): string {
  return `${githubType}:${connectionName}/${repository.toLowerCase()}/${runId}`;
}

/** The run of what stands behind the connection's name. */
export function toRunPlace(key: string): RunPlace {
  const slash = key.lastIndexOf('/');
  return { repository: key.slice(0, slash), runId: Number(key.slice(slash + 1)) };
}
