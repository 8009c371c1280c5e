import { advice } from '../../base/shell';
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { wallClock } from '../../base/clock';
import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { entryProblem } from './entry-schema';
import type { JournalEntry, RunEvent } from './events';

/**
 * The journal of a run: one JSON line an event, each with its number and the sha256 of the line before.
 * A line is written and synced before the act that it announces; many that come at once share one sync.
 */

export const FIRST_PREV = '0'.repeat(64);
/** Far above any real run: a file beyond it is not ours. */
const MAX_BYTES = 256 * 1024 * 1024;

export class Journal {
  #seq: number;
  #prev: string;
  #queue: { lines: string; settle: { resolve: () => void; reject: (error: Error) => void }[] } | undefined;
  #writing: Promise<void> = Promise.resolve();
  #broken: Error | undefined;

  private constructor(
    private readonly file: FileHandle,
    readonly path: string,
    last: JournalEntry | undefined,
    lastLine: string | undefined,
  ) {
    this.#seq = last?.seq ?? 0;
    this.#prev = lastLine === undefined ? FIRST_PREV : sha256(lastLine);
  }

  /** Starts a new journal; the file must not exist. */
  static async create(path: string): Promise<Journal> {
    return new Journal(await open(path, 'wx', 0o600), path, undefined, undefined);
  }

  /**
   * Goes on with a journal: reads and checks it, and cuts off a torn last line.
   * @throws ClusterliftError `journal-broken`, `journal-newer`
   */
  static async open(path: string): Promise<{ journal: Journal; entries: JournalEntry[] }> {
    const file = await open(path, 'r+');
    try {
      const { size } = await file.stat();
      if (size > MAX_BYTES) throw broken(path, 0, `it is larger than ${String(MAX_BYTES)} bytes`);
      const parsed = parseJournal(await file.readFile('utf8'), path);
      if (parsed.goodBytes < size) {
        await file.truncate(parsed.goodBytes);
        await file.sync();
      }
      return { journal: new Journal(file, path, parsed.entries.at(-1), parsed.lastLine), entries: parsed.entries };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Writes a line and syncs it.
   * @throws ClusterliftError `journal-write`: then the announced act must not be done
   */
  async append(event: RunEvent): Promise<JournalEntry> {
    if (this.#broken) throw this.#broken;
    const entry: JournalEntry = {
      seq: ++this.#seq,
      time: new Date(wallClock()).toISOString(),
      prev: this.#prev,
      ...event,
    };
    const line = JSON.stringify(entry);
    this.#prev = sha256(line);
    await new Promise<void>((resolve, reject) => {
      if (!this.#queue) {
        this.#queue = { lines: '', settle: [] };
        this.#writing = this.#writing.then(() => this.#flush());
      }
      this.#queue.lines += `${line}\n`;
      this.#queue.settle.push({ resolve, reject });
    });
    return entry;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.file.close();
  }

  async #flush(): Promise<void> {
    const batch = this.#queue;
    this.#queue = undefined;
    if (!batch) return;
    try {
      if (this.#broken) throw this.#broken;
      const { size } = await this.file.stat();
      await writeAll(this.file, Buffer.from(batch.lines), size);
      await this.file.datasync();
      for (const each of batch.settle) each.resolve();
    } catch (error) {
      // After a failed write the chain on disk is not known: nothing more is written by this process.
      this.#broken ??= new ClusterliftError({
        code: 'journal-write',
        message: `The journal ${this.path} cannot be written: ${messageOf(error)}`,
        hint: 'Make room on that disk, then resume the run.',
        exit: ExitStatus.unknown,
        cause: error,
      });
      for (const each of batch.settle) each.reject(this.#broken);
    }
  }
}

/** A disk that becomes full takes a part of what it is given, without an error. */
async function writeAll(file: Pick<FileHandle, 'write'>, bytes: Uint8Array, position: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, position + written);
    if (bytesWritten === 0) throw new Error('the disk takes no more');
    written += bytesWritten;
  }
}

export interface ParsedJournal {
  readonly entries: JournalEntry[];
  /** Bytes up to the end of the last whole line. */
  readonly goodBytes: number;
  readonly lastLine: string | undefined;
}

/**
 * Reads the text of a journal and checks numbers and hashes. A torn last line (no newline) is left out.
 * @throws ClusterliftError `journal-broken` with the line number, `journal-newer`
 */
export function parseJournal(text: string, path: string): ParsedJournal {
  const parsed = readableJournal(text, path);
  if (parsed.problem) throw parsed.problem;
  return parsed;
}

/** The same up to the first line that cannot be trusted, and why it cannot. */
export function readableJournal(
  text: string,
  path: string,
): ParsedJournal & { readonly problem: ClusterliftError | undefined } {
  const entries: JournalEntry[] = [];
  let goodBytes = 0;
  let prev = FIRST_PREV;
  let lastLine: string | undefined;
  const lines = text.split('\n');
  lines.pop();
  for (const line of lines) {
    const entry = entryOf(line, path, entries.length + 1, prev);
    if (entry instanceof ClusterliftError) return { entries, goodBytes, lastLine, problem: entry };
    entries.push(entry);
    prev = sha256(line);
    lastLine = line;
    goodBytes += Buffer.byteLength(line) + 1;
  }
  return { entries, goodBytes, lastLine, problem: undefined };
}

/** The text with more lines after it, chained as `append` does it. */
export function extendedJournal(text: string, path: string, events: readonly RunEvent[]): string {
  const { entries, lastLine, goodBytes } = parseJournal(text, path);
  let seq = entries.length;
  let prev = lastLine === undefined ? FIRST_PREV : sha256(lastLine);
  const time = new Date(wallClock()).toISOString();
  const lines = events.map((event) => {
    const line = JSON.stringify({ seq: ++seq, time, prev, ...event });
    prev = sha256(line);
    return `${line}\n`;
  });
  return Buffer.from(text).subarray(0, goodBytes).toString() + lines.join('');
}

function entryOf(line: string, path: string, number: number, prev: string): JournalEntry | ClusterliftError {
  try {
    const entry = parseEntry(line, path, number);
    if (entry.seq === number && entry.prev === prev) return entry;
    return broken(path, number, 'a line is missing or was changed');
  } catch (error) {
    if (error instanceof ClusterliftError) return error;
    throw error;
  }
}

function parseEntry(line: string, path: string, number: number): JournalEntry {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw broken(path, number, 'it is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw broken(path, number, 'it is not an object');
  const { seq, prev, time, type, schema } = value as Record<string, unknown>;
  if (typeof schema === 'number' && schema > 1) throw newer(path);
  if (typeof seq !== 'number' || typeof prev !== 'string' || typeof time !== 'string' || typeof type !== 'string') {
    throw broken(path, number, 'fields are missing');
  }
  const problem = entryProblem({ ...value, type });
  if (problem !== undefined) throw broken(path, number, problem);
  return value as JournalEntry;
}

function broken(path: string, line: number, why: string): ClusterliftError {
  // Journals lie in the folder of their run.
  const run = basename(dirname(path));
  return new ClusterliftError({
    code: 'journal-broken',
    message: `The journal ${path} cannot be trusted: line ${String(line)}: ${why}`,
    hint: advice`Read the copy on the nodes with \`clusterlift resume ${run} --from-nodes\`, or close the run with \`clusterlift runs abandon ${run}\`.`,
    exit: ExitStatus.unknown,
    ...(line > 0 ? { at: { file: path, line, column: 1 } } : {}),
  });
}

function newer(path: string): ClusterliftError {
  return new ClusterliftError({
    code: 'journal-newer',
    message: `The journal ${path} was written by a newer Clusterlift`,
    hint: 'Use that version to go on; this one only shows the run.',
    exit: ExitStatus.usage,
  });
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
