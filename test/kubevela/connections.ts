import { authority } from './addresses.ts';
import { startRelay } from './relay.ts';
import type { StandIns } from './stand-ins.ts';

export interface StandInUrls {
  readonly gitHub: string;
  readonly cache: string;
}

/** Where a pod reaches the stand-ins: at that address of this machine. */
export async function exposeStandIns(
  standIns: StandIns,
  address: string,
  cleanup: AsyncDisposableStack,
): Promise<StandInUrls> {
  const expose = async (url: string) => {
    const relay = await startRelay(address, Number(new URL(url).port));
    cleanup.defer(() => relay.close());
    return `http://${authority(address, relay.port)}`;
  };
  return { gitHub: await expose(standIns.urls.gitHub), cache: await expose(standIns.urls.cache) };
}

export interface ConnectionsOptions {
  readonly urls: StandInUrls;
  readonly tokenFile: string;
  /** That may use them. */
  readonly namespace: string;
}

/** The section of an aftersync.yaml. Without commas and braces, which `vela addon enable` would take for its own. */
export function connectionsText({ urls, tokenFile, namespace }: ConnectionsOptions): string {
  return `connections:
  - name: edge
    type: varnish
    endpoints:
      - ${urls.cache}
    allow:
      namespaces:
        - ${namespace}
  - name: github
    type: github
    baseUrl: ${urls.gitHub}
    auth:
      tokenFile: ${tokenFile}
    pollInterval: 500ms
    allow:
      namespaces:
        - ${namespace}
`;
}
