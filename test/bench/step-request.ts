/**
 * What KubeVela sends for a step, the first time and at each tick. Each session is another Application's: of one
 * Application's step only the newest execution acts, and the others would be stopped.
 */
export function stepBody(sessionID: string): string {
  return JSON.stringify({
    step: 'trigger-github-action',
    with: { repository: 'acme/shop', workflow: 'smoke.yml', ref: 'main', inputs: { environment: 'production' } },
    origin: { kind: 'Application', namespace: 'default', name: `shop-${sessionID}`, step: 'smoke', sessionID },
  });
}

/** The same as it goes over the wire. */
export function stepRequest(id: string): string {
  return putRequest(id, stepBody(id));
}

export function putRequest(id: string, body: string): string {
  const head = `PUT /v1/executions/${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
  return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
}
