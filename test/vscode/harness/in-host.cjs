// Runs mocha inside the extension host, where the whole `vscode` API is. Loaded by a small file that
// `hostSuite` (host.ts) writes: it says which test files, and where the result goes.
const fs = require('node:fs');
const path = require('node:path');

require('tsx/cjs');
require('../../setup.cjs');
const { Mocha } = require('mocha');

/**
 * @param {{ files: string[], result: string }} job
 * @returns {Promise<void>} resolved also when tests failed: the result file says which
 */
exports.run = async ({ files, result }) => {
  const tests = [];
  let trouble;
  try {
    const mocha = new Mocha({ timeout: 60_000, reporter: class {} });
    for (const file of files) mocha.addFile(path.resolve(file));
    await new Promise((done) => {
      const runner = mocha.run(done);
      const keep = (test, error) =>
        tests.push({ title: test.fullTitle(), state: test.state ?? 'pending', error: error?.stack ?? error?.message });
      runner.on('pass', keep);
      runner.on('pending', keep);
      runner.on('fail', keep);
    });
  } catch (error) {
    trouble = error instanceof Error ? error.stack : String(error);
  }
  fs.writeFileSync(`${result}.part`, JSON.stringify({ tests, trouble }));
  fs.renameSync(`${result}.part`, result);
};
