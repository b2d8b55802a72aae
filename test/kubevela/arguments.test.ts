import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CannotStart, help, parseArguments } from './arguments.ts';

describe('arguments', () => {
  test('without any, the executor is here, at an address that is found out', () => {
    assert.deepEqual(parseArguments([]), { wantsHelp: false, addon: [], place: 'here', force: false });
  });

  test('an image puts it into the cluster; what is given for the addon goes to the addon', () => {
    const given = parseArguments(['image=a:1', 'replicas=1', '--address', '10.0.0.1', '--force']);
    assert.deepEqual(given, {
      wantsHelp: false,
      addon: ['image=a:1', 'replicas=1'],
      place: 'in the cluster',
      address: '10.0.0.1',
      force: true,
    });
  });

  test('an external executor is somebody else’s', () => {
    assert.equal(parseArguments(['externalExecutor.address=10.0.0.7']).place, 'elsewhere');
  });

  const refused: readonly { readonly args: readonly string[]; readonly says: RegExp }[] = [
    { args: ['--nope'], says: /--nope/ },
    { args: ['image'], says: /^image is neither an option nor an argument NAME=VALUE/ },
    { args: ['--port', '0'], says: /^--port 0 is no port/ },
    { args: ['--address', 'here'], says: /^--address here is no IP address/ },
    { args: ['image=a', '--port', '80'], says: /^--port is for an executor on this machine/ },
    { args: ['image=a', 'config=b', '--address', '10.0.0.1'], says: /^leave out config= with --address/ },
    { args: ['externalExecutor.address=10.0.0.7', '--address', '10.0.0.1'], says: /^--address is of no use/ },
    { args: ['readObjectNamespaces={a}'], says: /^leave out readObjectNamespaces/ },
  ];
  for (const { args, says } of refused) {
    test(`${args.join(' ')} is refused, and told why and where to look`, () => {
      assert.throws(
        () => parseArguments(args),
        (error: Error) => error instanceof CannotStart && says.test(error.message) && error.message.includes('--help'),
      );
    });
  }

  test('the help names each option', () => {
    for (const option of ['--address', '--port', '--force', '--help'])
      assert.match(help, new RegExp(`^  ${option} `, 'm'));
  });
});
