/** What a caller does in a namespace; the words are those of Kubernetes RBAC. */
export type Verb = 'create' | 'get' | 'list' | 'watch' | 'update';

/** Somebody as a cluster knows them; all of it counts when it says what they may do. */
export interface ReviewedUser {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** What a cluster says of tokens and of rights. Throws where it cannot be asked, or does not let us ask. */
export interface AccessReviews {
  /** Whose token this is; undefined where it is nobody's. No error holds the token. */
  userOf(token: string): Promise<ReviewedUser | undefined>;
  /** Whether they may do this with executions in the namespace; undefined: in all namespaces. */
  may(user: ReviewedUser, verb: Verb, namespace: string | undefined): Promise<boolean>;
}
