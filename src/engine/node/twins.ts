import { randomBytes } from 'node:crypto';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { line } from '../../base/text';
import type { NodeConnection } from '../../ssh/connection';
import { deferred } from '../../ssh/deferred';
import { parseEntries, type Entries } from '../../ssh/exec/script';
import { execute } from './ask';
import nearest from './nearest.sh';
import script from './twins.sh';

/**
 * Two names that lead to one machine, or to one state directory. Facts only raise the suspicion (clones and containers share
 * them); it is proven by what was written through one name and read through the other.
 */

/** `machine`: the boot ids are the same; `directory`: they differ, so two machines share one state directory. */
export type TwinKind = 'machine' | 'directory';

interface TwinText {
  readonly code: 'machine-twice' | 'state-shared';
  readonly message: string;
  readonly fix: string;
}

interface Marker {
  readonly connection: NodeConnection;
  readonly stateDir: string | undefined;
}

/** Most of an answer that is read: a node may send anything. */
const MOST = 256 * 1024;

/**
 * Has each node lay a mark that no other node knows, and asks each, once all did, which marks it sees. One request a node;
 * the marks are gone when it ends. A node that cannot lay or tell proves nothing.
 * @returns for each node the positions of the nodes whose marks it saw
 */
export async function readMarks(nodes: readonly Marker[], signal: AbortSignal): Promise<ReadonlySet<number>[]> {
  const marks = nodes.map(() => randomBytes(16).toString('hex'));
  const laid = nodes.map(() => deferred<undefined>());
  const all = Promise.all(laid.map(({ promise }) => promise));
  const seen = await Promise.allSettled(
    nodes.map(async (node, index) => {
      const tell = (): void => laid[index]?.resolve(undefined);
      try {
        return await lay(node, marks[index] ?? '', { all, tell, signal });
      } finally {
        tell();
      }
    }),
  );
  signal.throwIfAborted();
  return seen.map((result) => {
    const there = new Set(result.status === 'fulfilled' ? result.value.all('mark') : []);
    return new Set(marks.flatMap((mark, index) => (there.has(mark) ? [index] : [])));
  });
}

interface Turn {
  /** Every node has laid its mark, or never will. */
  readonly all: Promise<unknown>;
  /** This one has. */
  readonly tell: () => void;
  readonly signal: AbortSignal;
}

async function lay({ connection, stateDir }: Marker, mark: string, { all, tell, signal }: Turn): Promise<Entries> {
  const chunks: Buffer[] = [];
  let size = 0;
  const onStdout = (chunk: Buffer): void => {
    size += chunk.length;
    if (size <= MOST) chunks.push(chunk);
    tell();
  };
  const stdin = (async function* (): AsyncGenerator<Uint8Array> {
    await all;
    yield Buffer.from('look\n');
  })();
  await execute(connection, { text: `${nearest}\n${script}`, args: [stateDir ?? '', mark], stdin, onStdout, signal });
  return parseEntries(Buffer.concat(chunks), connection.node);
}

/**
 * What is said of two names that are proven to be one. Pure.
 * @param what what was written through the first and read through the second, as the subject of a sentence
 */
export function twinText(kind: TwinKind, [first, second]: readonly [string, string], what: string): TwinText {
  const proof = `${what} of ${first} is there on ${second}`;
  if (kind === 'directory')
    return {
      code: 'state-shared',
      message: `${first} and ${second} are two machines with one state directory: ${proof}`,
      fix: 'Set "stateDir" of each node to a directory of its own, on a disk of its own; a shared file system is not for it.',
    };
  return {
    code: 'machine-twice',
    message: `${first} and ${second} are two names of one machine: ${proof}`,
    fix: `Remove one of them from clusters.json, or correct its address (clusters.json, ssh_config, DNS). If they are containers that share a directory, set "stateDir" of each to one of its own.`,
  };
}

/** The error of a lock that this run has there under another node's name. Text from the node is bounded and printable. */
export function otherName(
  node: string,
  entries: Entries,
  { run, tokenOf }: { readonly run: string; readonly tokenOf?: (node: string) => string },
): ClusterliftError {
  const named = line(entries.text('named') ?? '', 80);
  if (tokenOf && entries.text('token') === tokenOf(named)) {
    const kind = entries.text('boots') === 'same' ? 'machine' : 'directory';
    const { code, message, fix } = twinText(kind, [named, node], 'the lock');
    return new ClusterliftError({ code, message, hint: fix, exit: ExitStatus.refused, node });
  }
  return new ClusterliftError({
    code: 'lock-other-name',
    message: `${node} leads to a machine that run ${run} locked under the name ${named}`,
    hint: `Correct the address of ${node} in clusters.json, ssh_config or the DNS, then resume again; or start a new run.`,
    exit: ExitStatus.refused,
    node,
  });
}
