/** Composition root of the command line: wires the rooms, decides nothing. */
import { hostname, userInfo } from 'node:os';
import { after } from './base/clock';
import { ClusterliftError, ExitStatus } from './base/errors';
import { keepYoungSpaceSmall } from './base/memory';
import { stateHome } from './base/paths';
import type { Command } from './command/command';
import { dispatch } from './command/dispatch';
import { UserInterface } from './command/ui';
import { parseCommand } from './command/parse';
import { Interrupts } from './terminal/interrupts';
import { Runs } from './engine/journal/runs';
import { hiddenMain } from './service/entry';
import { LiveRunService } from './service/live-runs';
import { Secrets } from './ssh/secrets';

declare const CLUSTERLIFT_VERSION: string;

async function main(argv: readonly string[]): Promise<ExitStatus> {
  const { env, platform } = process;
  const secrets = Secrets.take(env);
  const command = parse(argv);
  const interrupts = new Interrupts({
    onStop: () => {
      ui.say('Stopping. Press Ctrl-C again to detach immediately.');
    },
    onDetach: () => {
      ui.detached('kind' in command && command.kind === 'attach' ? 'attach' : 'resume');
    },
    onForce: () => process.exit(ExitStatus.interrupted),
  });
  const streams = { input: process.stdin, output: process.stdout, errors: process.stderr };
  const options = 'error' in command ? { json: argv.includes('--json') as true } : command.options;
  const ui = new UserInterface(streams, env, options, interrupts.press);
  const live = new LiveRunService({
    env,
    terminal: ui.asker,
    alone: 'refuse',
    sink: ui.sink,
    onProblem: (error) => {
      ui.say(`The run can only be followed here: ${error instanceof Error ? error.message : String(error)}`);
    },
  });
  let status: ExitStatus;
  try {
    if ('error' in command) throw command.error;
    status = await dispatch(command, {
      env,
      platform,
      secrets,
      ui,
      live,
      cwd: workingDirectory(),
      asker: live.broker,
      runs: new Runs(stateHome(env)),
      version: CLUSTERLIFT_VERSION,
      by: `${userInfo().username}@${hostname()}`,
      stop: interrupts.stop,
      detach: interrupts.detach,
      signal: AbortSignal.any([interrupts.stop, interrupts.detach]),
    });
  } catch (error) {
    status = interrupts.stop.aborted && !(error instanceof ClusterliftError) ? ExitStatus.interrupted : statusOf(error);
    if (status !== ExitStatus.interrupted || error instanceof ClusterliftError) ui.error(error);
  }
  await ui.end(status);
  interrupts.dispose();
  return status;
}

function parse(argv: readonly string[]): Command | { error: unknown } {
  try {
    return parseCommand(argv);
  } catch (error) {
    return { error };
  }
}

/** @throws ClusterliftError `cwd-missing` */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new ClusterliftError({
      code: 'cwd-missing',
      message: 'The current folder was removed or cannot be read',
      hint: 'Change to another folder, for example with `cd`, and repeat the command.',
      exit: ExitStatus.usage,
      cause,
    });
  }
}

function statusOf(error: unknown): ExitStatus {
  return error instanceof ClusterliftError ? error.exit : ExitStatus.failed;
}

keepYoungSpaceSmall();
const words = process.argv.slice(2);
void hiddenMain(words, { env: process.env, version: CLUSTERLIFT_VERSION }).then(async (hidden) => {
  // A process of ours ends with its work, whatever is still open.
  if (hidden !== undefined) process.exit(hidden);
  const status = await main(words);
  process.exitCode = status;
  // A connection that is dead without knowing it keeps no person waiting; what was written is given time to leave.
  after(1000, () => process.exit(status)).unref();
  setImmediate(() => {
    if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit(status);
  });
});
