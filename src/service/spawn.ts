import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { sleep } from '../base/async';
import { ageOf, deadlineIn } from '../base/clock';
import { makeDirectory } from '../base/directories';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { liveness } from '../base/process';
import { readControlFile } from './address';
import { RunClient, type RunFollower } from './client';
import type { RunRequest } from './protocol';

/** Starts a process that works on one run and outlives the one that started it. */

export interface Launcher {
  /** The program that runs scripts: `process.execPath`, also when that is the editor's. */
  readonly execPath: string;
  /** `dist/cli.js` */
  readonly script: string;
  /** The user's state directory; the launch folder is made in it. */
  readonly stateHome: string;
  readonly env: NodeJS.ProcessEnv;
}

/** The hidden first words of `dist/cli.js`. */
export const RUN_WORD = '__run';
export const SERVICE_WORD = '__service';

/** Milliseconds until the new process has to listen; a busy machine needs a few of them. */
const START_MS = 30_000;
/** What a process that could not start leaves in its launch folder. */
export const PROCESS_LOG = 'process.log';

/**
 * The environment of our processes: the editor's own variables would make it behave as a part of the editor,
 * and `NODE_OPTIONS` of a debugger would load things into it. Secrets go over the socket only.
 */
export function childEnv(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name]) => !/^(NODE_OPTIONS$|VSCODE_|ELECTRON_|CLUSTERLIFT_.*(PASSWORD|PASSPHRASE|AUTH)(_FILE)?$)/i.test(name),
  );
  return { ...Object.fromEntries(kept), ELECTRON_RUN_AS_NODE: '1' };
}

/**
 * Starts a detached process, tells it what to do, and follows it. Closing the returned connection ends the following only.
 * The secrets travel in that first message only: never in argv, environment or a file.
 * @throws ClusterliftError `run-process` when it did not start
 */
export async function spawnRun(launcher: Launcher, request: RunRequest, follower: RunFollower): Promise<RunClient> {
  const folder = await launchFolder(launcher.stateHome);
  const child = spawn(launcher.execPath, [launcher.script, RUN_WORD, folder], {
    cwd: folder,
    env: childEnv(launcher.env),
    detached: true,
    stdio: 'ignore',
    windowsHide: true,
  });
  let died: string | undefined;
  child.on('error', (error) => (died = error.message));
  child.on('exit', (code, signal) => (died ??= `it ended with ${signal ?? String(code)}`));
  child.unref();
  const deadline = deadlineIn(START_MS);
  while ((await readControlFile(folder)) === undefined) {
    if (died !== undefined || deadline.passed) throw await notStarted(folder, died ?? 'it did not listen in time');
    await sleep(20);
  }
  const client = await RunClient.connect(folder);
  try {
    await client.begin(request, follower);
    return client;
  } catch (error) {
    client.close();
    throw error;
  }
}

/** A folder for the time until the run has its own. */
async function launchFolder(stateHome: string): Promise<string> {
  const parent = join(stateHome, 'launch');
  await makeDirectory(parent);
  await sweep(parent);
  const folder = join(parent, randomBytes(8).toString('hex'));
  await mkdir(folder, { mode: 0o700 });
  return folder;
}

/** Removes what processes that were killed left behind, a day later. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const folder = join(parent, name);
    const made = await stat(folder).catch(() => undefined);
    if (!made || ageOf(made.mtimeMs) < 24 * 3_600_000) continue;
    const control = await readControlFile(folder).catch(() => undefined);
    if (!control || liveness(control) === 'dead')
      await rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

async function notStarted(folder: string, why: string): Promise<ClusterliftError> {
  const log = await readFile(join(folder, PROCESS_LOG), 'utf8').catch(() => '');
  return new ClusterliftError({
    code: 'run-process',
    message: `The process of the run did not start: ${why}`,
    hint: 'Nothing was changed. Try the command in a terminal; it runs without an own process there.',
    exit: ExitStatus.refused,
    log: log
      .split('\n')
      .filter((each) => each !== '')
      .slice(-10),
  });
}
