import type { SFTPWrapper } from 'ssh2';
import { within } from '../../base/async';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { RandomReader } from '../../base/reader';
import type { ExecRequest, ExecResult } from '../connection';
import rangeScript from '../exec/read-range.sh';
import type { Transport } from './transport';
import { linkLost, noSuchFile } from '../errors';

/** Bytes of one SFTP request; servers answer at least 32 KiB, OpenSSH up to 256 KiB. */
const PIECE = 128 * 1024;
const IN_FLIGHT = 8;
/** Milliseconds for one answer. */
const DEADLINE = 60_000;

/** Reads a file over SFTP. Each call races the end of the link, because ssh2 never calls back then. */
export async function openSftpReader(transport: Transport, node: string, path: string): Promise<RandomReader> {
  const sftp = await transport.sftp();
  const real = path.startsWith('~/') ? path.slice(2) : path; // relative paths start at home
  const handle = await call<Buffer>(transport, node, path, (done) => sftp.open(real, 'r', done));
  const { size } = await call<{ size: number }>(transport, node, path, (done) => sftp.fstat(handle, done));
  return {
    size,
    read: (offset, length) => readRange(transport, sftp, { node, path, handle, size }, offset, length),
    close: async () => {
      if (!transport.alive) return;
      await call<undefined>(transport, node, path, (done) =>
        sftp.close(handle, (error) => {
          done(error ?? undefined, undefined);
        }),
      );
    },
  };
}

interface OpenFile {
  readonly node: string;
  readonly path: string;
  readonly handle: Buffer;
  readonly size: number;
}

async function readRange(
  transport: Transport,
  sftp: SFTPWrapper,
  file: OpenFile,
  offset: number,
  length: number,
): Promise<Buffer> {
  const target = Buffer.alloc(Math.max(0, Math.min(length, file.size - offset)));
  const starts = Array.from({ length: Math.ceil(target.length / PIECE) }, (_, index) => index * PIECE);
  const lane = async (): Promise<void> => {
    for (let at = starts.shift(); at !== undefined; at = starts.shift()) {
      const end = Math.min(at + PIECE, target.length);
      for (let from = at; from < end;) {
        const position = from;
        const got = await call<number>(transport, file.node, file.path, (done) => {
          sftp.read(file.handle, target, position, end - position, offset + position, done);
        });
        if (got === 0) throw noSuchFile(file.node, file.path, new Error('it became shorter while it was read'));
        from += got;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(IN_FLIGHT, starts.length) }, lane));
  return target;
}

function call<T>(
  transport: Transport,
  node: string,
  path: string,
  send: (done: (error: Error | undefined, value: T) => void) => unknown,
): Promise<T> {
  const what = `reading ${path}`;
  const work = transport.guard<T>(what, (result) => {
    try {
      send((error, value) => {
        if (error) result.reject(noSuchFile(node, path, error));
        else result.resolve(value);
      });
    } catch (error) {
      result.reject(linkLost(node, what, error));
    }
  });
  return within(DEADLINE, work, () => linkLost(node, what, new Error('no answer')));
}

/** Reads a file with a command for each piece: for servers without SFTP. */
export async function openExecReader(
  exec: (request: ExecRequest) => Promise<ExecResult>,
  node: string,
  path: string,
): Promise<RandomReader> {
  const answer = await exec({ script: rangeScript, args: [path], as: 'login', timeout: DEADLINE });
  if (answer.code !== 0) throw noSuchFile(node, path, new Error(answer.stderr.trim()));
  const size = Number(answer.stdout);
  return {
    size,
    read: async (offset, length) => {
      const wanted = Math.max(0, Math.min(length, size - offset));
      if (wanted === 0) return Buffer.alloc(0);
      const chunks: Buffer[] = [];
      const result = await exec({
        script: rangeScript,
        args: [path, String(offset), String(wanted)],
        as: 'login',
        timeout: DEADLINE,
        onStdout: (chunk) => {
          chunks.push(chunk);
        },
      });
      const bytes = Buffer.concat(chunks);
      if (bytes.length !== wanted) throw readFailed(node, path, result);
      return bytes;
    },
    close: () => Promise.resolve(),
  };
}

function readFailed(node: string, path: string, { stderr }: ExecResult): ClusterliftError {
  return new ClusterliftError({
    code: 'node-file',
    message: `${path} on ${node} could not be read: ${stderr.trim() || 'it became shorter while it was read'}`,
    hint: 'Check that nothing else changes the file, then try again.',
    exit: ExitStatus.refused,
    node,
  });
}
