// Plain JavaScript in the oldest dialect, and before anything else: an older Node cannot even read the sources, and says
// so only as a syntax error or an unknown file extension.
const needed = 24;
const found = Number(process.versions.node.split('.')[0]);

if (found < needed) {
  console.error(
    `aftersync needs Node ${needed} or newer, and this is ${process.version} (${process.execPath}).\n` +
      'The repository brings its own as the development dependency `node`, whose install script fetches it: run `npm ci`\n' +
      'without --ignore-scripts, and start things through npm (`npm test`, `npm start`, `npx aftersync`). npm 12 runs only\n' +
      'the install scripts that allowScripts in package.json lists; `node` is one of them, so keep it there.',
  );
  process.exitCode = 1;
}
