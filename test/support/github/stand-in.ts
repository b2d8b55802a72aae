import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { type Clock, systemClock } from '../../../src/core/time.ts';
import type { Answer } from './answer.ts';
import { CONTROL_PATH, control } from './control.ts';
import { type Delivery, deliver, type Fault, type FaultHandle, Faults } from './faults.ts';
import { type Flavour, flavourOf } from './flavour.ts';
import { answerRequest, routeOf, type Site } from './gateway.ts';
import type { AppOptions, StandInOptions } from './options.ts';
import { RateLimits } from './rate-limits.ts';
import { type RecordedRequest, RequestLog } from './request-log.ts';
import type { RouteName } from './routes.ts';
import { type RunSummary, summaryOf } from './run-summary.ts';
import { findWorkflow, GitHubState, type RunChange, type Workflow } from './state.ts';

/**
 * A GitHub to test and to show with: an HTTP server on 127.0.0.1 that remembers what it was told, gives the answers that
 * GitHub's OpenAPI description declares, and fails when and how it is asked to.
 */
export async function startGitHubStandIn(options: StandInOptions = {}): Promise<GitHubStandIn> {
  const standIn = new GitHubStandIn(options);
  await standIn.listen(options.port ?? 0);
  return standIn;
}

export class GitHubStandIn {
  readonly #options: StandInOptions;
  readonly #flavour: Flavour;
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #log = new RequestLog();
  readonly #faults = new Faults();
  readonly #lateAnswers = new Set<() => void>();
  #state: GitHubState;
  #rateLimits: RateLimits;
  #origin = '';

  constructor(options: StandInOptions) {
    this.#options = options;
    this.#flavour = flavourOf(options);
    this.#clock = options.clock ?? systemClock;
    this.#state = new GitHubState(options);
    this.#rateLimits = new RateLimits(this.#flavour.requestsPerHour);
    // Longer than any test: an idle connection that the server closes would look like an injected fault.
    this.#server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
      void this.#serve(request, response).catch((error: Error) => response.destroy(error));
    });
  }

  async listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    this.#origin = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Base URL of the API, as a connection's `baseUrl`: with /api/v3 where it plays an Enterprise Server. */
  get url(): string {
    return this.#origin + this.#flavour.basePath;
  }

  get controlUrl(): string {
    return this.#origin + CONTROL_PATH;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#log.entries;
  }

  /** In the order of their creation, as they stand now. */
  get runs(): readonly RunSummary[] {
    return this.#state.runs.map((run) => summaryOf(run, this.#clock.now()));
  }

  get listLagMs(): number {
    return this.#state.listLagMs;
  }

  set listLagMs(lagMs: number) {
    this.#state.listLagMs = lagMs;
  }

  /** How many runs were really created: of all repositories, of one ('acme/shop'), or of its workflow ('smoke.yml'). */
  dispatches(repository?: string, workflow?: string): number {
    return this.#state.runs.filter(
      (run) =>
        (repository === undefined || run.repository.fullName === repository) &&
        (workflow === undefined || run.workflow.file === workflow),
    ).length;
  }

  /** To change how its next runs go: `standIn.workflow('acme/shop', 'smoke.yml').plan = [...]`. */
  workflow(repository: string, file: string): Workflow {
    const found = this.#state.findRepository(repository);
    const workflow = found === undefined ? undefined : findWorkflow(found, file);
    if (workflow === undefined) throw new Error(`no workflow ${file} in ${repository}`);
    return workflow;
  }

  /** What the apps look like from now on: installed anew, suspended, … */
  set apps(apps: readonly AppOptions[]) {
    this.#state.apps = apps;
  }

  /** GitHub knows none of the tokens any more that it gave to apps. */
  revokeInstallationTokens(): void {
    this.#state.installationTokens = [];
  }

  /** From now on the run stands still as given. */
  setRun(id: number, change: RunChange): void {
    this.#state.setRun(id, change, this.#clock.now());
  }

  /** Hits the next requests of the route, one by default. */
  fault(route: RouteName | 'any', fault: Fault): FaultHandle {
    return this.#faults.add(route, fault);
  }

  /** The first that matches, among those so far and those to come; what it asked for has been done (or refused) by then. */
  waitForRequest(predicate: (request: RecordedRequest) => boolean): Promise<RecordedRequest> {
    return this.#log.waitFor(predicate);
  }

  /** Back to the options: no runs, requests or faults. */
  reset(): void {
    this.#state = new GitHubState(this.#options);
    this.#rateLimits = new RateLimits(this.#flavour.requestsPerHour);
    this.#faults.clear();
    this.#log.clear();
  }

  /** Open connections are cut, hanging requests with them. */
  async close(): Promise<void> {
    for (const cancel of this.#lateAnswers) cancel();
    this.#log.close();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(incoming);
    if (incoming.url === CONTROL_PATH) {
      send(response, await control(this, incoming.method, body));
      return;
    }
    const site = { flavour: this.#flavour, state: this.#state, rateLimits: this.#rateLimits, origin: this.#origin };
    const request = this.#record(site, incoming, body);
    const delivery = deliver(this.#faults.take(request), () => answerRequest(site, request), request.at);
    request.outcome = delivery.how === 'answer' ? delivery.answer.status : delivery.how;
    response.setHeader('date', new Date(request.at).toUTCString());
    this.#deliver(delivery, response);
  }

  #record(site: Site, { method = '', url = '', headers }: IncomingMessage, body: string): RecordedRequest {
    const route = routeOf(site, method, new URL(url, site.origin).pathname)?.name;
    const request: RecordedRequest = { method, path: url, route, headers, body, at: this.#clock.now() };
    this.#log.record(request);
    return request;
  }

  #deliver(delivery: Delivery, response: ServerResponse): void {
    if (delivery.how === 'hang') return;
    if (delivery.how === 'reset') response.socket?.resetAndDestroy();
    else if (delivery.how === 'truncate') sendHalf(response, delivery.answer);
    else if (delivery.afterMs === undefined) send(response, delivery.answer);
    else this.#sendLate(response, delivery.answer, delivery.afterMs);
  }

  #sendLate(response: ServerResponse, answer: Answer, afterMs: number): void {
    const cancel = this.#clock.at(this.#clock.now() + afterMs, () => {
      this.#lateAnswers.delete(cancel);
      send(response, answer);
    });
    this.#lateAnswers.add(cancel);
  }
}

function send(response: ServerResponse, { status, headers, text: body }: Answer): void {
  response.writeHead(status, body === undefined ? headers : { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function sendHalf(response: ServerResponse, { status, headers, text: body = '' }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.write(body.slice(0, body.length / 2), () => response.destroy());
}
