const prefix = 'aftersync-';
const markPattern = new RegExp(`${prefix}[a-z2-7]{26}`, 'g');

/** What goes into the correlation input, for the workflow's run-name to show. */
export function markText(mark: string): string {
  return prefix + mark;
}

/** Every mark that a run's title shows: ours, or that of another execution here or of another executor. */
export function marksIn(title: string): string[] {
  return title.match(markPattern) ?? [];
}
