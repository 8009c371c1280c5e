import { existsSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { LabNode } from './node';

/** A restic that is recent enough, as `npm test` found or fetched it; undefined: there is none. */
export function resticProgram(): string | undefined {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const places = [process.env['RESTIC'], join(cache, 'clusterlift-dev/restic/usr/bin/restic')];
  return places.find((each) => each !== undefined && existsSync(each));
}

/** Gives a node the command `restic`. */
export async function installRestic(node: LabNode): Promise<void> {
  const program = resticProgram();
  if (program === undefined) throw new Error('there is no restic here; npm test fetches it');
  const file = join(node.root, 'usr/bin/restic');
  await copyFile(program, file);
  await chmod(file, 0o755);
}
