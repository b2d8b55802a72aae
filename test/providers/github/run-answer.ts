import type { HttpAnswer } from '../../../src/core/connection.ts';

/** A run as GitHub gives it, in what we use of it. */
const run = {
  id: 1,
  workflow_id: 1,
  status: 'in_progress',
  conclusion: null,
  html_url: 'https://github.example/acme/shop/actions/runs/1',
  display_title: 'smoke',
  head_branch: 'main',
  created_at: '2026-01-01T00:00:00Z',
  updated_at: '2026-01-01T00:00:00Z',
};

/** What a GitHub that may say anything answers to the read of a run. */
export function runAnswer(changes: object, headers: HttpAnswer['headers'] = {}): HttpAnswer {
  return answer({ ...run, ...changes }, headers);
}

/** The same of a list. */
export function runListAnswer(entries: readonly object[], headers: HttpAnswer['headers'] = {}): HttpAnswer {
  return answer({ workflow_runs: entries.map((changes) => ({ ...run, ...changes })) }, headers);
}

function answer(body: object, headers: HttpAnswer['headers']): HttpAnswer {
  return {
    status: 200,
    headers: { 'content-type': 'application/json', ...headers },
    text: JSON.stringify(body),
  };
}
