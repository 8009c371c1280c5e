import { spawn } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { once } from 'node:events';
import type { RandomReader } from '../../../src/base/reader';
import { hasCode } from '../../../src/base/errors';
import type { ExecRequest, ExecResult, NodeConnection } from '../../../src/ssh/connection';
import type { BackupNode } from '../../../src/backup/points/store';
import type { NodeTask, RunTask, TaskEnd } from '../../../src/backup/points/task';
import { output, succeed } from '../../lab/tools';
import type { ErrorCode } from '../../../src/base/catalogue';

/** Why the tests of this room cannot run here. */
export function whyNotRoot(): string | undefined {
  return process.getuid?.() === 0 ? undefined : 'owners and devices need root';
}

export interface ShellOptions {
  /** The shell and its first arguments; default `sh`. */
  readonly shell?: readonly string[];
  /** Put before the PATH of the scripts. */
  readonly path?: string;
  /** Text that is put before the script after its library: to break something on purpose. */
  readonly before?: string;
}

/** Runs the scripts of nodes on this machine with any shell and any tools: where a real node would be one kind of system only. */
export class ShellConnection implements NodeConnection {
  constructor(
    readonly node: string,
    private readonly options: ShellOptions = {},
  ) {}

  async exec(request: ExecRequest): Promise<ExecResult> {
    const [program = 'sh', ...first] = this.options.shell ?? ['sh'];
    const dir = await mkdtemp(join(tmpdir(), 'clusterlift-exec-'));
    try {
      const file = join(dir, 'script');
      await writeFile(file, this.edit(request.script));
      const child = spawn(program, [...first, file, ...(request.args ?? [])], { stdio: 'pipe' });
      child.stdin.on('error', () => undefined);
      const closed = once(child, 'close');
      void this.feed(child.stdin, request.stdin);
      const [stdout, stderr] = await Promise.all([this.take(child.stdout, request), buffer(child.stderr)]);
      const [code, signal] = (await closed) as [number | null, string | null];
      return { code, signal: signal ?? undefined, stdout, stderr: stderr.toString() };
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  }

  /** The script as this connection runs it. */
  edit(script: string): string {
    const { path, before } = this.options;
    const found = path === undefined ? script : script.replace(/^PATH=.*$/m, `PATH=${path}`);
    return before === undefined ? found : found.replace(/^export LC_ALL PATH$/m, (all) => `${all}\n${before}`);
  }

  private async feed(stdin: NodeJS.WritableStream, data: ExecRequest['stdin']): Promise<void> {
    if (typeof data === 'string' || data instanceof Uint8Array) {
      stdin.end(data);
      return;
    }
    for await (const chunk of data ?? []) {
      if (!stdin.write(chunk)) await Promise.race([once(stdin, 'drain'), once(stdin, 'close')]);
    }
    stdin.end();
  }

  private async take(stdout: AsyncIterable<Buffer>, request: ExecRequest): Promise<string> {
    if (!request.onStdout) return (await buffer(stdout)).toString();
    for await (const chunk of stdout) await request.onStdout(chunk);
    return '';
  }

  openReader(): Promise<RandomReader> {
    return Promise.reject(new Error('not used'));
  }

  append(): Promise<void> {
    return Promise.reject(new Error('not used'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** Runs a task at once, as a job would. */
export function runner(connection: ShellConnection): RunTask {
  return (task) => runTask(connection, task);
}

export async function runTask(connection: ShellConnection, task: NodeTask): Promise<TaskEnd> {
  const secrets = Object.entries(task.secrets)
    .map(([name, value]) => `${name}='${value.replaceAll("'", "'\\''")}'; export ${name}\n`)
    .join('');
  const result = await connection.exec({ script: secrets + task.text, args: task.args, timeout: 60_000 });
  return { rc: result.code ?? 137, log: result.stdout + result.stderr };
}

/** A directory that stands for one node: `root` is where its application lies, `node.stateDir` its state. */
export class Place {
  private constructor(
    readonly dir: string,
    readonly connection: ShellConnection,
    readonly node: BackupNode,
  ) {}

  static async make(name = 'n1', options: ShellOptions = {}): Promise<Place> {
    const dir = await mkdtemp(join(tmpdir(), 'clusterlift-place-'));
    const connection = new ShellConnection(name, options);
    await mkdir(join(dir, 'root'));
    return new Place(dir, connection, { name, connection, stateDir: join(dir, 'state') });
  }

  get root(): string {
    return join(this.dir, 'root');
  }

  get run(): RunTask {
    return runner(this.connection);
  }

  async remove(): Promise<void> {
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** PATH of a system that has nothing but busybox; removed when the tests end. */
export async function busyboxPath(): Promise<string> {
  const dir = join(tmpdir(), `clusterlift-busybox-${String(process.pid)}`);
  if (!existsSync(dir)) process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  await mkdir(dir, { recursive: true });
  const applets = (await succeed('busybox', ['--list'])).split('\n').filter((each) => each !== '');
  await Promise.all(
    applets.map((each) =>
      symlink('/usr/bin/busybox', join(dir, each)).catch((error: unknown) => {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }),
    ),
  );
  return dir;
}

/** Everything that can be known of a tree, a line an entry: to be compared as a whole. Contents by digest. */
export async function census(dir: string, detail: 'all' | 'plain' = 'all'): Promise<string> {
  const format = detail === 'all' ? '%y %m %U:%G %s %T@ %n %P -> %l\\0' : '%y %m %U:%G %Ts %P -> %l\\0';
  const found = await output('find', [dir, '-printf', format]);
  const entries = found.stdout
    .split('\0')
    .filter((each) => each !== '')
    .sort();
  const hash = await output('sh', ['-c', CONTENTS, 'sh', dir], { timeout: 120_000 });
  const inodes = await output('find', [dir, '-type', 'f', '-links', '+1', '-printf', '%i %P\\0']);
  const groups = new Map<string, string[]>();
  for (const each of inodes.stdout.split('\0').filter((line) => line !== '')) {
    const at = each.indexOf(' ');
    groups.set(each.slice(0, at), [...(groups.get(each.slice(0, at)) ?? []), each.slice(at + 1)].sort());
  }
  const links = [...groups.values()].map((each) => each.join(' = ')).sort();
  const lines = [...entries, hash.stdout, ...links];
  if (detail === 'all') {
    lines.push(
      await succeed('sh', ['-c', 'cd "$1" && getfattr -R -h -d -m - . 2>/dev/null | sed "/^$/d" | sort', 'sh', dir]),
    );
    lines.push(await succeed('sh', ['-c', 'cd "$1" && getfacl -R -n -p . 2>/dev/null | sort', 'sh', dir]));
  }
  return lines.map((each) => JSON.stringify(each)).join('\n');
}

// Of huge files what is not zero, wherever the holes are: two gigabytes of nothing take long to hash.
const CONTENTS = `cd "$1" && find . -type f -size -1000M -print0 | sort -z | xargs -0r openssl dgst -sha256 -r
find . -type f -size +999M -exec sh -c 'tar -c -S --hole-detection=raw --format=gnu --mtime=@0 "$1" | sha256sum' sh {} ';'`;

/** Blocks on the disk of a file. */
export async function blocks(file: string): Promise<number> {
  return Number(await succeed('stat', ['-c', '%b', file]));
}

/** The tree of issue 3: everything that backups get wrong. */
export async function oddTree(dir: string, sparse = '20M'): Promise<void> {
  await mkdir(dir, { recursive: true });
  await succeed('sh', ['-ceu', ODD, 'sh', dir, sparse]);
}

const ODD = `
cd "$1"
mkdir -p empty sub/deep 'with space'
echo one > 'a b'
printf 'x' > 'new
line'
printf 'u' > 'ünï ☃'
printf 'd' > ./-dash
printf 'q' > 'q"uo\\te'
printf 's' > '  lead'
printf 's' > 'trail '
printf 'arrow' > 'a -> b'
printf 'star' > '*[x]?'
ln 'a b' hard
ln 'a b' sub/deep/hard2
ln -s /nowhere/at/all dangling
ln -s 'x -> y' 'l -> m'
ln -s sub dirlink
ln -s ../../../../etc/passwd up
truncate -s "$2" sparse
printf data | dd of=sparse bs=1 seek=1000000 conv=notrunc 2>/dev/null
head -c 300000 /dev/urandom > blob
printf '#!/bin/sh\\n' > setuid; chown 123:456 setuid; chmod 6755 setuid
mkfifo fifo
chown -h 1234:4321 dangling
chown 65534:65534 'with space'
chmod 1777 'with space'
chmod 000 'a b'
n=0; while [ $n -lt 30 ]; do long=\${long-}0123456789; n=$((n+1)); done
mkdir -p "deep/$(printf %.200s "$long")/$(printf %.200s "$long")"
echo deep > "deep/$(printf %.200s "$long")/$(printf %.200s "$long")/file"
setfattr -n user.note -v 'a value' sub 2>/dev/null || :
setfattr -n user.bin -v 0x00ff00 blob 2>/dev/null || :
setfattr -n trusted.t -v root blob 2>/dev/null || :
setfacl -m u:1000:r 'ünï ☃' 2>/dev/null || :
setfacl -d -m g:5:rx sub 2>/dev/null || :
touch -h -d '2001-02-03 04:05:06.123456789' dangling
touch -d '1999-12-31 23:59:59.987654321' blob empty sub/deep sub deep
touch -d '2010-01-01 00:00:00.5' .
`;

/** Changes, removes and adds in every way. */
export async function ruin(dir: string): Promise<void> {
  await succeed('sh', [
    '-ceu',
    'cd "$1"; rm -rf sub "a b" dangling; echo changed > blob; mkdir -p later/too; echo late > later/too/file; ln -s / "l -> n"; chmod 700 "with space"; rmdir empty; echo file > empty; chown 7:7 .',
    'sh',
    dir,
  ]);
}

export async function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8');
}

export async function linkOf(file: string): Promise<string> {
  return readlink(file);
}

/** An error of ours with this code, for assert.rejects. */
export function withCode(code: ErrorCode): (error: unknown) => boolean {
  return (error) => {
    if (hasCode(error, code)) return true;
    throw error;
  };
}
