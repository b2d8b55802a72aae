import type { StandInOptions } from './options.ts';

/** What differs between github.com and the versions of GitHub Enterprise Server. */
export interface Flavour {
  /** '3.20'; absent: github.com. */
  readonly ghes: string | undefined;
  readonly basePath: '' | '/api/v3';
  /** Values of X-GitHub-Api-Version, newest first. */
  readonly apiVersions: readonly string[];
  readonly runDetailsFlag: 'honoured' | 'ignored' | 'rejected';
  readonly maximumInputs: number;
  readonly requestsPerHour: number | undefined;
}

export const OLD_API_VERSION = '2022-11-28';
/** The version in which a dispatch always answers 200 with the run's id. */
export const RUN_DETAILS_API_VERSION = '2026-03-10';

/** Sources: facts/github-actions.md, sections 2 and 8. */
export function flavourOf({ ghes, requestsPerHour, runDetailsFlag }: StandInOptions): Flavour {
  if (ghes === undefined) {
    return {
      ghes,
      basePath: '',
      apiVersions: [RUN_DETAILS_API_VERSION, OLD_API_VERSION],
      runDetailsFlag: runDetailsFlag ?? 'honoured',
      maximumInputs: 25,
      requestsPerHour: requestsPerHour ?? 5000,
    };
  }
  const minor = Number(/^3\.(\d+)$/.exec(ghes)?.[1]);
  if (Number.isNaN(minor)) throw new Error(`ghes: '${ghes}' is not a version such as '3.20'`);
  const knowsRunDetails = minor >= 21;
  return {
    ghes,
    basePath: '/api/v3',
    apiVersions: knowsRunDetails ? [RUN_DETAILS_API_VERSION, OLD_API_VERSION] : [OLD_API_VERSION],
    runDetailsFlag: runDetailsFlag ?? (knowsRunDetails ? 'honoured' : 'ignored'),
    maximumInputs: minor >= 20 ? 25 : 10,
    requestsPerHour,
  };
}
