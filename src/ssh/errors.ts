import { cancelled } from '../base/async';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';

/** The link went away while something was under way: what became of it is unknown, and nobody repeats it by itself. */
export function linkLost(node: string, what: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'link-lost',
    message: `the connection to ${node} was lost during ${what}: its outcome is unknown`,
    hint: 'Check the network and the node; then `clusterlift resume` finds out how far it came.',
    exit: ExitStatus.unknown,
    node,
    cause,
  });
}

/** A file does not have the size that an append was told to go on from. */
export function appendOffset(
  node: string,
  path: string,
  expected: number,
  actual: number | undefined,
): ClusterliftError {
  const is = actual === undefined ? 'is missing or of another size' : `has ${String(actual)} bytes`;
  return new ClusterliftError({
    code: 'append-offset',
    message: `${path} on ${node} ${is}, not the ${String(expected)} to go on from`,
    hint: 'Something else wrote to it; start the transfer again.',
    exit: ExitStatus.failed,
    node,
  });
}

export function noSuchFile(node: string, path: string, cause?: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'node-file',
    message: `${path} on ${node} cannot be opened: ${cause === undefined ? 'no such file' : messageOf(cause)}`,
    hint: 'Check the path and that the login user may read it.',
    exit: ExitStatus.refused,
    node,
    cause,
  });
}

/** The server opens not a single session. */
export function noChannel(node: string, cause: unknown): ClusterliftError {
  return new ClusterliftError({
    code: 'no-session',
    message: `${node} let us in, but opens no session: ${messageOf(cause)}`,
    hint: 'Look at MaxSessions and ForceCommand in its sshd_config, and whether sessions hang there.',
    exit: ExitStatus.refused,
    node,
    cause,
  });
}

/** Why a caller gave up: its own reason when it is one of ours, else that it was cancelled. */
export function abortReason(signal: AbortSignal | undefined, what: string): ClusterliftError {
  const reason: unknown = signal?.reason;
  return reason instanceof ClusterliftError ? reason : cancelled(what);
}
