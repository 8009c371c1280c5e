import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { NodeConnection } from '../connection';
import { assignment, parseRequests, value, type ScriptRequests } from './jobs';
import writing from './write-file.sh';
import starting from './lib-script.sh';
import { ask, broken, type Entries } from './script';
import text from './quick-script.sh';

/**
 * Short scripts of a package (`version`, `check`, `health`): they change nothing, so they run inside the exec
 * and are killed, with all their children, when they take too long.
 */
export interface QuickScript {
  /** Names its result. */
  readonly name: string;
  /** Relative to the directory of the package; without the executable bit it is given to `sh`. */
  readonly path: string;
  readonly args?: readonly string[];
  /** Not for secrets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds; rounded up to seconds. */
  readonly timeoutMs: number;
  /** Most bytes of its stdout that are kept (the first ones); default 64 KiB. */
  readonly maxOutput?: number;
}

export interface QuickResult {
  readonly name: string;
  readonly rc: number | 'timeout';
  readonly stdout: string;
  /** The last 16 KiB. */
  readonly stderr: string;
  readonly requests: ScriptRequests;
}

/** A small file of a package, for a temporary directory on a node. */
export interface ScriptFile {
  /** Relative, without `..`. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly content: Uint8Array;
}

export interface QuickRequest {
  /** The unpacked package on the node; or the files, which are then laid into a temporary directory and removed at the end. */
  readonly from: { readonly dir: string } | { readonly files: readonly ScriptFile[] };
  readonly scripts: readonly QuickScript[];
  /** For all of them. In a temporary directory, `CLUSTERLIFT_PACKAGE` is set by the node. */
  readonly env?: Readonly<Record<string, string>>;
  readonly as?: 'root' | 'login';
  readonly signal?: AbortSignal;
}

/**
 * Runs short scripts one after the other, in one exec; a failure does not keep the next from running.
 * @returns in the order of the scripts
 * @throws ClusterliftError `temp-create`, `unpack-path`, and those of `exec`
 */
export async function runScripts(connection: NodeConnection, request: QuickRequest): Promise<QuickResult[]> {
  const { from, scripts, as, signal } = request;
  const spec = Buffer.from(specText(request));
  const stdin = Buffer.concat([spec, ...('files' in from ? from.files.map((file) => file.content) : [])]);
  const allowed = scripts.reduce((sum, each) => sum + each.timeoutMs, 0);
  const room = scripts.reduce((sum, each) => sum + (each.maxOutput ?? KEPT) + 32 * 1024, 64 * 1024);
  const entries = await ask(connection, {
    text: `${starting}\n${writing}\n${text}`,
    args: [String(spec.length), String(stdin.length)],
    stdin,
    timeout: allowed + 60_000,
    maxOutput: room,
    ...(as && { as }),
    ...(signal && { signal }),
  });
  return resultsOf(entries, connection.node, scripts);
}

/** One of them. */
export async function runScript(
  connection: NodeConnection,
  script: QuickScript & { readonly dir: string; readonly signal?: AbortSignal },
): Promise<QuickResult> {
  const { dir, signal, ...rest } = script;
  const [result] = await runScripts(connection, { from: { dir }, scripts: [rest], ...(signal && { signal }) });
  if (!result) throw broken(connection.node, 'the result of a script is missing');
  return result;
}

const KEPT = 64 * 1024;

function specText({ from, scripts, env = {} }: QuickRequest): string {
  const lines = [
    ...('dir' in from ? [`dir ${value(from.dir)}`] : from.files.map(fileLine)),
    ...Object.entries(env).map(([name, each]) => `common ${assignment(name, each)}`),
    ...scripts.flatMap(scriptLines),
  ];
  return `${lines.join('\n')}\n`;
}

/** The line of a spec for a file whose bytes follow. */
export function fileLine({ path, mode, content }: ScriptFile): string {
  return `file ${((mode & 0o777) | 0o400).toString(8)} ${content.length} ${value(path)}`;
}

function scriptLines(script: QuickScript): string[] {
  const { name, path, args = [], env = {}, timeoutMs, maxOutput = KEPT } = script;
  if (!/^[a-z0-9-]{1,40}$/.test(name)) throw badName(name);
  return [
    `run ${name} ${Math.ceil(timeoutMs / 1000)} ${maxOutput}`,
    ...Object.entries(env).map(([key, each]) => `env ${assignment(key, each)}`),
    // With a slash it is a file, and never looked up in PATH.
    `arg ${value(path.includes('/') ? path : `./${path}`)}`,
    ...args.map((each) => `arg ${value(each)}`),
    'go',
  ];
}

function badName(name: string): ClusterliftError {
  return new ClusterliftError({
    code: 'job-invalid',
    message: `${name} cannot name a script`,
    hint: 'This is a fault of Clusterlift: please report it.',
    exit: ExitStatus.failed,
  });
}

function resultsOf(entries: Entries, node: string, scripts: readonly QuickScript[]): QuickResult[] {
  const results: QuickResult[] = [];
  const fields = new Map<string, string>();
  const flush = (): void => {
    if (fields.size === 0) return;
    const rc = fields.get('rc') ?? '';
    if (rc !== 'timeout' && !/^\d{1,3}$/.test(rc)) throw broken(node, 'a script has no status');
    results.push({
      name: fields.get('run') ?? '',
      rc: rc === 'timeout' ? rc : Number(rc),
      stdout: fields.get('out') ?? '',
      stderr: fields.get('err') ?? '',
      requests: parseRequests(fields.get('output') ?? ''),
    });
    fields.clear();
  };
  for (const { key, value: bytes } of entries.list()) {
    if (key === 'run') flush();
    fields.set(key, bytes.toString('utf8'));
  }
  flush();
  const missing = scripts.find(({ name }, at) => results[at]?.name !== name);
  if (missing) throw broken(node, `the result of ${missing.name} is missing`);
  return results;
}
