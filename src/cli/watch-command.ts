import type { ExecutionAnswer } from './answers.ts';
import type { Session } from './session.ts';

export function watchCommand({ id, namespace }: ExecutionAnswer): string {
  return `aftersync watch ${id} --namespace ${namespace}`;
}

/** For a person who has begun something and sees it as it stood then. */
export function hintToFollow(execution: ExecutionAnswer, { stderr }: Session): void {
  if (stderr.isTTY) stderr.write(`\nfollow it with \`${watchCommand(execution)}\`\n`);
}
