import { StringDecoder } from 'node:string_decoder';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { line } from '../../base/text';
import { escape } from './command';
import type { NodeConnection } from '../connection';
import { epochArgument, type Fence } from '../fence';
import wrapper from './job-wrapper.sh';
import text from './job.sh';
import starting from './lib-script.sh';
import { compose } from './library';
import { broken, execute } from './script';

/**
 * Jobs: commands that run detached on a node, exactly once, and survive the connection (docs/on-a-node.md).
 * Starting may be repeated: the job claims its directory with one rename, and only the claimant runs.
 */

/** What runs: a text for `sh`, or a file (relative to `cwd`; without the executable bit it is given to `sh`). */
export type JobCommand =
  | { readonly kind: 'text'; readonly text: string; readonly args?: readonly string[] }
  | { readonly kind: 'file'; readonly path: string; readonly args?: readonly string[] };

export interface JobSpec {
  /** `<run>.<node>.<step>.<attempt>`; the name of its directory, used once and never again. */
  readonly id: string;
  /** As in clusters.json; undefined: the default on the node. */
  readonly stateDir: string | undefined;
  /** Who holds the lock: the job refuses itself (code `fenced`) when somebody else does. */
  readonly fence: Fence;
  readonly command: JobCommand;
  readonly cwd?: string;
  /** Not for secrets. Beyond these: `umask 022`, `LC_ALL=C`, a plain PATH, HOME, and `CLUSTERLIFT_OUTPUT`. */
  readonly env?: Readonly<Record<string, string>>;
  /** Variables that only the process of the job ever holds: they reach it through a FIFO. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What the script asks for in `$CLUSTERLIFT_OUTPUT` is kept in `requests/`, with this node's name. */
  readonly requests?: { readonly node: string };
  /**
   * The record of an upgrade, a JSON object. The node puts `state` and `time` (seconds) first: `begun` before the script,
   * `script-ok` or `failed` after it and before the job counts as ended.
   */
  readonly record?: { readonly product: string; readonly json: string };
  /** It changes the node: `lock/changed` then names this run and epoch, before the script begins. */
  readonly changes?: boolean;
}

/** What a script asked for by lines in `$CLUSTERLIFT_OUTPUT`; text is bounded and printable. */
export interface ScriptRequests {
  readonly provision: boolean;
  readonly reboot: boolean;
  readonly messages: readonly string[];
  /** Lines that mean nothing to us. */
  readonly ignored: readonly string[];
}

export type JobStatus =
  | { readonly state: 'absent' }
  /** Uploaded, not started: safe to start. */
  | { readonly state: 'unclaimed' }
  | { readonly state: 'running' }
  | { readonly state: 'done'; readonly rc: number; readonly requests: ScriptRequests }
  /** It began, and nobody can say how far it came. */
  | { readonly state: 'unknown'; readonly reason: 'dead' | 'other-boot' };

export type JobEnd = Exclude<JobStatus, { state: 'running' }>;

export interface FollowOptions {
  /** Bytes of the log that were seen before; default 0. */
  readonly offset?: number;
  /** The log as text, as it comes. It is awaited. */
  readonly onOutput?: (text: string) => void | Promise<void>;
  /** The offset to follow from after a lost link; called after `onOutput`. */
  readonly onOffset?: (offset: number) => void;
  /** How long the job has run by the node's own clock, milliseconds; called while it runs, also after a resume. */
  readonly onAge?: (age: number) => void;
  readonly signal?: AbortSignal;
  /** How often the node looks at the log, milliseconds; default 100. */
  readonly pollMs?: number;
  /** Length of one exec, seconds; default 25. */
  readonly execSeconds?: number;
}

/** How long an exec may take beyond its work: starting, claiming, reading the rest of a log. Milliseconds. */
const GRACE = 120_000;

/** Uploads and starts a job, unless that was done before. Does not wait for its end. */
export async function startJob(connection: NodeConnection, spec: JobSpec, signal?: AbortSignal): Promise<JobStatus> {
  const { args, stdin } = upload(spec);
  const result = await execute(connection, {
    text,
    args: ['start', ...args],
    stdin,
    timeout: GRACE,
    ...(signal && { signal }),
  });
  return parseStatus(connection.node, result.stderr);
}

/**
 * Uploads, starts and follows a job to its end, in one exec when it is short. Repeated, it only follows.
 * @returns `unclaimed` when the job did not start in time: then it may be repeated
 * @throws ClusterliftError `fenced` (nothing ran); `link-lost` when the connection dropped: the job goes on, follow it from the last offset
 */
export async function runJob(connection: NodeConnection, spec: JobSpec, options: FollowOptions = {}): Promise<JobEnd> {
  const { args, stdin } = upload(spec);
  const follower = new Follower(connection, options);
  const status = await follower.watch(['run', ...args, '--', ...follower.position()], stdin);
  if (status.state !== 'running') return status;
  return beganBefore(await follower.toTheEnd(spec.stateDir, spec.id));
}

/** The end of a job that was seen running: a directory that is gone was removed, and nobody knows how the job went. */
export function beganBefore(end: JobEnd): JobEnd {
  return end.state === 'absent' ? { state: 'unknown', reason: 'dead' } : end;
}

/** Follows a job to its end; see `runJob`. */
export async function followJob(
  connection: NodeConnection,
  job: { readonly stateDir: string | undefined; readonly id: string },
  options: FollowOptions = {},
): Promise<JobEnd> {
  return new Follower(connection, options).toTheEnd(job.stateDir, checkedId(job.id));
}

/** How a job is doing now. */
export async function jobStatus(
  connection: NodeConnection,
  job: { readonly stateDir: string | undefined; readonly id: string },
  signal?: AbortSignal,
): Promise<JobStatus> {
  const args = ['status', job.stateDir ?? '', checkedId(job.id)];
  const result = await execute(connection, { text, args, ...(signal && { signal }) });
  return parseStatus(connection.node, result.stderr);
}

/** Keeps the place in a log over as many execs as it takes. */
class Follower {
  private offset: number;
  private readonly decoder = new StringDecoder('utf8');

  constructor(
    private readonly connection: NodeConnection,
    private readonly options: FollowOptions,
  ) {
    this.offset = options.offset ?? 0;
  }

  async toTheEnd(stateDir: string | undefined, id: string): Promise<JobEnd> {
    for (;;) {
      this.options.signal?.throwIfAborted();
      const status = await this.watch(['follow', stateDir ?? '', id, ...this.position()]);
      if (status.state !== 'running') return status;
    }
  }

  /** The arguments OFFSET POLL SECONDS of job.sh. */
  position(): string[] {
    const { pollMs = 100, execSeconds = 25 } = this.options;
    return [String(this.offset), (pollMs / 1000).toFixed(3), String(execSeconds)];
  }

  async watch(args: readonly string[], stdin?: Uint8Array): Promise<JobStatus> {
    const { signal, execSeconds = 25 } = this.options;
    const result = await execute(this.connection, {
      text,
      args,
      timeout: execSeconds * 1000 + GRACE,
      onStdout: (chunk) => this.take(chunk),
      ...(stdin && { stdin }),
      ...(signal && { signal }),
    });
    const status = parseStatus(this.connection.node, result.stderr);
    const age = status.state === 'running' ? parseAge(result.stderr) : undefined;
    if (age !== undefined) this.options.onAge?.(age);
    return status;
  }

  private async take(chunk: Buffer): Promise<void> {
    const output = this.decoder.write(chunk);
    if (output !== '') await this.options.onOutput?.(output);
    this.offset += chunk.length;
    this.options.onOffset?.(this.offset);
  }
}

/** Reads the state that job.sh tells at the end of stderr. Pure. @throws ClusterliftError `node-answer-broken` */
export function parseStatus(node: string, stderr: string): JobStatus {
  const told = /^CLUSTERLIFT-JOB ([a-z-]+) ?(.*)\n?/m.exec(stderr);
  switch (told?.[1] ?? '') {
    case 'absent':
      return { state: 'absent' };
    case 'unclaimed':
      return { state: 'unclaimed' };
    case 'running':
      return { state: 'running' };
    case 'dead':
      return { state: 'unknown', reason: 'dead' };
    case 'other-boot':
      return { state: 'unknown', reason: 'other-boot' };
    case 'ended':
      if (!told || !/^\d{1,3}$/.test(told[2] ?? '')) break;
      return { state: 'done', rc: Number(told[2]), requests: parseRequests(stderr.slice(told.index + told[0].length)) };
  }
  throw broken(node, 'the state of a job is missing');
}

/** Milliseconds that a running job has run. Pure. @returns undefined: the node could not tell */
export function parseAge(stderr: string): number | undefined {
  const seconds = /^CLUSTERLIFT-JOB running (\d{1,9})$/m.exec(stderr)?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

const MAX_WISHES = 50;

/** Reads the lines of `$CLUSTERLIFT_OUTPUT`. Pure. */
export function parseRequests(output: string): ScriptRequests {
  const lines = output.split('\n').filter((each) => each.trim() !== '');
  const messages: string[] = [];
  const ignored: string[] = [];
  let [provision, reboot] = [false, false];
  for (const each of lines.slice(0, MAX_WISHES)) {
    if (each === 'provision=required') provision = true;
    else if (each === 'reboot=required') reboot = true;
    else if (each.startsWith('message=')) messages.push(line(each.slice('message='.length)));
    else ignored.push(line(each));
  }
  if (lines.length > MAX_WISHES) ignored.push(`… ${String(lines.length - MAX_WISHES)} more lines`);
  return { provision, reboot, messages, ignored };
}

// Arguments and stdin of `start` in job.sh: the secrets, a line each, then the files one after the other.
function upload(spec: JobSpec): { args: string[]; stdin: Buffer } {
  const { id, stateDir, fence, command, record } = spec;
  const files = [
    compose(starting, wrapper),
    command.kind === 'text' ? command.text : '',
    specText(spec),
    record ? recordText(record.json) : '',
  ];
  const parts = files.map((each) => Buffer.from(each));
  const secrets = Object.entries(spec.secrets ?? {}).map(([name, value]) => assignment(name, value));
  const sizes = parts.map((each) => String(each.length));
  return {
    args: [stateDir ?? '', checkedId(id), fence.run, epochArgument(fence), String(secrets.length), ...sizes],
    stdin: Buffer.concat([Buffer.from(secrets.map((each) => `${each}\n`).join('')), ...parts]),
  };
}

/** A line each, `<key> <value>`, values for `printf %b`. */
function specText(spec: JobSpec): string {
  const { command, cwd, env = {}, requests, record } = spec;
  const lines = [
    ...(cwd === undefined ? [] : [`cwd ${value(cwd)}`]),
    ...(command.kind === 'file' ? [`command ${value(command.path)}`] : []),
    ...(command.args ?? []).map((each) => `arg ${value(each)}`),
    ...Object.entries(env).map(([name, each]) => `env ${assignment(name, each)}`),
    ...(requests
      ? [`request ${value(JSON.stringify({ run: spec.fence.run, node: requests.node, job: spec.id }))}`]
      : []),
    ...(record ? [`product ${productName(record.product)}`] : []),
    ...(spec.changes ? ['changes yes'] : []),
  ];
  return `${lines.join('\n')}\n`;
}

/** Line by line, so that the node can change one of them. The text of JSON has no line breaks inside of values. */
function recordText(json: string): string {
  const fields = Object.entries(JSON.parse(json) as Record<string, unknown>)
    .filter(([name]) => name !== 'state' && name !== 'time')
    .map(([name, each]) => `,\n${JSON.stringify(name)}:${JSON.stringify(each)}`);
  return `{\n"state":"begun",\n"time":0${fields.join('')}\n}\n`;
}

export function assignment(name: string, text: string): string {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) throw invalid(`${line(name, 40)} is no name of a variable`);
  return `${name}=${value(text)}`;
}

export function value(text: string): string {
  if (text.includes('\0')) throw invalid('a value contains a NUL character');
  return escape(text);
}

/** Ids and products are names of directories on nodes. */
function checkedId(id: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,240}$/.test(id)) throw invalid(`${line(id, 80)} cannot be the name of a job`);
  return id;
}

/** @throws ClusterliftError `job-invalid` when it cannot be a directory's name */
function productName(product: string): string {
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,100}$/.test(product)) throw invalid(`${line(product, 80)} cannot be a product`);
  return product;
}

function invalid(why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'job-invalid',
    message: `A job cannot be started: ${why}`,
    hint: 'Look for it in clusters.json and in the manifest of the package.',
    exit: ExitStatus.usage,
  });
}
