import { after, type Timer } from '../../base/clock';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines } from '../../base/text';
import appendScript from './append.sh';
import type { AppendRequest, ExecRequest, ExecResult } from '../connection';
import { appendOffset, linkLost } from '../errors';

/** As long as bytes move, an append may take its time. */
const FOREVER = Infinity;
const WRONG_SIZE = 93;

/**
 * Streams into `cat >> file` on a node: the cheapest way for both sides, measured. The channel's window holds the source
 * back, so at most a few chunks are in memory.
 * @throws ClusterliftError `append-offset`, `append-failed`, `link-lost`
 */
export async function appendByExec(
  exec: (request: ExecRequest) => Promise<ExecResult>,
  node: string,
  request: AppendRequest,
): Promise<void> {
  const idle = new IdleWatch(node, request);
  try {
    const result = await exec({
      script: appendScript,
      args: [request.path, String(request.offset)],
      as: 'login',
      stdin: idle.watch(request.source),
      timeout: FOREVER,
      signal: request.signal ? AbortSignal.any([request.signal, idle.signal]) : idle.signal,
    });
    if (result.code === 0 && idle.complete) return;
    if (result.code === WRONG_SIZE) {
      throw appendOffset(node, request.path, request.offset, Number(result.stdout));
    }
    throw failed(node, request.path, result);
  } finally {
    idle.end();
  }
}

/** Notices when the transport takes nothing for too long. The time that the source takes is not the link's. */
class IdleWatch {
  complete = false;
  private readonly abort = new AbortController();
  private timer: Timer | undefined;

  constructor(
    private readonly node: string,
    private readonly request: AppendRequest,
  ) {}

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  async *watch(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    let sent = 0;
    for await (const chunk of source) {
      this.arm();
      yield chunk;
      this.timer?.cancel();
      sent += chunk.length;
      this.request.onProgress?.(sent);
    }
    this.complete = true;
    this.arm(); // until the node has written the rest
  }

  end(): void {
    this.timer?.cancel();
  }

  private arm(): void {
    this.timer?.cancel();
    const { idleTimeout, path } = this.request;
    this.timer = after(idleTimeout, () => {
      const silence = new Error(`nothing moved for ${String(Math.round(idleTimeout / 1000))} s`);
      this.abort.abort(linkLost(this.node, `sending ${path}`, silence));
    });
  }
}

function failed(node: string, path: string, result: ExecResult): ClusterliftError {
  const log = lastLines(result.stderr, 3);
  return new ClusterliftError({
    code: 'append-failed',
    message: `${path} on ${node} could not be written: ${log.at(-1) ?? result.signal ?? 'the command ended early'}`,
    hint: 'Look at free space, quota and permissions there, then start again: what arrived is kept.',
    exit: ExitStatus.failed,
    node,
    log,
  });
}
