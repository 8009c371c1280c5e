import { join } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { type Env, stateHome } from '../../base/paths';
import type { NodeModel } from '../../cluster/model';
import { type Account, Authenticator, type Realm } from './auth';
import type { Asker, NodeConnection } from '../connection';
import { DEFAULT_TIMES, type Times } from './dial';
import { HostKeys } from './host-keys';
import { KeyFiles } from './keys';
import { Link } from './link';
import { LocalConnection } from './local';
import type { Secrets } from '../secrets';
import { SshConnection, type Terminal } from './ssh-connection';
import { type JumpSpec, type SshFiles, type Target, parseJumps, resolveTarget } from './target';
import type { TerminalSize, Transport } from './transport';

export interface ConnectorOptions {
  /** Of one cluster: nodes reach each other as jump hosts by name, and share accepted passwords. */
  readonly cluster: string;
  /** Path of the clusters.json: clusters of other files share nothing. */
  readonly file: string;
  readonly nodes: readonly NodeModel[];
  readonly asker: Asker;
  readonly secrets: Secrets;
  /** `--accept-new-host-keys` */
  readonly acceptNewHostKeys: boolean;
  readonly env: Env;
  /** ssh_config files in order; default: the user's and the system's. */
  readonly sshConfigs?: readonly string[];
  readonly times?: Partial<Times>;
}

/** Makes the connections of a cluster. Each server is connected to once, however many go through it. */
export class Connector {
  private readonly links = new Map<string, Link>();
  private readonly connections = new Map<string, NodeConnection>();
  private readonly hostKeys: HostKeys;
  private readonly keys: KeyFiles;
  private readonly files: SshFiles;

  constructor(private readonly options: ConnectorOptions) {
    const { env, acceptNewHostKeys, secrets, sshConfigs } = options;
    this.hostKeys = new HostKeys({ store: join(stateHome(env), 'known_hosts'), acceptNew: acceptNewHostKeys });
    this.keys = new KeyFiles(secrets);
    this.files = sshConfigs ? { env, configs: sshConfigs } : { env };
  }

  /**
   * The connection of a node, always the same one. Nothing is sent before its first use.
   * @throws ClusterliftError `jump-loop`, `proxy-command`, `ssh-config-…`
   */
  connect(node: NodeModel): NodeConnection {
    const known = this.connections.get(node.name);
    if (known) return known;
    const { asker, secrets } = this.options;
    const connection =
      node.connection === 'local'
        ? new LocalConnection({ node, asker, secrets, realm: this.realm })
        : this.overSsh(node);
    this.connections.set(node.name, connection);
    return connection;
  }

  /**
   * An interactive terminal of the login user.
   * @throws ClusterliftError `terminal-local` for a local node; else as any first use
   */
  shell(node: NodeModel, size: TerminalSize, term?: string, signal?: AbortSignal): Promise<Terminal> {
    const connection = this.connect(node);
    if (connection instanceof SshConnection) return connection.shell(size, term, signal);
    const message = `${node.name} is this machine`;
    const hint = 'Open an ordinary terminal.';
    return Promise.reject(new ClusterliftError({ code: 'terminal-local', message, hint, exit: ExitStatus.usage }));
  }

  /**
   * A server that is not a node (a backup server), reached and verified as ssh would: ssh_config, jump hosts, host keys.
   * @returns connects on each use that finds no living connection
   * @throws ClusterliftError as `connect`
   */
  server(
    host: string,
    port: number | undefined,
    user: string | undefined,
  ): (signal?: AbortSignal) => Promise<Transport> {
    const target = resolveTarget({ node: host, host, port, user, identityFile: undefined }, this.files);
    const link = this.link(target, this.wayTo(target, undefined, [host]), this.account('backup-password', target));
    return (signal) => link.connect(signal);
  }

  async closeAll(): Promise<void> {
    await Promise.all([...this.connections.values()].map((each) => each.close()));
    // Leaves first: a link stays open while somebody jumps over it.
    for (const link of [...this.links.values()].reverse()) link.close();
  }

  private overSsh(node: NodeModel): SshConnection {
    const { asker, secrets } = this.options;
    return new SshConnection({ node, link: this.linkTo(node, []), asker, secrets, realm: this.realm });
  }

  private linkTo(node: NodeModel, path: readonly string[]): Link {
    if (path.includes(node.name)) throw loop([...path, node.name]);
    const { name, host, port, user, identityFile } = node;
    const target = resolveTarget({ node: name, host, port, user, identityFile }, this.files);
    const jumps = node.jump === undefined || node.jump === name ? undefined : parseJumps(node.jump, name);
    const via = this.wayTo(target, jumps, [...path, name]);
    return this.link(target, via, this.account('ssh-password', target));
  }

  // What clusters.json says beats ProxyJump and ProxyCommand.
  private wayTo(target: Target, jumps: readonly JumpSpec[] | undefined, path: readonly string[]): Link | undefined {
    if (!jumps && target.proxyCommand !== undefined) throw proxyCommand(target);
    return (jumps ?? target.proxyJump).reduce<Link | undefined>((via, spec) => this.jump(spec, via, path), undefined);
  }

  private jump(spec: JumpSpec, via: Link | undefined, path: readonly string[]): Link | undefined {
    const plain = spec.user === undefined && spec.port === undefined;
    const node = plain && !via ? this.options.nodes.find((each) => each.name === spec.host) : undefined;
    if (node?.connection === 'local') return undefined; // we are there already
    if (node) return this.linkTo(node, path);
    if (path.includes(spec.host)) throw loop([...path, spec.host]);
    const request = { node: spec.host, host: spec.host, port: spec.port, user: spec.user, identityFile: undefined };
    const target = resolveTarget(request, this.files);
    // The first of a chain may itself be behind others; the next ones are reached through the one before.
    const way = via ?? this.wayTo(target, undefined, [...path, spec.host]);
    return this.link(target, way, this.account(undefined, target));
  }

  private get realm(): Realm {
    const { file, cluster } = this.options;
    return { file, cluster };
  }

  /** One password, one purpose: nodes share theirs, a jump host or a backup server has its own. */
  private account(given: Account['given'], { user, host, port }: Target): Account {
    const { realm } = this;
    const whose = given === 'ssh-password' ? 'nodes' : `${given ?? 'jump'} ${host}:${String(port)}`;
    return { given, realm, purpose: JSON.stringify(['ssh', realm.file, realm.cluster, user, whose]) };
  }

  private link(target: Target, via: Link | undefined, account: Account): Link {
    const hop = `${target.user}@${target.host}:${String(target.port)} as ${target.recordNames.exact}`;
    const own = `${hop} (${account.given ?? 'jump'})`;
    const key = via ? `${this.keyOf(via)} > ${own}` : own;
    const known = this.links.get(key);
    if (known) return known;
    const { asker, secrets, env, times } = this.options;
    const authenticator = new Authenticator({ target, account, env, secrets, keys: this.keys });
    const how = { authenticator, hostKeys: this.hostKeys, asker, times: { ...DEFAULT_TIMES, ...times } };
    const link = new Link(target, how, via);
    this.links.set(key, link);
    return link;
  }

  private keyOf(link: Link): string {
    return [...this.links].find(([, each]) => each === link)?.[0] ?? '';
  }
}

function loop(path: readonly string[]): ClusterliftError {
  return new ClusterliftError({
    code: 'jump-loop',
    message: `the jump hosts go round in a circle: ${path.join(' → ')}`,
    hint: 'Give one of them no "jump" (and no ProxyJump).',
    exit: ExitStatus.usage,
  });
}

function proxyCommand(target: Target): ClusterliftError {
  return new ClusterliftError({
    code: 'proxy-command',
    message: `ssh_config reaches ${target.node} by ProxyCommand, which is not supported`,
    hint: 'Use ProxyJump there, or "jump" in clusters.json.',
    exit: ExitStatus.usage,
    node: target.node,
  });
}
