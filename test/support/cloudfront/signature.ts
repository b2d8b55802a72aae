import { createHash, createHmac } from 'node:crypto';
import type { ApiRequest } from '../api-stand-in.ts';

export interface AccessKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

const MOST_SKEW_MS = 15 * 60_000;

/**
 * Why the signature of a request is refused, as [code, words]; undefined: it is right. Written apart from the product's
 * own, and told by the header what was signed, as AWS is.
 */
export function refusedSignature(
  { method, path, headers, body }: ApiRequest,
  key: AccessKey,
  nowMs: number,
): readonly [code: string, words: string] | undefined {
  const pattern = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/;
  const [, id, scope = '', names = '', signature] = pattern.exec(headers.authorization ?? '') ?? [];
  const [day = '', ...place] = scope.split('/');
  const time = String(headers['x-amz-date']);
  if (id !== key.accessKeyId) {
    return ['InvalidClientTokenId', 'The security token included in the request is invalid.'];
  }
  if (place.join('/') !== 'us-east-1/cloudfront/aws4_request' || !time.startsWith(day)) {
    return ['SignatureDoesNotMatch', 'Credential should be scoped to a valid region.'];
  }
  if (Math.abs(timeOf(time) - nowMs) > MOST_SKEW_MS) return ['SignatureDoesNotMatch', `Signature expired: ${time}`];
  if (headers['x-amz-security-token'] !== key.sessionToken) {
    return ['ExpiredToken', 'The security token included in the request is expired'];
  }
  if (!['host', 'x-amz-date'].every((name) => names.split(';').includes(name))) {
    return ['SignatureDoesNotMatch', "'Host' and 'X-Amz-Date' must be signed."];
  }

  const signed = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`);
  const canonical = `${method}\n${path}\n\n${signed.join('')}\n${names}\n${sha256(body)}`;
  let secret: string | Buffer = `AWS4${key.secretAccessKey}`;
  for (const part of scope.split('/')) secret = createHmac('sha256', secret).update(part).digest();
  const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(canonical)}`;
  if (createHmac('sha256', secret).update(text).digest('hex') === signature) return undefined;
  const words = 'The request signature we calculated does not match the signature you provided.';
  return [
    'SignatureDoesNotMatch',
    `${words}\n\nThe Canonical String for this request should have been\n'${canonical}'`,
  ];
}

function timeOf(time: string): number {
  return Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
