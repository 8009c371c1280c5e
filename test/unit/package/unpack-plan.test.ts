import { strict as assert } from 'node:assert';
import { execFile, execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { openIso } from '../../../src/package/iso/image';
import { escapeText, planChunks, planLines, unpackPlan } from '../../../src/package/unpack-plan';
import { hasTool } from '../../lab/images';
import { writeIso } from '../../lab/iso-writer';
import { memoryReader } from '../../lab/readers';

describe('the plan for unpacking', () => {
  it('escapes every text so that a shell gets it back byte by byte, without blanks on the way', () => {
    const texts = fc.array(
      fc.string({ unit: 'binary', minLength: 1 }).filter((each) => !each.includes('\0')),
      { minLength: 1, maxLength: 50 },
    );
    const check = (shell: string): void => {
      fc.assert(
        fc.property(texts, (all) => {
          const escaped = all.map(escapeText);
          for (const each of escaped) assert.match(each, /^[A-Za-z0-9._/+=@,\\-]+$/);
          const script = 'while read -r text; do printf %b "$text"; printf "\\n--\\n"; done';
          const out = execFileSync(shell, ['-c', script], { input: escaped.map((each) => `${each}\n`).join('') });
          assert.deepEqual(out.toString(), all.map((each) => `${Buffer.from(each).toString()}\n--\n`).join(''));
        }),
        { numRuns: 10 },
      );
    };
    check('/bin/sh');
  });

  it('is one line for each thing: directories, files as they lie, links', async () => {
    const { bytes } = writeIso(
      [
        { path: 'b/two', data: Buffer.from('2'.repeat(3000)), mode: 0o755 },
        { path: 'b/a b', data: Buffer.from(''), mode: 0o644 },
        { path: 'one', data: Buffer.from('1'), mode: 0o000 },
      ],
      { volumeId: 'PLAN', time: new Date() },
    );
    const plan = await unpackPlan(await openIso(memoryReader(bytes)));
    const lines = [...planLines(plan)].join('').split('\n');
    const start = bytes.indexOf('2'.repeat(3000));
    assert.equal(lines[0], 'd 755 b');
    assert.ok(lines.includes('f 644 0 - - b/a\\0040b'));
    assert.ok(lines.includes(`f 755 3000 ${String(start)}:3000 - b/two`));
    assert.ok(
      lines.some((each) => /^f 400 1 \d+:1 - one$/.test(each)),
      'readable for its owner',
    );
    assert.equal(plan.bytes, 3001);
    assert.equal(Buffer.concat([...planChunks(plan)]).toString(), lines.join('\n'));
  });

  it('describes an image well enough to make it again with nothing else', async function () {
    if (!(await hasTool('xorriso'))) this.skip();
    const folder = await mkdtemp(join(tmpdir(), 'clusterlift-plan-'));
    try {
      const tree = join(folder, 'tree');
      await mkdir(join(tree, 'a b/c'), { recursive: true });
      await writeFile(join(tree, 'a b/c/ü $(x) \\n'), 'strange name');
      await writeFile(join(tree, 'big'), Buffer.alloc(100_000, 'xyz'));
      await symlink('c/ü $(x) \\n', join(tree, 'a b/link'));
      const image = join(folder, 'x.iso');
      await promisify(execFile)('xorriso', ['-as', 'mkisofs', '-R', '-quiet', '-o', image, tree]);
      const plan = await unpackPlan(await openIso(memoryReader(await readFile(image))));
      const script = `set -e; mkdir "$2"; cd "$2"
        while read -r kind one two three four five; do case $kind in
          d) p=$(printf '%b' "$two"); mkdir -p "$p"; chmod "$one" "$p" ;;
          f) p=$(printf '%b' "$five"); : > "$p"
             case $three in -) ;; *) dd if="$1" bs=1 skip="\${three%:*}" count="\${three#*:}" 2>/dev/null > "$p";; esac; chmod "$one" "$p" ;;
          l) ln -s "$(printf '%b' "$one")" "$(printf '%b' "$two")" ;;
        esac; done`;
      execFileSync('/bin/sh', ['-c', script, 'sh', image, join(folder, 'out')], {
        input: Buffer.concat([...planChunks(plan)]),
      });
      execFileSync('diff', ['-r', '--no-dereference', tree, join(folder, 'out')]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
