import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KeptValue } from '../../../src/providers/github/kept-value.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function open() {
  const clock = new ManualClock();
  const fetches: PromiseWithResolvers<string>[] = [];
  const kept = new KeptValue(clock, async () => {
    const fetching = Promise.withResolvers<string>();
    fetches.push(fetching);
    return { value: await fetching.promise, until: clock.now() + 1_000 };
  });
  return { clock, kept, fetches };
}

describe('a kept value', () => {
  it('is fetched once for all who ask meanwhile, and again when its time is over', async () => {
    const { clock, kept, fetches } = open();
    const asked = [kept.get(), kept.get()];
    fetches[0]?.resolve('first');
    assert.deepEqual(await Promise.all(asked), ['first', 'first']);
    clock.advance(999);
    assert.equal(await kept.get(), 'first');
    clock.advance(1);
    const renewed = kept.get();
    fetches[1]?.resolve('second');
    assert.equal(await renewed, 'second');
    assert.equal(fetches.length, 2);
  });

  it('is fetched again after a failure, which all who waited are told', async () => {
    const { kept, fetches } = open();
    const asked = [kept.get(), kept.get()];
    fetches[0]?.reject(new Error('no'));
    assert.deepEqual(
      (await Promise.allSettled(asked)).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    const again = kept.get();
    fetches[1]?.resolve('value');
    assert.equal(await again, 'value');
  });

  it('is dropped by the one that turned out to be of no use, not by an older one', async () => {
    const { kept, fetches } = open();
    const asked = kept.get();
    fetches[0]?.resolve('first');
    await asked;
    kept.drop('older');
    assert.equal(await kept.get(), 'first');
    kept.drop('first');
    const again = kept.get();
    fetches[1]?.resolve('second');
    assert.equal(await again, 'second');
  });
});
