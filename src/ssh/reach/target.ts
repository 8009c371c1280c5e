import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { dirname, isAbsolute, basename, join } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { type Env, home } from '../../base/paths';
import { advice } from '../../base/shell';
import { type Algorithms, algorithmsFor } from './algorithms';
import { type RecordNames, matchesPattern, recordNames } from './known-hosts';
import { type SshOptions, evaluate } from './ssh-config';

/** One server to connect to, with everything that clusters.json and ssh_config say about it. */
export interface Target {
  /** As people call it. */
  readonly node: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly recordNames: RecordNames;
  /** Named by clusters.json or ssh_config; empty: the usual ones. */
  readonly identityFiles: readonly string[];
  readonly identitiesOnly: boolean;
  /** Socket of the agent; undefined: none. */
  readonly agent: string | undefined;
  readonly knownHosts: readonly string[];
  readonly strict: boolean;
  /** The ProxyJump of ssh_config, in order. */
  readonly proxyJump: readonly JumpSpec[];
  readonly proxyCommand: string | undefined;
  readonly algorithms: Algorithms;
}

/** `[user@]host[:port]` */
export interface JumpSpec {
  readonly user: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
}

const WINDOWS_AGENT = String.raw`\\.\pipe\openssh-ssh-agent`;

/** What beats ssh_config. */
export interface TargetRequest {
  readonly node: string;
  /** Host name, address, or alias of ssh_config. */
  readonly host: string;
  readonly port: number | undefined;
  readonly user: string | undefined;
  readonly identityFile: string | undefined;
}

export interface SshFiles {
  readonly env: Env;
  /** ssh_config files in order, the user's own first; default: the user's and the system's. */
  readonly configs?: readonly string[];
}

/**
 * Looks a server up in ssh_config.
 * @throws ClusterliftError `ssh-config-permissions`, `ssh-config-invalid`
 */
export function resolveTarget(request: TargetRequest, files: SshFiles): Target {
  const { env } = files;
  const localUser = userInfo().username;
  const configs = files.configs ?? [join(home(env), '.ssh', 'config'), '/etc/ssh/ssh_config'];
  const query = {
    host: request.host,
    user: request.user,
    localUser,
    read: readConfig,
    glob: (pattern: string) => included(pattern, env),
  };
  const options = evaluate(configs, query);
  const host = (options.hostname ?? '%h').replaceAll(/%([%h])/g, (_, token) => (token === 'h' ? request.host : '%'));
  const port = request.port ?? parsePort(options.port, request.host) ?? 22;
  const user = request.user ?? options.user ?? localUser;
  const names = { env, localUser, host, port, user, original: request.host, alias: options.hostkeyalias };
  const path = (raw: string): string => expandPath(raw, names);
  const identityFiles =
    request.identityFile === undefined
      ? options.identityfile.filter((each) => each !== 'none')
      : [request.identityFile];
  return {
    node: request.node,
    host,
    port,
    user,
    recordNames: recordNames(host, port, options.hostkeyalias),
    identityFiles: identityFiles.map(path),
    identitiesOnly: options.identitiesonly?.toLowerCase() === 'yes',
    agent: agentOf(options.identityagent, env, path),
    knownHosts: [
      ...(options.userknownhostsfile ?? ['~/.ssh/known_hosts', '~/.ssh/known_hosts2']),
      ...(options.globalknownhostsfile ?? ['/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']),
    ]
      .filter((each) => each !== 'none')
      .map(path),
    strict: /^(yes|true)$/i.test(options.stricthostkeychecking ?? ''),
    ...proxyOf(options, request.host),
    algorithms: algorithmsFor(options, evaluate(configs.slice(0, 1), query)),
  };
}

function proxyOf(options: SshOptions, host: string): Pick<Target, 'proxyJump' | 'proxyCommand'> {
  const off = (value: string | undefined): boolean => value === undefined || value.toLowerCase() === 'none';
  return {
    proxyJump: off(options.proxyjump) ? [] : parseJumps(options.proxyjump ?? '', host),
    proxyCommand: off(options.proxycommand) ? undefined : options.proxycommand,
  };
}

/**
 * Reads `[user@]host[:port],…` or `ssh://…`.
 * @param about whom it is said of, for the error
 * @throws ClusterliftError `ssh-config-invalid`
 */
export function parseJumps(text: string, about: string): JumpSpec[] {
  return text.split(',').map((each) => {
    const spec = each
      .trim()
      .replace(/^ssh:\/\//, '')
      .replace(/\/$/, '');
    const match =
      /^(?:(.+)@)?(?:\[([^\]]+)\]|([^:@[\]]+)|([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*))(?::(\d+))?$/.exec(spec);
    const host = match?.[2] ?? match?.[3] ?? match?.[4];
    if (!match || host === undefined)
      throw invalid(`the jump host "${spec}" of ${about} makes no sense`, 'Write [user@]host[:port].');
    return { user: match[1], host, port: parsePort(match[5], spec) };
  });
}

function parsePort(text: string | undefined, about: string): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port;
  throw invalid(`the port "${text}" of ${about} makes no sense`, 'Use a number from 1 to 65535.');
}

interface Names {
  readonly env: Env;
  readonly localUser: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly original: string;
  readonly alias: string | undefined;
}

/** Expands `~`, `${NAME}` and the tokens of ssh_config(5), TOKENS. */
function expandPath(raw: string, names: Names): string {
  const local = hostname();
  const tokens: Partial<Record<string, string>> = {
    '%': '%',
    d: home(names.env),
    h: names.host,
    i: String(process.getuid?.() ?? ''),
    k: names.alias ?? names.original,
    L: local.split('.')[0] ?? local,
    l: local,
    n: names.original,
    p: String(names.port),
    r: names.user,
    u: names.localUser,
    C: createHash('sha1')
      .update(`${local}${names.host}${String(names.port)}${names.user}`)
      .digest('hex'),
  };
  const atHome = raw === '~' || raw.startsWith('~/') ? join(home(names.env), raw.slice(1)) : raw;
  const expanded = atHome.replaceAll(/%(.)|\$\{(\w+)\}/g, (whole, token?: string, variable?: string) => {
    const value = token === undefined ? names.env[variable ?? ''] : tokens[token];
    if (value !== undefined) return value;
    throw invalid(`"${whole}" in the path ${raw} of ssh_config is not known`, 'Write the path without it.');
  });
  return isAbsolute(expanded) ? expanded : join(home(names.env), '.ssh', expanded);
}

function agentOf(option: string | undefined, env: Env, path: (raw: string) => string): string | undefined {
  // An empty variable is as good as none; Windows has its agent at a fixed place.
  const given = env['SSH_AUTH_SOCK'];
  const usual = process.platform === 'win32' ? WINDOWS_AGENT : undefined;
  const standard = given === undefined || given === '' ? usual : given;
  if (option === undefined || option === 'SSH_AUTH_SOCK') return standard;
  if (option.toLowerCase() === 'none') return undefined;
  return option.startsWith('$') && !option.startsWith('${') ? env[option.slice(1)] : path(option);
}

function included(pattern: string, env: Env): string[] {
  const dir = join(home(env), '.ssh');
  const atHome = pattern.startsWith('~/') ? join(home(env), pattern.slice(1)) : pattern;
  const path = isAbsolute(atHome) ? atHome : join(dir, atHome);
  return glob(path).sort();
}

// `*` and `?` in any part of the path; hidden files only when the pattern names the dot.
function glob(path: string): string[] {
  if (!/[*?]/.test(path)) return [path];
  const pattern = basename(path);
  return glob(dirname(path)).flatMap((dir) => {
    try {
      return readdirSync(dir)
        .filter((name) => matchesPattern(pattern, name) && (pattern.startsWith('.') || !name.startsWith('.')))
        .map((name) => join(dir, name));
    } catch {
      return [];
    }
  });
}

// As OpenSSH: a file that others own or may write could send us anywhere.
function readConfig(file: string): string | undefined {
  try {
    const { mode, uid } = statSync(file);
    const ours = uid === 0 || uid === process.getuid?.();
    if (process.platform !== 'win32' && (!ours || (mode & 0o022) !== 0)) {
      throw new ClusterliftError({
        code: 'ssh-config-permissions',
        message: `others may write to ${file}, so it cannot be trusted`,
        hint: ours ? advice`\`chmod go-w ${file}\`` : advice`Make yourself its owner: \`ls -l ${file}\``,
        exit: ExitStatus.usage,
      });
    }
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof ClusterliftError) throw error;
    return undefined;
  }
}

function invalid(message: string, hint: string): ClusterliftError {
  return new ClusterliftError({ code: 'ssh-config-invalid', message, hint, exit: ExitStatus.usage });
}
