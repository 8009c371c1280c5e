import { ClusterliftError, ExitStatus } from '../../base/errors';
import { Runner } from '../exec/become';
import { bootstrapCommand } from '../exec/command';
import type { Asker, ExecRequest, ExecResult, Peer, PeerLogin } from '../connection';
import { keyTypeOf } from './known-hosts';
import type { Link } from './link';
import { OneTimeAgent } from '../one-time-agent';
import type { Secrets } from '../secrets';
import type { Pipe } from '../exec/session';
import { ChannelRefused, type Transport } from './transport';

export interface SshPeerOptions {
  readonly node: string;
  readonly link: Link;
  readonly asker: Asker;
  readonly secrets: Secrets;
}

/** A node reached by SSH, as one end of a transfer from node to node. */
export class SshPeer implements Peer {
  constructor(private readonly options: SshPeerOptions) {}

  async login(signal: AbortSignal): Promise<PeerLogin | undefined> {
    const { link, asker } = this.options;
    const { hostKey, key } = (await link.connect(signal)).handshake;
    if (key === undefined) return undefined;
    const { user, port } = link.target;
    const publicKey = key.publicKey.getPublicSSH();
    return {
      user,
      port,
      hostKey: `${keyTypeOf(hostKey)} ${hostKey.toString('base64')}`,
      agent: () =>
        new OneTimeAgent({
          user,
          hostKey,
          publicKey,
          sign: (data, options) => key.sign(data, options, asker, signal),
        }),
    };
  }

  async execWithLogin(request: ExecRequest & { readonly signal: AbortSignal }, login: PeerLogin): Promise<ExecResult> {
    const { node, link, asker, secrets } = this.options;
    const agent = login.agent();
    const transport = await link.dedicated(agent, request.signal);
    try {
      const identity = { node, user: link.target.user, become: 'none', purpose: 'relay' } as const;
      const runner = new Runner(identity, asker, secrets, () => start(transport, node));
      const result = await runner.run({ ...request, as: 'login' });
      if (result.code !== 0 && agent.problem !== undefined) throw refused(node, agent.problem);
      return result;
    } finally {
      transport.end();
    }
  }
}

async function start(transport: Transport, node: string): Promise<Pipe> {
  try {
    return await transport.exec(bootstrapCommand({ kind: 'none' }), true);
  } catch (error) {
    if (error instanceof ChannelRefused) throw refused(node, 'it forwards no agent (AllowAgentForwarding)');
    throw error;
  }
}

function refused(node: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'relay-login',
    message: `${node} cannot log in to another node for us: ${why}`,
    hint: 'Use --distribution direct, or look at the SSH client and server of that node.',
    exit: ExitStatus.failed,
    node,
  });
}
