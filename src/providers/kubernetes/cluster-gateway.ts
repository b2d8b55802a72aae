import { Rejected } from '../../core/effect.ts';
import { isJsonObject } from '../../core/json.ts';
import { type ApiAnswer, type ClusterApi, type Purpose, wordsIn } from './cluster-api.ts';

const group = 'cluster.core.oam.dev';

/**
 * What the paths of a cluster's API begin with. KubeVela's hub serves those of the clusters that it manages below the
 * gateway's proxy, which strips this and forwards the rest (oam-dev/cluster-gateway: clustergateway_proxy.go).
 */
export function rootOf(cluster: string | undefined): string {
  return cluster === undefined ? '' : `/apis/${group}/v1alpha1/clustergateways/${encodeURIComponent(cluster)}/proxy`;
}

/** What an answer other than 2xx means, of which one on the way to a managed cluster may be the hub's or the gateway's. */
export function refusalFrom(cluster: string | undefined, api: ClusterApi, answer: ApiAnswer, purpose: Purpose): Error {
  if (cluster === undefined) return api.refusal(answer, purpose);
  const said = wordsIn(answer);
  // What a cluster serves can be read in each that there is, so that it is the way to it that does not exist.
  if (answer.status === 404) {
    const message = `cluster-gateway is not there, through which KubeVela reaches cluster ${cluster}: the connection's cluster does not serve ${group}/v1alpha1 (404 ${said.trim()})`;
    return new Rejected('ConnectionFailed', message);
  }
  if (answer.status === 401) {
    const message = `cluster ${cluster} refuses the credential that KubeVela has for it, or the hub ours (401 ${said})`;
    return new Rejected('ConnectionFailed', message);
  }
  // Nothing final: the gateway says the same while it cannot look.
  if (said.includes(`no such cluster ${cluster}`)) {
    return new Error(`KubeVela knows no cluster ${cluster} (vela cluster list shows those that there are)`);
  }
  if (answer.status === 403 && isOfGateway(answer)) {
    const grant = `get on clustergateways.${group}/proxy named ${cluster} (readClusters of the addon does)`;
    return api.refusal(answer, { ...purpose, act: `reach cluster ${cluster}`, grant });
  }
  return api.refusal(answer, purpose);
}

function isOfGateway({ body }: ApiAnswer): boolean {
  return isJsonObject(body) && isJsonObject(body.details) && body.details.group === group;
}
