// `npm test`: everything, dependencies included. Runs with whatever Node there is and nothing installed; then goes on
// under the project's own Node. `npm test -- unit integration/lab` runs only the steps whose names begin so.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const NODE = join(ROOT, 'node_modules/node/bin/node');

/** Is what lies in node_modules what the lock file says? npm keeps a lock file of its own there. */
function installed() {
  const read = (file) => JSON.parse(readFileSync(join(ROOT, file), 'utf8')).packages;
  try {
    const there = read('node_modules/.package-lock.json');
    return Object.entries(read('package-lock.json')).every(
      // Optional ones are for other systems.
      ([path, { version, optional }]) => path === '' || optional || there[path]?.version === version,
    );
  } catch {
    return false;
  }
}

function main() {
  if (!installed() || !existsSync(NODE)) {
    console.log('Installing dependencies (npm ci) …');
    const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: ROOT, stdio: ['ignore', 2, 2] });
    if (status !== 0) {
      console.log('npm ci failed: nothing was tested.\n0 passed, 1 failed');
      return 1;
    }
  }
  // exec, so to say: signals from the terminal reach the child by themselves.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  const runner = fileURLToPath(new URL('test/main.mjs', import.meta.url));
  const { status } = spawnSync(NODE, [runner, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
