import { ClusterliftError, ExitStatus } from '../../base/errors';
import { lastLines, line } from '../../base/text';
import type { ExecRequest, ExecResult, NodeConnection } from '../connection';
import { compose } from './library';
import { type Advice, refusal } from './refusals';

/** A script of ours for a node. The common library (lib.sh) is put before its text. */
export interface NodeScript extends Pick<ExecRequest, 'args' | 'as' | 'stdin' | 'onStdout' | 'signal' | 'maxOutput'> {
  readonly text: string;
  /** Milliseconds; default one minute. */
  readonly timeout?: number;
  /** What to do when it refuses. */
  readonly advice?: Advice;
}

const MINUTE = 60_000;

/**
 * Runs one of our scripts and reads the entries that it emits.
 * @throws ClusterliftError what the script refused with (refusals.ts), `node-script-failed`, and those of `exec`
 */
export async function ask(connection: NodeConnection, script: NodeScript): Promise<Entries> {
  const chunks: Buffer[] = [];
  let size = 0;
  const limit = script.maxOutput ?? 4 * 1024 * 1024;
  const onStdout = (chunk: Buffer): void => {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  };
  await execute(connection, { ...script, onStdout });
  if (size > limit) throw broken(connection.node, `it sent more than ${String(limit)} bytes`);
  return parseEntries(Buffer.concat(chunks), connection.node);
}

/** Runs one of our scripts; its stdout is the caller's affair. Anything but status 0 throws, as in `ask`. */
export async function execute(connection: NodeConnection, script: NodeScript): Promise<ExecResult> {
  const { text, timeout, advice, ...request } = script;
  const result = await connection.exec({ ...request, script: compose(text), timeout: timeout ?? MINUTE });
  if (result.code !== 0) throw failureOf(connection.node, result, advice);
  return result;
}

export function failureOf(node: string, result: ExecResult, advice?: Advice): ClusterliftError {
  const said = /^CLUSTERLIFT-ERROR ([a-z0-9-]+) (.*)$/m.exec(result.stderr);
  if (said?.[1] !== undefined) return refusal(node, said[1], line(said[2] ?? ''), advice);
  const how =
    result.code === null ? `was ended by ${result.signal ?? 'a signal'}` : `ended with ${String(result.code)}`;
  return new ClusterliftError({
    code: 'node-script-failed',
    message: `A script of Clusterlift on ${node} ${how}: ${lastLines(result.stderr, 1)[0] ?? 'it said nothing'}`,
    hint: 'Look at the free space and the health of the node, then try again.',
    exit: ExitStatus.failed,
    node,
    log: lastLines(result.stderr),
  });
}

/** What a script emitted: keys that we chose, values that may be anything. */
export class Entries {
  constructor(
    private readonly entries: readonly { readonly key: string; readonly value: Buffer }[],
    private readonly node: string,
  ) {}

  /** The first value of a key. */
  text(key: string): string | undefined {
    return this.entries.find((each) => each.key === key)?.value.toString('utf8');
  }

  all(key: string): string[] {
    return this.entries.filter((each) => each.key === key).map((each) => each.value.toString('utf8'));
  }

  /** In the order they came. */
  list(): readonly { readonly key: string; readonly value: Buffer }[] {
    return this.entries;
  }

  /** @throws ClusterliftError `node-answer-broken` when it is missing */
  required(key: string): string {
    const value = this.text(key);
    if (value === undefined) throw broken(this.node, `${key} is missing`);
    return value;
  }

  /** A whole number, not negative. @throws ClusterliftError `node-answer-broken` */
  number(key: string): number {
    const value = this.required(key);
    if (!/^\d{1,15}$/.test(value)) throw broken(this.node, `${key} is no number`);
    return Number(value);
  }

  lines(key: string): string[] {
    return (this.text(key) ?? '').split('\n').filter((each) => each !== '');
  }
}

/** Reads `<key> <length>\n<bytes>\n`…, as `emit` in lib.sh writes it. Pure. */
export function parseEntries(bytes: Buffer, node: string): Entries {
  const entries: { key: string; value: Buffer }[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(0x0a, at);
    const head = /^([a-z0-9-]{1,40}) (\d{1,9})$/.exec(
      bytes.toString('latin1', at, end < 0 ? at : Math.min(end, at + 60)),
    );
    if (!head) throw broken(node, 'an entry has no head');
    const from = end + 1;
    const to = from + Number(head[2]);
    if (bytes[to] !== 0x0a) throw broken(node, `the entry ${head[1] ?? ''} is cut off`);
    entries.push({ key: head[1] ?? '', value: bytes.subarray(from, to) });
    at = to + 1;
  }
  return new Entries(entries, node);
}

export function broken(node: string, why: string): ClusterliftError {
  return new ClusterliftError({
    code: 'node-answer-broken',
    message: `${node} gave an answer that makes no sense: ${why}`,
    hint: 'Log in there and run `sh -c "echo ok"`: nothing but "ok" may appear.',
    exit: ExitStatus.unknown,
    node,
  });
}
