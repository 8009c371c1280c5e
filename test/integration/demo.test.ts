import { strict as assert } from 'node:assert';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

describe('the demo', function () {
  this.timeout(300_000);

  it('goes as it tells: an upgrade, nothing to do, a failure with its reason; nothing is left in the home', () => {
    const demo = resolve(__dirname, '../../scripts/demo.ts');
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', demo], {
      encoding: 'utf8',
      timeout: 170_000,
    });
    assert.equal(status, 0, stdout);
    assert.match(stdout, /Nothing to do/);
    assert.match(stdout, /the database schema 7 is not one of 8, 9/);
    assert.equal(existsSync(join(homedir(), 'hello')), false);
  });
});
