// `npm test`: everything, dependencies included. Runs with whatever Node there is and nothing installed; then goes on
// under the project's own Node. `npm test -- unit integration/lab` runs only the steps whose names begin so.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureInstalled, NODE, ROOT } from './bootstrap.mjs';

function main() {
  if (!ensureInstalled()) {
    console.log('npm ci failed: nothing was tested.\n0 passed, 1 failed');
    return 1;
  }
  // exec, so to say: signals from the terminal reach the child by themselves.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
  const runner = fileURLToPath(new URL('test/main.mjs', import.meta.url));
  const { status } = spawnSync(NODE, [runner, ...process.argv.slice(2)], { cwd: ROOT, stdio: 'inherit' });
  return status ?? 1;
}

process.exitCode = main();
