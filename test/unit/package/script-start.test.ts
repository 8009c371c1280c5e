import { strict as assert } from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { scriptStart, startsItself, type ScriptStart } from '../../../src/package/script-start';

const of = (text: string): Partial<ScriptStart> => {
  const { path, ...rest } = scriptStart('bin/x', Buffer.from(text));
  assert.equal(path, 'bin/x');
  return Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
};

describe('how a script is started', () => {
  it('is said by its first line', () => {
    assert.deepEqual(of('#!/bin/sh\ntrue\n'), { kind: 'interpreter', programs: ['/bin/sh'] });
    assert.deepEqual(of('#! /opt/app/python -u\n'), { kind: 'interpreter', programs: ['/opt/app/python'] });
    const env = { kind: 'interpreter', programs: ['/usr/bin/env'] };
    assert.deepEqual(of('#!/usr/bin/env python3\n'), { ...env, command: 'python3' });
    assert.deepEqual(of('#!/usr/bin/env -S bash -eu\n'), { ...env, command: 'bash' });
    assert.deepEqual(of('#!/usr/bin/env LANG=C perl -w\n'), { ...env, command: 'perl' });
    assert.deepEqual(of('#!/usr/bin/env -i -u HOME x\n'), env);
    assert.deepEqual(of('echo no hash-bang\n'), { kind: 'shell', programs: [] });
    assert.deepEqual(of(''), { kind: 'shell', programs: [] });
  });

  it('is impossible with the line ends of Windows, or without an absolute path', () => {
    for (const text of [
      '#!/bin/sh\r\necho\r\n',
      '#!/usr/bin/env python3\r\n',
      '#!/bin/sh\necho\r\ntrue\r\n',
      '#!/bin/bash\nset -e\r\ntrue\r\ntrue\r\n',
      'echo without\r\ntrue\r\n',
    ]) {
      assert.match(of(text).broken ?? '', /CR LF/, JSON.stringify(text));
    }
    assert.match(of('#!python3\n').broken ?? '', /no absolute path/);
    assert.equal(of("#!/bin/sh\nprintf 'HTTP/1.1 200 OK\r\n'\ntrue\n").broken, undefined, 'one line that is meant so');
    assert.equal(of('#!/usr/bin/python3\nimport os\r\nos\r\n').broken, undefined, 'Python takes both');
  });

  it('of a binary is said by its loader and machine', async function () {
    if (process.platform !== 'linux' || process.arch !== 'x64') this.skip();
    const start = scriptStart('bin/ls', (await readFile('/bin/ls')).subarray(0, 4096));
    assert.equal(start.kind, 'program');
    assert.equal(start.arch, execFileSync('uname', ['-m']).toString().trim());
    assert.match(start.programs[0] ?? '', /^\/lib/);
    assert.equal(startsItself(Buffer.from('\x7fELF')), true);
  });

  it('is found in any bytes, and never breaks', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ maxLength: 300 }).map((rest) => Buffer.concat([Buffer.from('\x7fELF\x02\x01', 'latin1'), rest])),
      fc.string().map((text) => Buffer.from(`#!${text}`)),
    );
    fc.assert(
      fc.property(bytes, (each) => {
        for (const program of scriptStart('x', each).programs) assert.ok(program.startsWith('/'));
      }),
    );
  });
});
