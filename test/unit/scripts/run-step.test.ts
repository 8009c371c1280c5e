import { strict as assert } from 'node:assert';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Result } from '../../../scripts/test/run-step.mjs';

const ROOT = resolve(__dirname, '../../..');

const SUITES = {
  mixed: `
    it('is good', () => {});
    it('is skipped', function () { this.skip(); });
    it('is bad', () => { throw new Error('as it should'); });
    describe('a suite', () => {
      before(() => { throw new Error('no set-up'); });
      it('is not run', () => {});
    });`,
  hangs: `
    it('is quick', () => {});
    it('never ends', function (done) { this.timeout(0); setInterval(() => {}, 1000); process.on('exit', done); });`,
  stays: "it('leaves a timer', () => { setInterval(() => {}, 1000); });",
  exits: `
    it('is quick', () => {});
    it('ends the process', () => process.exit(0));
    it('is never reached', () => {});`,
  empty: "describe('nothing', () => {});",
};

describe('the test runner', () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'run-step-'));
  });
  after(() => {
    rmSync(dir, { recursive: true });
  });

  async function suite(name: keyof typeof SUITES, minutes = 1): Promise<Result> {
    const { runStep } = await import('../../../scripts/test/run-step.mjs');
    const mocha = join(ROOT, 'node_modules/mocha/bin/mocha.js');
    const reporter = join(ROOT, 'scripts/test/reporter.cjs');
    const file = join(dir, `${name}.cjs`);
    writeFileSync(file, SUITES[name]);
    const command = [process.execPath, mocha, '--no-config', '--reporter', reporter, file];
    const step = { name, mocha: true, minutes, grace: 500, command };
    return runStep(step, { root: ROOT, dir, env: process.env });
  }

  it('counts what passed, failed and was skipped; a broken set-up is a failure', async () => {
    const { passed, failed, skipped, output } = await suite('mixed');
    assert.deepEqual([passed, skipped], [1, ['is skipped']]);
    assert.deepEqual(failed, ['is bad', 'a suite "before all" hook for "is not run"']);
    assert.match(output, /as it should/);
  });

  it('ends a suite that hangs, names the test, keeps what was known', async () => {
    const { passed, failed } = await suite('hangs', 0.05);
    assert.equal(passed, 1);
    assert.match(failed.join(), /not done after .* "never ends"/);
  });

  it('fails a suite that leaves something open', async () => {
    const { passed, failed } = await suite('stays');
    assert.equal(passed, 1);
    assert.match(failed.join(), /left something open/);
  });

  it('fails a suite that ends early, although with status 0', async () => {
    const { passed, failed } = await suite('exits');
    assert.equal(passed, 1);
    assert.match(failed.join(), /before all tests had run.*"ends the process"/);
  });

  it('fails a suite without a test', async () => {
    assert.match((await suite('empty')).failed.join(), /no test/);
  });

  it('knows a program that is not there from one that works', async () => {
    const { runStep } = await import('../../../scripts/test/run-step.mjs');
    const at = { root: ROOT, dir, env: process.env };
    const missing = await runStep({ name: 'missing', command: ['/no/such/program'], minutes: 1 }, at);
    assert.deepEqual(missing.failed, ['missing']);
    const works = await runStep({ name: 'works', command: ['true'], minutes: 1 }, at);
    assert.deepEqual([works.passed, works.failed], [1, []]);
  });
});
