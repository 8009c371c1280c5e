import { strict as assert } from 'node:assert';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ClusterliftError, hintFor } from '../../../src/base/errors';

describe('the hint of an error', () => {
  it('names the run and the node in its commands, so that they can be pasted', () => {
    const hint = 'RUN it: `clusterlift resume RUN --decide NODE=done`, `=retry`; then `clusterlift runs RUN`.';
    assert.equal(
      hintFor(hint, '2026-a', 'n1'),
      'RUN it: `clusterlift resume 2026-a --decide n1=done`, `=retry`; then `clusterlift runs 2026-a`.',
    );
    assert.match(hintFor(hint, '2026-a', ''), /--decide NODE=done/);
    const error = new ClusterliftError({ code: 'overdue', message: 'm', hint, node: 'n2' }).of('r1');
    assert.match(error.hint, /resume r1 --decide n2=done/);
  });

  it('says RUN only where the engine knows which: in a run that is worked on', async () => {
    const source = join(__dirname, '../../../src');
    const files = (await readdir(source, { recursive: true })).filter((each) => each.endsWith('.ts'));
    const found = await Promise.all(
      files.map(async (each) => {
        const text = await readFile(join(source, each), 'utf8');
        return /`[^`\n]*clusterlift [^`\n]*\bRUN\b[^`\n]*`/.test(text) ? [each] : [];
      }),
    );
    const outside = found
      .flat()
      .filter(
        (each) =>
          !/^(engine\/(?:actions|control|points|steps)\/[a-z-]+|backup\/points\/advice|ssh\/exec\/refusals)\.ts$/.test(
            each,
          ),
      );
    const early = found.flat().filter((each) => each.startsWith('engine/journal/'));
    assert.deepEqual([...outside, ...early], []);
  });
});
