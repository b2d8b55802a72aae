/**
 * A real server that stops itself, as a machine under pressure might, after the intent of its first purge and before its
 * send. Whoever started it lets it go on by SIGCONT.
 *
 *   npx node test/store/kubernetes/stopping-program.ts /…/aftersync.yaml
 */
import { loadConfig } from '../../../src/config.ts';
import { connectionTypes, serve } from '../../../src/main.ts';
import { steps } from '../../../src/steps/index.ts';

const config = await loadConfig({ path: process.argv[2], cwd: process.cwd(), connectionTypes, steps });
let isFirst = true;
const server = await serve(config, {
  wrapFetch: (fetch) => async (request) => {
    if (isFirst) {
      isFirst = false;
      process.kill(process.pid, 'SIGSTOP');
    }
    return await fetch(request);
  },
});
process.once('SIGTERM', () => void server.close());
console.log(JSON.stringify({ msg: 'serving', url: server.url }));
