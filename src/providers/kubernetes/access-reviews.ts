import type { AccessReviews, ReviewedUser, Verb } from '../../core/access-reviews.ts';
import { isJsonObject, type JsonObject } from '../../core/json.ts';
import type { ApiAnswer, ClusterApi, Purpose } from './cluster-api.ts';

/** What callers need rights on, whether or not the cluster keeps our executions. */
const executions = { group: 'aftersync.dev', resource: 'stepexecutions' };

const tokenReviews: Review = { group: 'authentication.k8s.io', kind: 'TokenReview', resource: 'tokenreviews' };
const subjectAccessReviews: Review = {
  group: 'authorization.k8s.io',
  kind: 'SubjectAccessReview',
  resource: 'subjectaccessreviews',
};

interface Review {
  readonly group: string;
  readonly kind: string;
  readonly resource: string;
}

/** Asks the cluster, each time anew. A review is a question in the form of a write, so that asking again does no harm. */
export function kubernetesAccessReviews(api: ClusterApi): AccessReviews {
  return {
    async userOf(token) {
      const answer = await ask(api, tokenReviews, { token });
      if (answer.status !== 201) throw api.refusal(inWordsOfTheCluster(answer), purposeOf(tokenReviews));
      const { authenticated, user } = statusOf(answer, tokenReviews);
      return authenticated === true ? toUser(user) : undefined;
    },
    async may(user, verb, namespace) {
      const answer = await ask(api, subjectAccessReviews, accessSpec(user, verb, namespace));
      if (answer.status !== 201) throw api.refusal(answer, purposeOf(subjectAccessReviews));
      return statusOf(answer, subjectAccessReviews).allowed === true;
    },
  };
}

function ask(api: ClusterApi, { group, kind, resource }: Review, spec: JsonObject): Promise<ApiAnswer> {
  const apiVersion = `${group}/v1`;
  return api.write({ method: 'POST', path: `/apis/${apiVersion}/${resource}`, body: { apiVersion, kind, spec } });
}

function purposeOf({ group, resource }: Review): Purpose {
  const grant = `create on ${resource}.${group} (ClusterRole system:auth-delegator has it)`;
  return { act: `create ${resource}.${group}`, grant };
}

function accessSpec({ name, ...user }: ReviewedUser, verb: Verb, namespace: string | undefined): JsonObject {
  const resourceAttributes = { ...executions, verb, ...(namespace !== undefined && { namespace }) };
  return { user: name, ...user, resourceAttributes };
}

/** A proxy on the way may answer by what it was sent; the API server quotes no token. */
function inWordsOfTheCluster(answer: ApiAnswer): ApiAnswer {
  const isOfCluster = isJsonObject(answer.body) && answer.body.kind === 'Status';
  return isOfCluster ? answer : { ...answer, body: undefined, text: 'in words that may hold the token' };
}

function statusOf({ body }: ApiAnswer, { kind }: Review): JsonObject {
  if (isJsonObject(body) && isJsonObject(body.status)) return body.status;
  throw new Error(`the cluster answered a ${kind} without a status`);
}

function toUser(user: unknown): ReviewedUser {
  const { username, uid, groups, extra } = isJsonObject(user) ? user : {};
  if (typeof username !== 'string' || username === '')
    throw new Error('the cluster knows a token, but not whose it is');
  return {
    name: username,
    ...(typeof uid === 'string' && { uid }),
    groups: textsOf(groups),
    extra: isJsonObject(extra)
      ? Object.fromEntries(Object.entries(extra).map(([key, all]) => [key, textsOf(all)]))
      : {},
  };
}

function textsOf(list: unknown): string[] {
  return Array.isArray(list) ? list.filter((each) => typeof each === 'string') : [];
}
