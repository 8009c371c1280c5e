import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory and the directories above it; one that exists stays as it is.
 *
 * Node's own `recursive` never ends where a file system answers ENOENT for a new entry of a directory that exists, as
 * /proc and an automounted /home do.
 * @param path absolute, or relative to the working directory
 * @param mode of each directory that is made
 * @throws the error of `mkdir`
 */
export async function makeDirectory(path: string, mode = 0o700): Promise<void> {
  const above = dirname(path);
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || above === path) return throwUnlessThere(path, error);
    await makeDirectory(above, mode);
    await mkdir(path, { mode }).catch((again: unknown) => throwUnlessThere(path, again));
  }
}

/** Another process may have made it meanwhile; a link to a directory serves as well. */
async function throwUnlessThere(path: string, error: unknown): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() !== true) throw error;
}
