/** How a script of a package is started: what its first bytes say. A node must have what they name. */
export interface ScriptStart {
  /** In the package. */
  readonly path: string;
  readonly kind: 'interpreter' | 'program' | 'shell';
  /** Absolute paths of programs that the node must have: of the `#!` line, or the loader of a binary. */
  readonly programs: readonly string[];
  /** What `env` of the `#!` line looks for in PATH. */
  readonly command: string | undefined;
  /** Of a binary, as `uname -m`; undefined: not known. */
  readonly arch: string | undefined;
  /** Why no node can start it. */
  readonly broken: string | undefined;
}

/** Bytes that are enough to tell. */
export const START_BYTES = 4096;

/** Does it start by itself, without `sh` before it? What modes in the image say is not looked at. */
export function startsItself(bytes: Uint8Array): boolean {
  return isHashBang(bytes) || isElf(bytes);
}

/**
 * Reads how a script begins.
 * @param bytes its first `START_BYTES`, or more
 */
export function scriptStart(path: string, bytes: Uint8Array): ScriptStart {
  if (isElf(bytes)) return elfStart(path, bytes);
  const text = Buffer.from(bytes).toString('latin1');
  const start = { path, kind: 'shell', programs: [], command: undefined, arch: undefined, broken: undefined } as const;
  const [first = ''] = text.split('\n', 1);
  if (!isHashBang(bytes)) {
    const crlf = first.endsWith('\r') || endsWithCr(text);
    return crlf ? { ...start, broken: CRLF } : start;
  }
  if (first.endsWith('\r')) return { ...start, kind: 'interpreter', broken: CRLF };
  const [interpreter = '', ...args] = first
    .slice(2)
    .trim()
    .split(/[ \t]+/);
  const hashBang = { ...start, kind: 'interpreter', programs: [interpreter] } as const;
  if (!interpreter.startsWith('/'))
    return { ...hashBang, programs: [], broken: `its first line names no absolute path: ${first}` };
  if (SHELLS.test(interpreter) && endsWithCr(text)) return { ...hashBang, broken: CRLF };
  return interpreter.endsWith('/env') ? { ...hashBang, command: wantedOfEnv(args) } : hashBang;
}

const CRLF = 'its lines end with CR LF, as on Windows';
const SHELLS = /\/(?:ba|da|a|k|z)?sh$/;

/** Most of its lines end with CR: a few may be meant so, in a here-document. */
function endsWithCr(text: string): boolean {
  const lines = text.split('\n').slice(0, -1);
  return lines.filter((each) => each.endsWith('\r')).length * 2 > lines.length;
}

/** The program among the arguments of env(1); undefined where an option makes it unsure. */
function wantedOfEnv(args: readonly string[]): string | undefined {
  const [first] = args;
  const rest = first === '-S' || first === '--split-string' ? args.slice(1) : args;
  const command = rest.find((each) => !/^[A-Za-z_][A-Za-z0-9_]*=/.test(each));
  return command !== undefined && /^[A-Za-z0-9_.+/][A-Za-z0-9_.+/-]*$/.test(command) && !/^[^/]+\//.test(command)
    ? command
    : undefined;
}

function isHashBang(bytes: Uint8Array): boolean {
  return bytes[0] === 0x23 && bytes[1] === 0x21;
}

function isElf(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** `e_machine` of the ELF specification and what `uname -m` calls it, of 64-bit systems. */
const MACHINES: Readonly<Record<number, string>> = {
  0x3e: 'x86_64',
  0xb7: 'aarch64',
  0xf3: 'riscv64',
  0x16: 's390x',
  0x15: 'ppc64le',
  0x102: 'loongarch64',
};
const PT_INTERP = 3;

/** Of a 64-bit little-endian program: its machine, and the loader that it names. Others are left to the node. */
function elfStart(path: string, bytes: Uint8Array): ScriptStart {
  const start = { path, kind: 'program', command: undefined, broken: undefined } as const;
  const view = Buffer.from(bytes);
  if (view.length < 64 || view[4] !== 2 || view[5] !== 1) return { ...start, programs: [], arch: undefined };
  const arch = MACHINES[view.readUInt16LE(18)];
  const loader = loaderOf(view);
  return { ...start, programs: loader === undefined ? [] : [loader], arch };
}

function loaderOf(view: Buffer): string | undefined {
  const [table, size, count] = [Number(view.readBigUInt64LE(32)), view.readUInt16LE(54), view.readUInt16LE(56)];
  for (let index = 0; index < Math.min(count, 64); index++) {
    const at = table + index * size;
    if (size < 56 || at + 56 > view.length) return undefined;
    if (view.readUInt32LE(at) !== PT_INTERP) continue;
    const [offset, length] = [Number(view.readBigUInt64LE(at + 8)), Number(view.readBigUInt64LE(at + 32))];
    if (length < 2 || length > 256 || offset + length > view.length) return undefined;
    const text = view.toString('latin1', offset, offset + length - 1);
    return /^\/[\x21-\x7e]+$/.test(text) ? text : undefined;
  }
  return undefined;
}
