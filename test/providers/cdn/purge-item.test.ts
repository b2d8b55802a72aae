import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostOf, InvalidItem, normaliseItem } from '../../../src/providers/cdn/purge-item.ts';

const good = {
  urls: [
    ['https://WWW.Example.com/A/b', 'https://www.example.com/A/b', 'lowers the host, keeps the case of the path'],
    ['https://www.example.com:443/', 'https://www.example.com/', 'drops the default port'],
    ['http://www.example.com:8080/', 'http://www.example.com:8080/', 'keeps another port'],
    ['https://www.example.com', 'https://www.example.com/', 'gives an empty path its slash'],
    ['https://www.example.com/a?b=c&d#e', 'https://www.example.com/a?b=c&d', 'drops the fragment, keeps the query'],
    ['https://www.example.com/a b/ä', 'https://www.example.com/a%20b/%C3%A4', 'encodes what is not encoded'],
    ['https://www.example.com/a%20b%2fc', 'https://www.example.com/a%20b%2fc', 'leaves what is encoded as it is'],
    ['https://www.example.com/100%', 'https://www.example.com/100%25', 'encodes a % that encodes nothing'],
    [
      'https://www.example.com/[a]|{b}^`',
      'https://www.example.com/%5Ba%5D%7C%7Bb%7D%5E%60',
      'encodes what the URL parser leaves',
    ],
    [
      "https://www.example.com/a*b!$&'()+,;=:@~?*",
      "https://www.example.com/a*b!$&'()+,;=:@~?*",
      'never encodes * and other allowed characters',
    ],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/', 'writes an international name in ASCII'],
    ['https://www.example.com//a//', 'https://www.example.com//a//', 'keeps doubled slashes'],
  ],
  prefixes: [
    ['www.Example.com/Img/', 'www.example.com/Img/', 'needs no scheme'],
    ['https://www.example.com/a b', 'www.example.com/a%20b', 'takes off a scheme'],
    ['www.example.com', 'www.example.com/', 'takes a bare host as all of it'],
    ['www.example.com:8443/a', 'www.example.com:8443/a', 'keeps a port'],
  ],
  hosts: [
    ['WWW.example.com', 'www.example.com', 'lowers it'],
    ['bücher.example', 'xn--bcher-kva.example', 'writes it in ASCII'],
    ['www.example.com:8080', 'www.example.com:8080', 'keeps a port'],
  ],
  tags: [['Product-17/a:b', 'Product-17/a:b', 'leaves it as it is']],
} as const;

const bad = {
  urls: [
    '',
    '/a',
    'www.example.com/a',
    'ftp://www.example.com/',
    'https://',
    'https://user:secret@www.example.com/',
    'https://a b/',
  ],
  prefixes: ['/img', 'www.example.com/img/*', 'www.example.com/a?b', 'ftp://www.example.com/', '*.example.com/'],
  hosts: ['https://www.example.com', 'www.example.com/', '*.example.com', 'a b', 'user@host', ''],
  tags: ['a b', 'a,b', 'ä', '', 'a\n'],
} as const;

const kinds = ['urls', 'prefixes', 'hosts', 'tags'] as const;

for (const kind of kinds) {
  describe(`an item of ${kind}`, () => {
    for (const [item, normalised, name] of good[kind]) {
      it(`${name}: ${item}`, () => {
        assert.equal(normaliseItem(kind, item), normalised);
        assert.equal(normaliseItem(kind, normalised), normalised, 'a second time changes nothing');
      });
    }
    for (const item of bad[kind]) {
      it(`is refused: ${JSON.stringify(item)}`, () => assert.throws(() => normaliseItem(kind, item), InvalidItem));
    }
  });
}

it('an item that grows over the limit by encoding is refused', () => {
  assert.throws(
    () => normaliseItem('urls', `https://www.example.com/${'ä'.repeat(600)}`),
    /2048 characters once encoded/,
  );
});

it('no refusal repeats a password', () => {
  assert.throws(
    () => normaliseItem('urls', 'https://user:s3cret@www.example.com/'),
    ({ message }: Error) => !message.includes('s3cret'),
  );
});

it('the host that a purge reaches is known for urls, prefixes and hosts, and not for the rest', () => {
  assert.equal(hostOf('urls', 'https://www.example.com:8443/a'), 'www.example.com');
  assert.equal(hostOf('prefixes', 'www.example.com/a'), 'www.example.com');
  assert.equal(hostOf('hosts', 'www.example.com:80'), 'www.example.com');
  assert.equal(hostOf('tags', 'www.example.com'), undefined);
  assert.equal(hostOf('everything', 'everything'), undefined);
});
