/**
 * The reference: what anybody would write first. Express with its JSON body parser, and a Map that a restart forgets.
 * Its answers are as long as ours. Prints its address when it serves. Plain JavaScript, so that its start is no slower than
 * it has to be.
 *
 *   npx node test/bench/bare-express-program.mjs '{"state": "pending", …}'
 */
import express from 'express';

const answer = JSON.parse(process.argv[2] ?? '{}');
const executions = new Map();

const app = express();
app.use(express.json());
app.get('/readyz', (_req, res) => {
  res.send('ready\n');
});
app.put('/v1/executions/:id', (req, res) => {
  const { id } = req.params;
  const known = executions.get(id);
  if (known !== undefined) {
    res.json(known);
    return;
  }
  const execution = { ...answer, id, origin: req.body.origin };
  executions.set(id, execution);
  res.status(201).json(execution);
});

const server = app.listen(0, '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}`);
});
