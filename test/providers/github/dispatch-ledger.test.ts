import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DispatchLedger } from '../../../src/providers/github/dispatch-ledger.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const first = { target: 'acme/shop/1@main', owner: 'default/a' };
const second = { ...first, owner: 'default/b' };

function open() {
  const clock = new ManualClock();
  return { clock, ledger: new DispatchLedger(clock) };
}

describe('the ledger of dispatches', () => {
  it('tells each of the others, and not of other targets', () => {
    const { clock, ledger } = open();
    ledger.enter(first, 'sending', clock.now() + 1_000);
    assert.deepEqual(ledger.others(first), []);
    assert.deepEqual(ledger.others(second), ['sending']);
    assert.deepEqual(ledger.others({ ...second, target: 'acme/shop/1@dev' }), []);
    ledger.enter(first, 'looking', clock.now() + 1_000);
    assert.deepEqual(ledger.others(second), ['looking']);
    ledger.close(first);
    assert.deepEqual(ledger.others(second), []);
  });

  it('forgets a dispatch that nobody closed when its time is over', () => {
    const { clock, ledger } = open();
    ledger.enter(first, 'looking', clock.now() + 1_000);
    clock.advance(1_000);
    assert.deepEqual(ledger.others(second), []);
  });

  it('tells of one that has given up only those that were sent before', () => {
    const { clock, ledger } = open();
    const sentAt = clock.now();
    clock.advance(1_000);
    ledger.enter(first, 'conceded', clock.now() + 1_000);
    assert.deepEqual(ledger.others(second), []);
    assert.deepEqual(ledger.others(second, sentAt), ['conceded']);
    assert.deepEqual(ledger.others(second, clock.now() + 1), []);
  });

  it('keeps that a dispatch was accepted while it is looked for', () => {
    const { clock, ledger } = open();
    ledger.enter(first, 'looking', clock.now() + 1_000);
    ledger.noteAccepted(first);
    ledger.enter(first, 'looking', clock.now() + 2_000);
    assert.equal(ledger.isAccepted(first), true);
    assert.equal(ledger.isAccepted(second), false);
  });

  it('knows whose a run is', () => {
    const { ledger } = open();
    ledger.bind(7, first.owner);
    assert.equal(ledger.isOfAnother(7, second.owner), true);
    assert.equal(ledger.isOfAnother(7, first.owner), false);
    assert.equal(ledger.isOfAnother(8, first.owner), false);
  });
});
