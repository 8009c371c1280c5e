import { ClusterliftError, ExitStatus, messageOf } from '../../base/errors';
import { advice } from '../../base/shell';
import { line } from '../../base/text';
import type { Authenticator } from './auth';
import type { Target } from './target';

/** Why nobody can be reached, in words. */
export function unreachable(target: Target, why: string, cause?: unknown): ClusterliftError {
  const { node, host, port } = target;
  return new ClusterliftError({
    code: 'host-unreachable',
    message: `${node} (${host}, port ${String(port)}) cannot be reached: ${why}`,
    hint: advice`Check address, network and sshd: \`ssh -v -p ${String(port)} ${host}\``,
    exit: ExitStatus.refused,
    node,
    cause,
  });
}

const SOCKET_TROUBLE: Partial<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to its network',
  ENOTFOUND: 'its name is not known',
  EAI_AGAIN: 'its name cannot be looked up now',
  ETIMEDOUT: 'it does not answer',
  ECONNRESET: 'it reset the connection',
};

/** The server said no; trying again would only say it again. */
export function isDecided(error: unknown): boolean {
  return /authentication methods failed|too many authentication failures|no matching/i.test(messageOf(error));
}

/** Tells what a failed attempt means. */
export function explainFailure(error: unknown, target: Target, authenticator: Authenticator): ClusterliftError {
  const text = messageOf(error);
  if (isDecided(error)) return authenticator.failure(error);
  const { code } = error as NodeJS.ErrnoException;
  return unreachable(target, (typeof code === 'string' ? SOCKET_TROUBLE[code] : undefined) ?? line(text, 200), error);
}

/** The server has no room right now (MaxStartups), or was just about to start. Nothing was decided. */
export function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return (
    code === 'ECONNRESET' || /before handshake|exceeded maxstartups|invalid identification/i.test(messageOf(error))
  );
}

/** What the debug output of ssh2 calls the things that its error names. */
const LISTS: readonly [RegExp, string][] = [
  [/key exchange/i, 'KEX method'],
  [/host key/i, 'Host key format'],
  [/C->S cipher/i, 'C->S cipher'],
  [/S->C cipher/i, 'S->C cipher'],
  [/C->S MAC/i, 'C->S MAC'],
  [/S->C MAC/i, 'S->C MAC'],
  [/C->S compression/i, 'C->S compression'],
  [/S->C compression/i, 'S->C compression'],
];

/**
 * Both sides' offers, so that somebody can change one of them.
 * @param negotiation debug lines of ssh2, such as `Handshake: (remote) KEX method: a,b`
 */
export function noCommonAlgorithm(target: Target, text: string, negotiation: readonly string[]): ClusterliftError {
  const [, name = 'algorithm'] = LISTS.find(([says]) => says.test(text)) ?? [];
  const offer = (side: string): string =>
    negotiation.find((each) => each.startsWith(`Handshake: (${side}) ${name}: `))?.split(': ')[2] ?? 'something else';
  const { node } = target;
  return new ClusterliftError({
    code: 'no-common-algorithm',
    message: `${node} and we have no ${name} in common: it offers ${line(offer('remote'), 300)}; we support ${offer('local')}`,
    hint: 'Allow one of ours in its sshd_config; post-quantum-only key exchange, certificates and FIDO keys are not supported.',
    exit: ExitStatus.refused,
    node,
  });
}
