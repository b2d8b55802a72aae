import type { JsonObject } from '../../../src/core/json.ts';
import { type Answer, invalidRequest, json, NO_CONTENT, Refusal } from './answer.ts';
import { type Call, requireRepository, requireWorkflow } from './call.ts';
import { RUN_DETAILS_API_VERSION } from './flavour.ts';
import type { InputOptions, Inputs, WorkflowOptions } from './options.ts';
import { optionalObject, parseBody, refuseOtherKeys, requireText } from './request-body.ts';
import type { Repository, Workflow } from './state.ts';
import { runPageOf, runUrlOf } from './views-of-runs.ts';

/** 65,535 bytes are the most that are less than 64 KB. */
const LARGEST_CLIENT_PAYLOAD_BYTES = 65_535;

/** POST …/actions/workflows/{workflow_id}/dispatches. Texts of the refusals: facts/github-actions.md, section 2. */
export function dispatchWorkflow(call: Call): Answer {
  const repository = requireRepository(call);
  const workflow = requireWorkflow(call);
  const body = parseBody(call.bodyText);
  const ref = requireText(body, 'ref');
  const given = optionalObject(body, 'inputs', call.flavour.maximumInputs);
  const withDetails = wantsRunDetails(call, body);
  const headBranch = requireRef(repository, ref);
  const inputs = acceptInputs(workflow, given);

  const run = call.state.createRun(
    {
      repository,
      workflow,
      event: 'workflow_dispatch',
      headBranch,
      displayTitle: titleOf(workflow.runName, inputs),
      inputs,
      actor: call.caller.login,
    },
    call.viewpoint.now,
  );
  if (!withDetails) return { ...NO_CONTENT, headers: deprecationHeaders(call) };
  const details = {
    workflow_run_id: run.id,
    run_url: runUrlOf(run, call.viewpoint),
    html_url: runPageOf(run, call.viewpoint),
  };
  return json(200, details, deprecationHeaders(call));
}

function wantsRunDetails({ flavour, viewpoint }: Call, body: JsonObject): boolean {
  const flag = body.return_run_details;
  if (flag !== undefined && flavour.runDetailsFlag === 'rejected') {
    throw invalidRequest('"return_run_details" is not a permitted key.');
  }
  return viewpoint.apiVersion >= RUN_DETAILS_API_VERSION || (flag === true && flavour.runDetailsFlag === 'honoured');
}

/** Seen on every unversioned dispatch since May 2026; Octokit warns of it. Source: benc-uk/workflow-dispatch#99. */
function deprecationHeaders({ flavour, viewpoint }: Call): Record<string, string> {
  if (flavour.ghes !== undefined || viewpoint.apiVersion >= RUN_DETAILS_API_VERSION) return {};
  return {
    deprecation: 'Tue, 10 Mar 2026 00:00:00 GMT',
    sunset: 'Fri, 10 Mar 2028 00:00:00 GMT',
    link: '<https://docs.github.com/en/rest/about-the-rest-api/api-versions>; rel="deprecation"; type="text/html"',
  };
}

/** A branch or tag, short or in full; a SHA is none. */
function requireRef(repository: Repository, ref: string): string {
  const name = ref.replace(/^refs\/(heads|tags)\//, '');
  if (!repository.refs.has(name)) throw new Refusal(422, `No ref found for: ${ref}`);
  return name;
}

function acceptInputs(workflow: Workflow, given: JsonObject): Inputs {
  if (workflow.state !== 'active') {
    // Source: benc-uk/workflow-dispatch#72.
    throw new Refusal(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow");
  }
  if (workflow.on.workflow_dispatch === undefined) {
    throw new Refusal(422, "Workflow does not have 'workflow_dispatch' trigger");
  }
  const declared: Readonly<Record<string, InputOptions>> = workflow.on.workflow_dispatch.inputs ?? {};
  const unexpected = Object.keys(given).filter((name) => !Object.hasOwn(declared, name));
  if (unexpected.length > 0) throw new Refusal(422, `Unexpected inputs provided: ${JSON.stringify(unexpected)}`);
  const inputs: Record<string, unknown> = {};
  for (const [name, { required, default: preset }] of Object.entries(declared)) {
    const value = given[name] ?? preset;
    if (value === undefined && required === true) throw new Refusal(422, `Required input '${name}' not provided`);
    inputs[name] = value ?? '';
  }
  return inputs;
}

function titleOf(runName: NonNullable<WorkflowOptions['runName']>, inputs: Inputs): string {
  if (typeof runName === 'function') return runName(inputs);
  return runName.replaceAll(/\$\{\{\s*inputs\.([\w-]+)\s*\}\}/g, (_whole, name: string) => String(inputs[name] ?? ''));
}

/** POST …/dispatches: starts each workflow of the default branch that listens, which may be none. */
export function dispatchRepository(call: Call): Answer {
  const repository = requireRepository(call);
  const body = parseBody(call.bodyText);
  refuseOtherKeys(body, ['event_type', 'client_payload']);
  const eventType = requireText(body, 'event_type');
  if (eventType === '') throw invalidRequest('At least 1 character is required; only 0 were supplied.');
  if (eventType.length > 100)
    throw invalidRequest(`Only 100 characters are allowed; ${eventType.length} were supplied.`);
  const payload = optionalObject(body, 'client_payload', 10);
  if (Buffer.byteLength(JSON.stringify(payload)) > LARGEST_CLIENT_PAYLOAD_BYTES) {
    // The limit is GitHub's, the words are ours.
    throw new Refusal(422, 'client_payload is too large.');
  }

  for (const workflow of repository.workflows) {
    const trigger = workflow.on.repository_dispatch;
    if (trigger === undefined || workflow.state !== 'active') continue;
    if (trigger.types !== undefined && !trigger.types.includes(eventType)) continue;
    call.state.createRun(
      {
        repository,
        workflow,
        event: 'repository_dispatch',
        headBranch: repository.defaultBranch,
        displayTitle: eventType,
        inputs: {},
        actor: call.caller.login,
      },
      call.viewpoint.now,
    );
  }
  return NO_CONTENT;
}
