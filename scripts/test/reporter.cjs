// Mocha's `spec` for people, and each result as a JSON line in the file TEST_RESULTS: a suite that hangs or crashes
// loses none that were known before.
const { appendFileSync } = require('node:fs');
const Mocha = require('mocha');

module.exports = class Reporter extends Mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    const file = process.env.TEST_RESULTS;
    const note = (event, test) => appendFileSync(file, `${JSON.stringify({ event, name: test?.fullTitle() })}\n`);
    runner.on('test', (test) => note('begin', test));
    runner.on('pass', (test) => note('passed', test));
    runner.on('fail', (test) => note('failed', test));
    runner.on('pending', (test) => note('skipped', test));
    runner.once('end', () => note('end'));
  }
};
