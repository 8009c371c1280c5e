import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { literalPattern, topMembers } from '../../../../src/backup/points/quoting';

describe('names of members', () => {
  it('are quoted exactly as GNU tar quotes them', () => {
    const dir = mkdtempSync(join(tmpdir(), 'clusterlift-quote-'));
    try {
      const names = ['plain', 'a b', ' lead', 'q"uo\\te', 'ünï ☃', "it's", 'a -> b', '*[x]?', '-dash', '$(x)`'];
      for (const each of names) writeFileSync(join(dir, each), '');
      for (const each of names) {
        const archive = execFileSync('tar', ['-c', '--no-unquote', '-C', dir, '-f', '-', `./${each}`]);
        const listed = execFileSync('tar', ['-t', '--quoting-style=c', '-f', '-'], {
          input: archive,
          env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
        });
        const top = topMembers([{ path: `/${each}`, state: 'present', link: false }], 'gnu');
        assert.equal(`"${top}"\n`, listed.toString());
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('are those of the present paths only', () => {
    const paths = [
      { path: '/a', state: 'present', link: true },
      { path: '/b', state: 'absent', link: false },
      { path: '/ü', state: 'present', link: false },
    ] as const;
    assert.equal(topMembers(paths, 'busybox'), './a\n./ü');
    assert.equal(topMembers(paths, 'gnu'), './a\n./\\303\\274');
  });

  it('mean only themselves as patterns', () => {
    assert.equal(literalPattern('/a*b/[c]?\\'), '/a\\*b/\\[c\\]\\?\\\\');
  });
});
