/** All of the kill matrix, of which the suite runs a third: `npm run chaos`. Exits with 1 where anything ended wrong. */
import { killCases, runKillCase, wrongIn } from './kill-matrix.ts';

const lanes = 4;
const queue = [...killCases];
const counts = { succeeded: 0, uncertain: 0, wrong: 0 };

await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const name = `killed ${next.killAt}; GitHub ${next.condition}${next.isMarked ? ', with a mark' : ''}`;
      try {
        const result = await runKillCase(next);
        const wrong = wrongIn(result);
        if (wrong !== undefined) {
          counts.wrong += 1;
          console.log(`WRONG ${name}: ${wrong}`);
        } else {
          counts[result.state === 'succeeded' ? 'succeeded' : 'uncertain'] += 1;
          console.log(`ok    ${name}: ${result.reason ?? result.state}, ${result.dispatches} run(s)`);
        }
      } catch (error) {
        counts.wrong += 1;
        console.log(`WRONG ${name}: ${String(error)}`);
      }
    }
  }),
);
console.log(
  `${killCases.length} cases: ${counts.succeeded} succeeded, ${counts.uncertain} Uncertain, ${counts.wrong} wrong`,
);
process.exitCode = counts.wrong === 0 ? 0 : 1;
