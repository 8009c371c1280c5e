import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WAITING } from '../engine/journal/runs';

/**
 * Notes in the folder of a run what it waits for, so that lists and trees tell it without asking its process. The folder
 * is the only thing that they look at. A note that cannot be written stops nothing.
 */
export class WaitingNote {
  readonly #path: string;
  #last: Promise<unknown> = Promise.resolve();

  /** @param folder of the run */
  constructor(folder: string) {
    this.#path = join(folder, WAITING);
  }

  /** @param text the question, in words; undefined: nothing is waited for */
  set(text: string | undefined): void {
    this.#last = this.#last.then(() => this.#write(text)).catch(() => undefined);
  }

  /** Takes the note away; after that there is none. */
  async close(): Promise<void> {
    this.set(undefined);
    await this.#last;
  }

  async #write(text: string | undefined): Promise<void> {
    if (text === undefined) {
      await rm(this.#path, { force: true });
      return;
    }
    const temporary = `${this.#path}.tmp`;
    await writeFile(temporary, text, { mode: 0o600 });
    await rename(temporary, this.#path);
  }
}
