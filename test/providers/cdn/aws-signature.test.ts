import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { awsSignedHeaders } from '../../../src/providers/cdn/aws-signature.ts';

interface Vector {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly authorization: string;
}

/** AWS's own, see cut-aws.ts. */
const vectors = JSON.parse(
  readFileSync(new URL('../../support/cloudfront/signature-vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[];

/** The credentials, scope and time that all of them have. */
const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' };
const scope = { region: 'us-east-1', service: 'service' };
const now = Date.UTC(2015, 7, 30, 12, 36);

describe('a request is signed as AWS publishes it:', () => {
  for (const { name, method, path, headers: given, body, authorization } of vectors) {
    it(name, () => {
      const lower = Object.fromEntries(Object.entries(given).map(([key, value]) => [key.toLowerCase(), value]));
      const { host = '', 'x-amz-date': date, 'x-amz-security-token': sessionToken, ...headers } = lower;
      const url = new URL(`https://${host}${path}`);
      const signed = awsSignedHeaders({ method, url, headers, body }, { ...credentials, sessionToken }, scope, now);
      assert.equal(signed.authorization, authorization);
      assert.equal(signed['x-amz-date'], date);
      assert.equal(signed['x-amz-security-token'], sessionToken);
    });
  }
});

it('the whole suite is there', () => {
  assert.ok(vectors.length >= 11);
  assert.ok(vectors.some(({ headers }) => headers['X-Amz-Security-Token'] !== undefined));
});
