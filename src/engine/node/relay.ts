import { randomBytes } from 'node:crypto';
import { bootstrapCommand, payload } from '../../ssh/exec/command';
import type { Peer, PeerLogin } from '../../ssh/connection';
import { compose } from '../../ssh/exec/library';
import { failureOf } from '../../ssh/exec/script';
import { ADVICE } from './ask';
import text from './relay.sh';
import serving from './serve.sh';

/** Where a node can read the image, or the part of it that it has so far. */
export interface Serving {
  readonly login: PeerLogin;
  /** How other nodes reach it. */
  readonly address: string;
  /** The first one that is there counts. */
  readonly paths: readonly string[];
}

export interface RelayRequest {
  readonly from: Serving;
  /** The part on this node, and its size now. */
  readonly path: string;
  readonly offset: number;
  /** Of the whole. */
  readonly size: number;
  /** Bytes that are here by now. */
  readonly onProgress: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** The longest that it may take; milliseconds. As long as bytes come, it may. */
const LONGEST = 12 * 3_600_000;
/** Seconds without a byte until it is given up: there is always the way from here. */
const IDLE = 30;

/**
 * Has a node fetch the rest of a file from another node, which may still be getting it itself. A way for bytes and no more:
 * the caller proves the digest.
 * @throws ClusterliftError `relay-failed`, `relay-login`, `link-lost` and others of `exec`: how much came is then not known
 */
export async function fetchFromNode(
  connection: { readonly node: string; readonly peer: Peer },
  request: RelayRequest,
): Promise<void> {
  const { from, path, offset, size, signal } = request;
  const mark = `clusterlift-${randomBytes(12).toString('hex')}`;
  const line = payload(compose(serving), [String(offset), ...from.paths], mark);
  const { login, address } = from;
  const told = [login.user, address, String(login.port), login.hostKey, bootstrapCommand({ kind: 'none' }), mark];
  let release: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    release = resolve;
  });
  // What it says next is its end.
  async function* held(): AsyncGenerator<Uint8Array> {
    yield line;
    await over;
  }
  try {
    const result = await connection.peer.execWithLogin(
      {
        script: compose(text),
        args: [...told, path, String(offset), String(size), String(IDLE)],
        stdin: held(),
        onStdout: progressOf(request.onProgress),
        timeout: LONGEST,
        signal,
      },
      login,
    );
    if (result.code !== 0) throw failureOf(connection.node, result, ADVICE);
  } finally {
    release();
  }
}

function progressOf(onProgress: (bytes: number) => void): (chunk: Buffer) => void {
  let rest = '';
  return (chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = (lines.pop() ?? '').slice(0, 100);
    for (const line of lines) {
      const at = /^at (\d{1,15})$/.exec(line);
      if (at) onProgress(Number(at[1]));
    }
  };
}
