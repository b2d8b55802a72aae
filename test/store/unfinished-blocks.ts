import type { ExecutionStore, UnfinishedEntry } from '../../src/core/store.ts';

export async function unfinishedBlocks(store: ExecutionStore): Promise<(readonly UnfinishedEntry[])[]> {
  const blocks = [];
  for await (const block of store.unfinished()) blocks.push(block);
  return blocks;
}
