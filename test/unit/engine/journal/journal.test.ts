import { strict as assert } from 'node:assert';
import { execFile as execFileCallback } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { ClusterliftError } from '../../../../src/base/errors';
import type { RunEvent } from '../../../../src/engine/journal/events';
import { Journal, parseJournal } from '../../../../src/engine/journal/journal';
import { readCode } from '../../../../src/base/catalogue';

const execFile = promisify(execFileCallback);
const warning = (message: string): RunEvent => ({ type: 'warning', code: readCode('test'), message });

describe('journal', () => {
  let folder: string;
  let path: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'journal-'));
    path = join(folder, 'journal.jsonl');
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const write = async (...messages: string[]): Promise<void> => {
    const journal = await Journal.create(path);
    for (const message of messages) await journal.append(warning(message));
    await journal.close();
  };
  const messages = (entries: readonly RunEvent[]): string[] =>
    entries.map((entry) => (entry.type === 'warning' ? entry.message : entry.type));

  it('numbers its lines and chains them by hash', async () => {
    await write('a', 'b', 'c');
    const { entries } = parseJournal(await readFile(path, 'utf8'), path);
    assert.deepEqual(
      entries.map((entry) => entry.seq),
      [1, 2, 3],
    );
    assert.equal(new Set(entries.map((entry) => entry.prev)).size, 3);
  });

  it('keeps the order of lines that are appended at once', async () => {
    const journal = await Journal.create(path);
    await Promise.all(Array.from({ length: 200 }, (_, index) => journal.append(warning(String(index)))));
    await journal.close();
    const { entries } = parseJournal(await readFile(path, 'utf8'), path);
    assert.deepEqual(
      messages(entries),
      Array.from({ length: 200 }, (_, index) => String(index)),
    );
  });

  it('cuts off a torn last line before it goes on', async () => {
    await write('a', 'b');
    await appendFile(path, '{"seq":3,"torn');
    const { journal, entries } = await Journal.open(path);
    assert.deepEqual(messages(entries), ['a', 'b']);
    await journal.append(warning('c'));
    await journal.close();
    assert.deepEqual(messages(parseJournal(await readFile(path, 'utf8'), path).entries), ['a', 'b', 'c']);
  });

  it('goes on from any prefix of its bytes with the whole lines of that prefix', async () => {
    await write('first', 'second', 'third');
    const whole = await readFile(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length), async (length) => {
        await writeFile(path, whole.subarray(0, length));
        const { journal, entries } = await Journal.open(path);
        await journal.append(warning('next'));
        await journal.close();
        const after = parseJournal(await readFile(path, 'utf8'), path).entries;
        assert.equal(after.length, entries.length + 1);
        assert.equal(entries.length, whole.subarray(0, length).toString().split('\n').length - 1);
      }),
      { numRuns: 60 },
    );
  });

  it('does not trust a journal in which a line was changed, taken out or put in', async () => {
    await write('one', 'two', 'three');
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n');
    const [a, b, c] = lines as [string, string, string];
    for (const forged of [
      [a, b.replace('two', 'TWO'), c],
      [a, c],
      [b, c],
      [a, a, b, c],
    ]) {
      assert.throws(
        () => parseJournal(`${forged.join('\n')}\n`, path),
        (error) => error instanceof ClusterliftError && error.code === 'journal-broken',
      );
    }
  });

  it('refuses what is no journal without crashing', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseJournal(text, 'x');
        } catch (error) {
          assert.ok(error instanceof ClusterliftError, String(error));
        }
      }),
    );
  });

  it('says that a line is not written which the disk took only the beginning of', async function () {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) this.skip();
    await execFile('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'journal', folder]);
    try {
      const journal = await Journal.create(path);
      const written: string[] = [];
      await assert.rejects(
        async () => {
          for (let line = 0; line < 100; line++) {
            const message = `${String(line)} ${'x'.repeat(5000)}`;
            await journal.append(warning(message));
            written.push(message);
          }
        },
        (error) => error instanceof ClusterliftError && error.code === 'journal-write',
      );
      await journal.close();
      const text = await readFile(path, 'utf8');
      assert.ok(!text.endsWith('\n'), 'a part of the last line is there');
      assert.deepEqual(messages(parseJournal(text, path).entries), written);
    } finally {
      await execFile('umount', [folder]);
    }
  });

  it('says which disk is full, and writes nothing after that', async function () {
    if (process.platform !== 'linux') this.skip();
    const journal = await Journal.create(path);
    await journal.append(warning('a'));
    // The file is replaced underneath by one that can never be written.
    await (journal as unknown as { file: { close(): Promise<void> } }).file.close();
    await assert.rejects(
      journal.append(warning('b')),
      (error) => error instanceof ClusterliftError && error.code === 'journal-write',
    );
    await assert.rejects(journal.append(warning('c')));
    assert.deepEqual(messages(parseJournal(await readFile(path, 'utf8'), path).entries), ['a']);
  });
});
