import type { NodeConnection } from '../../ssh/connection';
import * as script from '../../ssh/exec/script';
import type { Advice } from '../../ssh/exec/refusals';

/** The next step for each refusal of the scripts in this folder. */
export const ADVICE: Advice = {
  'lock-busy': 'Try again in a moment; `clusterlift status` names the owner.',
  'lock-changed': 'Look again who owns it: `clusterlift status`.',
  'lock-jobs-alive':
    'Wait until they have ended, or follow them: `clusterlift attach`. A lock is never taken from a living job.',
  'stage-space': 'Make room there, or set "stateDir" to a larger file system.',
  'stage-digest':
    'The copy on the node was removed. Run the command again; if it happens twice, look at the disk and who can write there.',
  'stage-missing': 'Run the command again: it stages the package first.',
  'stage-source': 'Name a regular file that the login user can read.',
  'packages-many': 'The newest cannot be told for sure: name the package, or move old images to another directory.',
  'stage-tools': 'Install `sha256sum` (coreutils) or `openssl` there.',
  'fetch-tools': 'Install `curl` there, or leave --fetch primary out.',
  'fetch-busy': 'Wait until it has ended, then try again.',
  'relay-failed': 'Use --distribution direct, or look at the network between the nodes.',
  'unpack-failed': 'Look at the free space; the next try unpacks again from the beginning.',
  'record-missing': 'Run the upgrade again: it unpacks the package first.',
  'mirror-offset': 'Run the command again; the journal is then copied from the beginning.',
  'prune-cut': 'Run the command again: nothing was removed.',
  'run-unknown': 'List the runs with `clusterlift runs`.',
};

/** As `ask` of the ssh room, with the advice of this one. */
export function ask(connection: NodeConnection, request: script.NodeScript): Promise<script.Entries> {
  return script.ask(connection, { advice: ADVICE, ...request });
}

/** As `execute` of the ssh room, with the advice of this one. */
export function execute(connection: NodeConnection, request: script.NodeScript): ReturnType<typeof script.execute> {
  return script.execute(connection, { advice: ADVICE, ...request });
}
