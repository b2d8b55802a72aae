import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Json } from '../../../src/core/json.ts';
import { JsonPath, JsonPathError, printed } from '../../../src/providers/kubernetes/json-path.ts';
import { findExecutable } from '../../support/find-executable.ts';

const document = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'sample', annotations: { 'example.com/owner': 'platform' } },
  data: { a: '1', b: '2' },
  list: [
    { type: 'Ready', status: 'True', n: 3, on: true },
    { type: 'Synced', status: 'False', n: 2, on: false },
    { type: 'Idle', status: 'Unknown', deep: { type: 'inner' } },
  ],
};

/** Paths that kubectl reads too, and what they lead to. */
const paths: readonly (readonly [path: string, found: readonly Json[]])[] = [
  ['{.kind}', ['ConfigMap']],
  ['{$.kind}', ['ConfigMap']],
  ['{@.kind}', ['ConfigMap']],
  ['{ .kind }', ['ConfigMap']],
  ['{.nothing}', []],
  ['{.nothing.below}', []],
  ['{.kind.below}', []],
  ['{.metadata.annotations.example\\.com/owner}', ['platform']],
  ["{.metadata['name']}", ['sample']],
  ["{.metadata.annotations['example\\.com/owner']}", ['platform']],
  ["{.data['a','b']}", ['1', '2']],
  ['{.list[0].type}', ['Ready']],
  ['{.list[-1].type}', ['Idle']],
  ['{.list[0,2].type}', ['Ready', 'Idle']],
  ['{.list[0:2].type}', ['Ready', 'Synced']],
  ['{.list[1:].type}', ['Synced', 'Idle']],
  ['{.list[:1].type}', ['Ready']],
  ['{.list[-2:].type}', ['Synced', 'Idle']],
  ['{.list[::2].type}', ['Ready', 'Idle']],
  ['{.list[*].type}', ['Ready', 'Synced', 'Idle']],
  ['{.list[*].n}', [3, 2]],
  ['{.list.type}', []],
  ['{.list[?(@.type=="Ready")].status}', ['True']],
  ["{.list[?(@.type=='Ready')].status}", ['True']],
  ['{.list[?( @.type == "Ready" )].status}', ['True']],
  ['{.list[?(@.type!="Ready")].status}', ['False', 'Unknown']],
  ['{.list[?(@.n)].type}', ['Ready', 'Synced']],
  ['{.list[?(@.n>2)].type}', ['Ready']],
  ['{.list[?(@.n>=2)].type}', ['Ready', 'Synced']],
  ['{.list[?(@.n<3)].type}', ['Synced']],
  ['{.list[?(2==@.n)].type}', ['Synced']],
  ['{.list[?(@.on==true)].type}', ['Ready']],
  ['{.list[?(@.type=="Nope")].status}', []],
  ['{.list[?(@.deep.type=="inner")].type}', ['Idle']],
  ['{.list..type}', ['Ready', 'Synced', 'Idle', 'inner']],
  ['{..owner}', []],
  ['{.data.*}', ['1', '2']],
  ['{.metadata}', [document.metadata]],
];

describe('a JSONPath', () => {
  for (const [path, found] of paths) {
    it(`${path} finds ${JSON.stringify(found).slice(0, 60)}`, () => {
      assert.deepEqual(new JsonPath(path).find(document), found);
    });
  }

  it('means the same without braces and without the first dot', () => {
    for (const path of ['{.metadata.name}', '.metadata.name', 'metadata.name', '$.metadata.name', ' .metadata.name ']) {
      assert.deepEqual(new JsonPath(path).find(document), ['sample'], path);
    }
    assert.deepEqual(new JsonPath('.').find(document), [document]);
    assert.deepEqual(new JsonPath('{}').find(document), [document]);
  });

  it('finds nothing where kubectl ends with an error: beyond a list, in something else, between types', () => {
    for (const path of [
      '.list[9]',
      '.list[-9]',
      '.kind[0]',
      '.data[?(@.a)]',
      '.list[?(@.n=="3")]',
      '.list[?(@.type<3)]',
    ]) {
      assert.deepEqual(new JsonPath(path).find(document), [], path);
    }
  });

  it('sees the own fields of the document alone', () => {
    for (const path of ['.constructor', '.__proto__', '.list.length', '.kind.length', "['toString']"]) {
      assert.deepEqual(new JsonPath(path).find(document), [], path);
    }
  });

  it('selects a value, null where there is none, and a list where the path may lead to several', () => {
    const selected = (path: string) => new JsonPath(path).select(document);
    assert.equal(selected('.kind'), 'ConfigMap');
    assert.equal(selected('.nothing'), null);
    assert.equal(selected('.list[?(@.type=="Ready")].n'), 3);
    assert.equal(selected('.list[?(@.type=="Nope")].n'), null);
    assert.deepEqual(selected('.list[?(@.n)].n'), [3, 2]);
    assert.deepEqual(selected('.list[0:1].n'), [3]);
    assert.deepEqual(selected('..owner'), []);
    assert.deepEqual(selected('.list[*].nothing'), []);
  });
});

describe('refused, with its place, is', () => {
  for (const [path, place] of [
    ['', /expected a path at character 1/],
    ['{.a', /expected } at character 4/],
    ['{.a} text', /one path, without text around it\) at character 6/],
    ['{range .items[*]}{.a}{end}', /at character 8/],
    ['.a[', /expected an index, a slice, a quoted name, \* or \?\(…\) at character 4/],
    ['.a[b]', /at character 4/],
    ['.a[]', /at character 4/],
    ['.a[(@.length-1)]', /at character 4/],
    ['.a[?(@.b=~"x")]', /at character/],
    ['.a[?(@.b=="x" || @.c)]', /expected \) at character 15/],
    ['.a[?(process.exit())]', /expected @, a quoted text, a number, true, false or null at character 6/],
    ['.a[?(@.b==constructor)]', /at character 11/],
    [".a['b]", /expected ' at character 7/],
    ['.a[0:2:0]', /step of at least 1/],
    ['.a.', /expected the name of a field at character 4/],
    ['.a b', /at character 4/],
    [`.${'a'.repeat(2_000)}`, /expected an end at character 1025/],
  ] as const) {
    it(path.slice(0, 40) || 'nothing', () => {
      assert.throws(
        () => new JsonPath(path),
        (error) => error instanceof JsonPathError && place.test(error.message),
      );
    });
  }
});

const kubectl = findExecutable('kubectl');
it('what kubectl prints for each of these paths is what we find', {
  skip: kubectl === undefined && 'no kubectl',
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'aftersync-json-path-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'document.json');
  writeFileSync(file, JSON.stringify({ ...document, metadata: { ...document.metadata, labels: { a: 'b' } } }));
  // One call for all: a mark between two paths keeps them apart. `--local` changes nothing here, and asks no cluster.
  const mark = '{"\\n"}';
  const options = ['label', '--local', '-f', file, 'a=b', '--overwrite', '-o'];
  const template = paths.map(([path]) => path).join(mark);
  const lines = execFileSync(kubectl ?? '', [...options, `jsonpath=${template}`], { encoding: 'utf8' }).split('\n');
  assert.equal(lines.length, paths.length);
  for (const [index, [path]] of paths.entries()) {
    const own = path === '{.metadata}' ? undefined : new JsonPath(path).find(document).map(printed);
    if (own !== undefined) assert.deepEqual(lines[index]?.split(' ').filter(Boolean).sort(), own.sort(), path);
  }
});
