// What `npm test` and `npm run demo` begin with: whatever Node there is, and nothing installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** The project's own Node. */
export const NODE = join(ROOT, 'node_modules/node/bin/node');

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

/** @returns false when `npm ci` failed */
export function ensureInstalled() {
  if (installed() && existsSync(NODE)) return true;
  console.log('Installing dependencies (npm ci) …');
  const npm = (...args) =>
    spawnSync('npm', [...args, '--loglevel=error'], { cwd: ROOT, stdio: ['ignore', 2, 2] }).status === 0;
  // Of all packages, only `node` may run a script of its own: it links the binary for this machine.
  return npm('ci', '--ignore-scripts', '--no-audit', '--no-fund') && npm('rebuild', 'node');
}
