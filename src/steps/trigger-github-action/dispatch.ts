import { type Static, Type } from '@sinclair/typebox';
import { type Effect, type Intent, NotSent, Rejected } from '../../core/effect.ts';
import { keyText } from '../../core/execution.ts';
import { fits } from '../../core/schema.ts';
import type { StepContext } from '../../core/step.ts';
import type { EpochMs } from '../../core/time.ts';
import type { OpenDispatch } from '../../providers/github/dispatch-ledger.ts';
import type { GitHubClient } from '../../providers/github/github-client.ts';
import { longestPollIntervalMs } from '../../providers/github/poll-interval.ts';
import { RunNotNamed } from '../../providers/github/workflows.ts';
import { chooseRun, type UnmarkedSearch } from './choose-run.ts';
import { markText } from './mark.ts';
import type { Params } from './params.ts';

export const dispatchName = 'dispatch';

/** How far apart GitHub's own clocks may be, for a search that a mark decides. */
const listSlackMs = 30_000;
/** The same where nothing but the time tells our run from one that was started just before: whole seconds, and a little. */
const unmarkedSlackMs = 5_000;
/** Beyond the grace, for the engine's last look. */
const ledgerSlackMs = 60_000;

/** As stored: after a restart this is sent, whatever the parameters would make of it then. */
export type DispatchRequest = {
  readonly repository: string;
  readonly workflow: string;
  readonly ref: string;
  readonly inputs: Readonly<Record<string, string>>;
  /** Gets the mark when it is sent, which nobody knows before. */
  readonly correlationInput?: string;
};

export type Dispatched = {
  readonly runId: number;
  readonly runUrl: string;
  /** Further runs that GitHub started for the one request. */
  readonly duplicates?: readonly number[];
};

const EvidenceSchema = Type.Object({
  workflowId: Type.Integer(),
  /** GitHub's time before the dispatch, and ours at the same moment. */
  serverTime: Type.Number(),
  ourTime: Type.Number(),
  /** Who will stand as actor at the run; absent where GitHub does not tell, or a mark makes it needless. */
  actor: Type.Optional(Type.String()),
  /** The newest runs that stood there already. */
  seen: Type.Array(Type.Integer()),
});
type Evidence = Static<typeof EvidenceSchema>;

export function toRequest({ repository, workflow, ref, inputs, correlation }: Params): DispatchRequest {
  const texts = Object.entries(inputs).map(([name, value]) => [name, String(value)] as const);
  return {
    repository,
    workflow: String(workflow),
    ref,
    inputs: Object.fromEntries(texts),
    ...(correlation === undefined ? {} : { correlationInput: correlation.input }),
  };
}

/** How long after a dispatch its run may still turn up. */
function graceMsOf({ options }: GitHubClient): number {
  return options.sendTimeoutMs + options.discoverForMs;
}

/**
 * The one write of this step. GitHub takes no idempotency key and may have started a run whatever went wrong with its
 * answer, so that everything but a clear refusal is followed by a search. Source: facts/github-actions.md, section 11.
 */
export class DispatchEffect implements Effect<DispatchRequest, Dispatched> {
  readonly repeat = 'find';
  readonly request: DispatchRequest;
  readonly onUncertain: 'fail' | 'resend';
  readonly graceMs: number;
  readonly #context: StepContext;
  readonly #client: GitHubClient;
  readonly #owner: string;

  constructor(context: StepContext, client: GitHubClient, params: Params) {
    this.#context = context;
    this.#client = client;
    this.#owner = keyText(context.execution);
    this.request = toRequest(params);
    this.onUncertain = params.onUncertain;
    this.graceMs = graceMsOf(client);
  }

  async prepare(): Promise<Evidence> {
    const { workflows, runs, account } = this.#client;
    const signal = this.#context.readsAborted;
    const workflowId = await workflows.idOf(this.request, signal);
    const open = this.#openDispatch(this.request, { workflowId });
    // Before an intent is stored, which a crash would make one of unknown fate; and before anything is read for it.
    this.#waitForOthers(this.request, open);
    const [found, actor] = await Promise.all([
      runs.dispatched(this.request, signal),
      this.request.correlationInput === undefined ? account.login(signal) : undefined,
    ]);
    this.#waitForOthers(this.request, open);
    const ourTime = this.#context.now();
    return {
      workflowId,
      serverTime: found.serverTime ?? ourTime,
      ourTime,
      ...(actor === undefined ? {} : { actor }),
      seen: found.runs.map(({ id }) => id),
    };
  }

  async send({ request, mark, evidence }: Intent<DispatchRequest>): Promise<Dispatched> {
    const { ledger, workflows, options } = this.#client;
    const open = this.#openDispatch(request, requireEvidence(evidence));
    const now = this.#context.now();
    // Another one may have gone out while this intent was being stored.
    this.#waitForOthers(request, open);
    ledger.enter(open, 'sending', now + options.sendTimeoutMs + ledgerSlackMs);
    try {
      const started = await workflows.dispatch({ ...request, inputs: inputsOf(request, mark) }, options.sendTimeoutMs);
      this.#bind(open, [started.runId]);
      return started;
    } catch (error) {
      if (error instanceof NotSent) ledger.close(open);
      else if (error instanceof Rejected) {
        ledger.close(open);
        throw explained(error, request);
      } else this.#look(open, now);
      if (error instanceof RunNotNamed) ledger.noteAccepted(open);
      throw error;
    }
  }

  /** Never 'absent': a run may turn up late, or be missing in the lists though it is there. */
  async find(intent: Intent<DispatchRequest>): Promise<Dispatched | 'unknown'> {
    const { request, mark } = intent;
    const evidence = requireEvidence(intent.evidence);
    const open = this.#openDispatch(request, evidence);
    const isClosed = this.#isKnownNotSent();
    // Nothing tells a run of ours from another one where no mark was sent, and none is expected.
    if (isClosed && request.correlationInput === undefined) return 'unknown';
    if (!isClosed) this.#look(open, intent.intentAt);

    const sentAt = intent.intentAt + evidence.serverTime - evidence.ourTime;
    const to = sentAt + this.graceMs;
    const created = { from: evidence.serverTime - listSlackMs, to: to + listSlackMs };
    const found = await this.#client.runs.dispatched({ ...request, created }, this.#context.readsAborted);
    const unmarked = this.#unmarkedSearch(intent, evidence, open, { from: sentAt - unmarkedSlackMs, to });
    const choice = chooseRun({ found, mark: markText(mark), ...(unmarked === undefined ? {} : { unmarked }) });
    if (choice === undefined) return 'unknown';
    const duplicates = choice.duplicates.map(({ id }) => id);
    this.#bind(open, [choice.run.id, ...duplicates]);
    return {
      runId: choice.run.id,
      runUrl: choice.run.url,
      ...(duplicates.length === 0 ? {} : { duplicates }),
    };
  }

  /** What to say of an Uncertain end. This dispatch holds up no other any longer, but its run may still turn up. */
  concede(message: string): string {
    const { ledger, workflows } = this.#client;
    const record = this.#context.execution.status.effects.find(({ name }) => name === dispatchName);
    const open = this.#openDispatch(this.request, requireEvidence(record?.evidence));
    const accepted = ledger.isAccepted(open) ? '; GitHub accepted it, but showed no run that is certainly its own' : '';
    ledger.enter(open, 'conceded', this.#context.now() + this.graceMs + ledgerSlackMs);
    const { correlationInput: input } = this.request;
    const advice =
      input === undefined
        ? 'with correlation: { input } and a run-name that shows that input a run is always recognised'
        : `a run is recognised by the mark in its title, so the workflow's run-name must show \${{ inputs.${input} }}`;
    return `${message}${accepted}; look at ${workflows.pageUrl(this.request)}; ${advice}`;
  }

  #openDispatch({ repository, ref }: DispatchRequest, { workflowId }: Pick<Evidence, 'workflowId'>): OpenDispatch {
    return { target: `${repository.toLowerCase()}/${workflowId}@${branchOf(ref)}`, owner: this.#owner };
  }

  /**
   * Without marks, two dispatches whose runs are unknown at the same time could never be told apart. So the second goes
   * out when the first has its run; at once where GitHub names each run in its answer.
   */
  #waitForOthers({ correlationInput }: DispatchRequest, open: OpenDispatch): void {
    if (correlationInput !== undefined) return;
    const { budget, ledger, workflows, options } = this.#client;
    const others = ledger.others(open);
    if (others.length === 0 || (workflows.namesRuns && !others.includes('looking'))) return;
    const message = 'waiting until the run of another execution that starts this workflow is known';
    throw new NotSent(message, { notBefore: this.#context.now() + budget.stretch(options.pollIntervalMs) });
  }

  #look(open: OpenDispatch, sentAt: EpochMs): void {
    const { ledger } = this.#client;
    ledger.enter(open, 'looking', Math.max(this.#context.now(), sentAt + this.graceMs) + ledgerSlackMs);
  }

  #bind(open: OpenDispatch, runIds: readonly number[]): void {
    const { ledger } = this.#client;
    for (const runId of runIds) ledger.bind(runId, open.owner);
    ledger.close(open);
  }

  /** Undefined where a run without our mark must not be taken for ours. */
  #unmarkedSearch(
    { request, intentAt }: Intent<DispatchRequest>,
    { actor, seen }: Evidence,
    open: OpenDispatch,
    created: { readonly from: EpochMs; readonly to: EpochMs },
  ): UnmarkedSearch | undefined {
    const { ledger, options } = this.#client;
    // What other replicas have dispatched is not in this ledger, so that a run without a mark may be one of theirs.
    const isShared = this.#context.execution.status.holder !== undefined;
    if (actor === undefined || isShared) return undefined;
    if (ledger.others(open, intentAt).length > 0) return undefined;
    // After a restart the others' runs are known: who waits for one has subscribed, and all others have advanced by then.
    const othersKnownAt = ledger.openedAt + 2 * longestPollIntervalMs(options.pollIntervalMs);
    if (intentAt < ledger.openedAt && this.#context.now() < othersKnownAt) return undefined;
    const isOfAnother = (runId: number) => ledger.isOfAnother(runId, open.owner);
    return { branch: branchOf(request.ref), actor, seen, ...created, isOfAnother };
  }

  /** The engine also asks before it sends again what GitHub had refused for the moment. */
  #isKnownNotSent(): boolean {
    const record = this.#context.execution.status.effects.find(({ name }) => name === dispatchName);
    return record?.notSentAt !== undefined;
  }
}

function requireEvidence(evidence: unknown): Evidence {
  if (!fits(EvidenceSchema, evidence)) throw new Error('the evidence of a dispatch is not what this step stores');
  return evidence;
}

function inputsOf({ inputs, correlationInput }: DispatchRequest, mark: string): Readonly<Record<string, string>> {
  return correlationInput === undefined ? inputs : { ...inputs, [correlationInput]: markText(mark) };
}

/** GitHub's head_branch of a run: a branch or tag by its short name. */
function branchOf(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, '');
}

function explained(error: Rejected, { correlationInput }: DispatchRequest): Rejected {
  if (correlationInput === undefined || error.reason !== 'Rejected') return error;
  const hint = `; the workflow must declare ${correlationInput} (correlation.input) among its inputs at this ref`;
  return new Rejected(error.reason, error.message + hint, { cause: error });
}
