import { createWriteStream, type WriteStream } from 'node:fs';
import { join } from 'node:path';
import { wallClock } from '../../base/clock';
import type { EventSink } from './events';

/** Most bytes of one node's log; a script that prints for ever must not fill the disk of the person who upgrades. */
const MAX_LOG = 256 * 1024 * 1024;

/** Path of a node's log in the folder of a run. Names come from a checked file; a character that a file name cannot have becomes `_`. */
function nodeLogPath(folder: string, node: string): string {
  return join(folder, `${node.replace(/[^\w.-]/g, '_')}.log`);
}

/**
 * Writes each node's output to `runs/<run>/<node>.log`, as it came. A log that cannot be written breaks no run.
 */
export class NodeLogs {
  readonly #streams = new Map<string, { stream: WriteStream; bytes: number }>();

  constructor(private readonly folder: string) {}

  readonly sink: EventSink = (event) => {
    if (event.type === 'output') this.#write(event.node, event.text);
    else if (event.type === 'step.started') {
      const attempt = event.attempt > 1 ? ` (attempt ${String(event.attempt)})` : '';
      this.#write(
        event.node,
        `== ${new Date(wallClock()).toISOString()} ${event.lane === 'rollback' ? 'rollback: ' : ''}${event.step}${attempt}\n`,
      );
    } else if (event.type === 'step.finished' && event.result !== 'done') {
      this.#write(event.node, `== ${event.step} ${event.result}: ${event.error.message}\n`);
    }
  };

  #write(node: string, text: string): void {
    let log = this.#streams.get(node);
    if (!log) {
      const stream = createWriteStream(nodeLogPath(this.folder, node), { flags: 'a', mode: 0o600 });
      stream.on('error', () => undefined);
      log = { stream, bytes: 0 };
      this.#streams.set(node, log);
    }
    if (log.bytes > MAX_LOG) return;
    log.bytes += Buffer.byteLength(text);
    log.stream.write(log.bytes > MAX_LOG ? '\n== the rest is left out\n' : text);
  }

  /** Waits until everything is written. */
  async close(): Promise<void> {
    const ends = [...this.#streams.values()].map(
      ({ stream }) =>
        new Promise<void>((resolve) => {
          stream.once('error', () => {
            resolve();
          });
          stream.end(resolve);
        }),
    );
    await Promise.all(ends);
  }
}
