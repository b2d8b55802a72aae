/** Every bound that callers can meet, in one place. docs/limits of docs/api.md names them. */
export const limits = {
  bodyBytes: 256 * 1024,
  /** Of all that come in several pieces and are being read. */
  bodiesBytes: 32 * 1024 * 1024,
  /** An event of a workflow run has 30 KiB; GitHub goes up to 25 MB for events that nobody needs here. */
  webhookBytes: 1024 * 1024,
  /** Of all whose body is being read or looked at; and how many may be connected to the listener for webhooks alone. */
  webhooksBytes: 16 * 1024 * 1024,
  webhookConnections: 256,
  outputsBytes: 64 * 1024,
  effectResultBytes: 16 * 1024,
  stepStateBytes: 16 * 1024,
  /** Of an execution in a store in a cluster: all of it, and what is asked for. */
  objectBytes: 256 * 1024,
  objectRequestBytes: 128 * 1024,
  unfinishedExecutions: 200_000,
  /** Executions whose origin was not proven yet: what a stranger could make the store keep. */
  unprovenPerNamespace: 1_000,
  /** Whatever cannot be proven for so long is forgotten. */
  unprovenMs: 30_000,
  longPolls: 10_000,
  longPollMs: 60_000,
  eventStreams: 1_000,
  heartbeatMs: 15_000,
  pageItems: 500,
  advanceMs: 30_000,
  /** A send that has not settled by then counts as open; every provider's own limit is well below. */
  sendMs: 120_000,
  stopMs: 120_000,
  messageCharacters: 2_000,
  failedItems: 100,
} as const;
