import { ExitStatus } from '../base/errors';
import { stateHome } from '../base/paths';
import { BECOMES_RUN, type Command, type CommandKind } from '../command/command';
import { dispatch } from '../command/dispatch';
import { UserInterface, type Streams } from '../command/ui';
import { parseCommand } from '../command/parse';
import { usage } from '../command/usage';
import type { Event } from '../engine/journal/events';
import { Runs } from '../engine/journal/runs';
import { Secrets, type SecretName } from '../ssh/secrets';
import type { JsonResult } from '../terminal/json-output';
import type { LiveRuns } from '../command/context';
import { headlessStreams, plainStreams } from './capture';
import { endOfError, outcomeOf, runMain, type HostedRun } from './host';
import type { QueryHost } from './query-host';
import type { QueryRequest, QueryResult } from './query-protocol';
import { serviceMain } from './process';
import type { RunEnd, RunRequest } from './protocol';
import { openShell } from './shell';
import { RUN_WORD, SERVICE_WORD } from './spawn';

/** The hidden words of `dist/cli.js`: the same commands, without a terminal. */

export interface EntryOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
}

/** @returns undefined when the words are a person's; else the process did what it was started for */
export async function hiddenMain(argv: readonly string[], options: EntryOptions): Promise<ExitStatus | undefined> {
  const [word, folder] = argv;
  if (word === RUN_WORD && folder !== undefined && argv.length === 2) {
    return runMain(folder, { env: options.env, execute: (request, host) => execute(request, host, options) });
  }
  if (word === SERVICE_WORD && argv.length === 1) {
    const { stdin: input, stdout: output } = process;
    await serviceMain({
      input,
      output,
      query: (request, host) => query(request, host, options),
      shell: (request, host) => openShell(request, host, options.env),
    });
    return ExitStatus.ok;
  }
  return undefined;
}

/** Does what the words say, as the command line does. Of a run its events are told, of everything else its lines. */
async function execute(request: RunRequest, host: HostedRun, options: EntryOptions): Promise<RunEnd> {
  let result: JsonResult | undefined;
  const say = (lines: readonly string[]): void => {
    host.say(lines);
  };
  const take = (json: string): void => {
    const event = JSON.parse(json) as Event | (JsonResult & { type: 'run.finished' });
    if (event.type === 'run.finished') result = event;
    else if (event.type === 'progress') host.sink(event);
  };
  const { live, asker, stop, detach } = host;
  const parsed = parseCommand(request.argv);
  const json = BECOMES_RUN.has(parsed.kind);
  const streams = json ? headlessStreams(take, say) : plainStreams(say);
  const command = (json ? { ...parsed, options: { ...parsed.options, json } } : parsed) as Command;
  const status = await run(command, request, { streams, live, asker, stop, detach }, options);
  const { outcome, nodes } = result ?? { outcome: outcomeOf(status), nodes: {} };
  return { outcome, status, nodes, error: null };
}

/** Commands that a window may run without a process of its own. */
const QUERIES: ReadonlySet<CommandKind> = new Set<CommandKind>([
  'status',
  'check',
  'runs',
  'package-inspect',
  'backup-list',
]);
/** No answer is that long; more would be a fault, and memory. */
const MOST_ROWS = 100_000;

async function query(request: QueryRequest, { asker, signal }: QueryHost, options: EntryOptions): Promise<QueryResult> {
  const rows: unknown[] = [];
  const lines: string[] = [];
  const say = (more: readonly string[]): void => {
    lines.push(...more);
  };
  try {
    const command = parseCommand(request.argv);
    const { json, dryRun } = command.options;
    const streams =
      json === true
        ? headlessStreams((row) => {
            if (rows.length < MOST_ROWS) rows.push(JSON.parse(row));
          }, say)
        : plainStreams(say);
    if (!QUERIES.has(command.kind) && dryRun !== true)
      throw usage('not-a-look', `"${command.kind}" is more than looking`, 'Start it as a run.');
    const world = { streams, live: NO_RUNS, asker, stop: signal, detach: signal };
    return { status: await run(command, request, world, options), rows, lines, error: null };
  } catch (error) {
    const { status, error: record } = endOfError(error);
    return { status, rows, lines, error: record };
  }
}

/** A query follows and stops nothing. */
const NO_RUNS: LiveRuns = {
  serve: () => Promise.resolve({ close: () => Promise.resolve(), sink: () => undefined }),
  follow: () => Promise.resolve(),
  stop: () => Promise.resolve(false),
};

interface World extends Pick<HostedRun, 'live' | 'asker' | 'stop' | 'detach'> {
  readonly streams: Streams;
}

async function run(command: Command, request: QueryRequest, world: World, options: EntryOptions): Promise<ExitStatus> {
  const { env, version } = options;
  const { live, asker, stop, detach } = world;
  const ui = new UserInterface(world.streams, env, command.options, () => undefined, asker);
  const status = await dispatch(command, {
    env,
    version,
    platform: process.platform,
    cwd: request.cwd,
    by: request.by,
    secrets: secretsOf(request.secrets),
    runs: new Runs(stateHome(env)),
    ui,
    live,
    asker,
    stop,
    detach,
    signal: AbortSignal.any([stop, detach]),
  });
  await ui.end(status);
  return status;
}

const SECRET_NAMES: readonly SecretName[] = [
  'ssh-password',
  'backup-password',
  'key-passphrase',
  'become-password',
  'restic-password',
  'url-auth',
];

function secretsOf(given: Readonly<Record<string, string>>): Secrets {
  const secrets = new Secrets();
  for (const name of SECRET_NAMES) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined && value !== '') secrets.provide(name, value);
  }
  return secrets;
}
