import { join } from 'node:path';
import * as vscode from 'vscode';
import { line } from '../../base/text';
import { formatArgv } from '../../command/format';
import { parseCommand } from '../../command/parse';
import type { Command } from '../../command/command';
import type { RunRecord } from '../../engine/journal/runs';
import { isResumable, nodesToRetry } from '../../engine/journal/view';
import { isNotLive, RunClient } from '../../service/client';
import type { ClusterRef } from '../clusters/model';
import { me } from '../shared/launch';
import { nodeLogPath } from '../output/node-log';
import { definitionOf, explicit, nameOf, type TaskDefinition } from '../tasks/definition';
import { saveTask } from '../tasks/save';
import { wordsOf } from '../tasks/tasks-json';
import type { CommandDeps, Handlers } from './deps';
import type { Args } from './targets';
import { confirmed, openTerminal, shellOptions, start, sure } from './start';
import { tell } from '../shared/tell';
import { actionWords, runTitle, runWords } from '../runs/words';

const { l10n } = vscode;

/** Can the run be resumed or abandoned here? What the menus of the view offer for the same states. */
function isOpen({ state, view }: RunRecord): boolean {
  return isResumable(view) && state !== 'live' && state !== 'elsewhere';
}

/** Commands on runs, nodes and what they said. */
export const runCommands: Handlers = {
  follow,
  stop: stopRuns,
  resume,
  abandon,
  retryFailed,
  showNodeOutput,
  openNodeLog,
  openRunFolder,
  openTerminal: openNodeTerminal,
  saveAsTask,
  forgetSecrets,
  showLog,
};

async function follow(deps: CommandDeps, args: Args): Promise<void> {
  const record = await deps.targets.run(args, l10n.t('Follow Run'), () => true);
  if (record) openTerminal(deps.terminal, { kind: 'follow', run: record.run }, runTitle(record.plan));
}

async function stopRuns({ targets }: CommandDeps, args: Args): Promise<void> {
  const records = await targets.several(args, l10n.t('Stop Run'), ({ state }) => state === 'live');
  if (records.length === 0) return;
  const yes = await sure(
    l10n.t('Stop {0}?', records.map(({ plan }) => runWords(plan)).join(', ')),
    l10n.t('Nodes in progress will finish. No other node will be started.'),
    l10n.t('Stop Run'),
  );
  if (yes) await Promise.all(records.map(stopRun));
}

async function resume(deps: CommandDeps, args: Args): Promise<void> {
  const record = await deps.targets.run(args, l10n.t('Resume Run'), isOpen);
  if (record) await inTerminal(deps, record, { kind: 'resume', run: record.run, options: { yes: true } });
}

async function abandon(deps: CommandDeps, args: Args): Promise<void> {
  const records = await deps.targets.several(args, l10n.t('Abandon Run'), isOpen);
  if (records.length === 0) return;
  const yes = await sure(
    l10n.t('Abandon {0}?', records.map(({ plan }) => runWords(plan)).join(', ')),
    l10n.t(
      'You will not be able to resume it. Nothing changes on the nodes. Their locks are released unless a job is still running.',
    ),
    l10n.t('Abandon'),
  );
  if (!yes) return;
  for (const record of records)
    await inTerminal(deps, record, { kind: 'runs-abandon', run: record.run, options: { yes: true } });
}

async function retryFailed(deps: CommandDeps, args: Args): Promise<void> {
  const { clusters, targets } = deps;
  const record = await targets.run(
    args,
    l10n.t('Retry Failed Nodes'),
    ({ state, view }) => state === 'finished' && view.outcome !== 'succeeded',
  );
  const ref = record && clusters.byName(record.plan.cluster, record.plan.configFile);
  if (!record || !ref) return;
  const nodes = nodesToRetry(record.view);
  const command = parseCommand(wordsOf(record.plan.command).slice(1));
  const yes = await confirmed(ref, {
    message: l10n.t('Retry the {0} on {1}?', actionWords(record.plan.action), nodes.join(', ')),
    detail: [...nodes.map((node) => versionsOf(record, node)), '', record.plan.command].join('\n'),
    button: l10n.t('Retry'),
  });
  if (yes) await start(deps, { ...command, options: { ...command.options, nodes, ...yes } } as Command, ref);
}

async function showNodeOutput({ channels, targets }: CommandDeps, args: Args): Promise<void> {
  const target = await targets.node(args, l10n.t('Show Node Output'));
  if (target) await channels.show(target);
}

async function openNodeLog({ targets }: CommandDeps, args: Args): Promise<void> {
  const target = await targets.node(args, l10n.t('Open Node Log'));
  if (!target) return;
  if (target.folder === undefined) {
    void tell.info(l10n.t('No log has been written for {0} yet.', target.node));
    return;
  }
  await openText(nodeLogPath(target.folder, target.node), l10n.t('No log has been written for {0} yet.', target.node));
}

async function openRunFolder({ targets }: CommandDeps, args: Args): Promise<void> {
  const record = await targets.run(args, l10n.t('Open Journal'), () => true);
  if (record) await openText(join(record.folder, 'journal.jsonl'), l10n.t('No journal has been written yet.'));
}

async function openNodeTerminal(deps: CommandDeps, args: Args): Promise<void> {
  const shell = await nodeShell(deps, args);
  if (shell) vscode.window.createTerminal(shell).show();
}

async function saveAsTask(deps: CommandDeps, args: Args): Promise<void> {
  const [item] = args;
  const given: unknown = args[1];
  const command = isCommand(given)
    ? given
    : item && 'run' in item
      ? commandOf(await deps.targets.run(args, '', () => true))
      : undefined;
  const ref = item && 'run' in item ? refOf(deps, item.run) : await deps.targets.cluster(args, l10n.t('Save as Task'));
  if (!ref) return;
  if (!command) {
    for (const { command: chosen } of await deps.wizard.run([ref], 'save')) await save(chosen, ref);
  } else await save(command, ref);
}

async function forgetSecrets({ secrets }: CommandDeps): Promise<void> {
  const count = await secrets.forget();
  void tell.info(l10n.t('{0} saved secrets were removed.', count));
}

async function showLog({ channels }: CommandDeps): Promise<void> {
  channels.engine.show();
}

/** A terminal on the node that the arguments name, else on one that is asked for; undefined: cancelled. */
export async function nodeShell(
  { targets, queries }: Pick<CommandDeps, 'targets' | 'queries'>,
  args: Args,
): Promise<ReturnType<typeof shellOptions> | undefined> {
  const target = await targets.node(args, l10n.t('Open SSH Terminal'));
  const node = target?.ref?.cluster.nodes.find(({ name }) => name === target.node);
  return node && target?.ref && shellOptions({ queries }, target.ref, node);
}

async function save(command: Command, ref: ClusterRef): Promise<void> {
  const { mode, backup } = ref.cluster.upgrade;
  const definition = definitionOf(command);
  if (!definition) return;
  const whole: TaskDefinition = explicit(definition, { mode, backup });
  await saveTask(whole, nameOf(whole), ref.folder);
  const given = 'package' in command ? command.package : undefined;
  if (given !== whole.package)
    void tell.info(
      l10n.t(
        'The address was saved without its user, password and query. If they are needed, add them to "package" as ${input:…}. The task then asks for them each time.',
      ),
    );
}

function refOf({ runs, clusters }: CommandDeps, run: string): ReturnType<CommandDeps['clusters']['find']> {
  const plan = runs.find(run)?.plan;
  return plan && clusters.byName(plan.cluster, plan.configFile);
}

function commandOf(record: RunRecord | undefined): Command | undefined {
  return record && parseCommand(wordsOf(record.plan.command).slice(1));
}

function isCommand(value: unknown): value is Command {
  return typeof value === 'object' && value !== null && 'kind' in value && 'options' in value;
}

/** `n1: 24.1 → 24.2`, as it was planned. */
function versionsOf({ plan }: RunRecord, name: string): string {
  const node = plan.nodes.find((each) => each.name === name);
  return `${name}: ${line(node?.from ?? l10n.t('not installed'), 80)} → ${line(node?.to ?? node?.from ?? '?', 80)}`;
}

/** A run needs no cluster of this window: everything is in its plan. */
async function inTerminal(deps: CommandDeps, record: RunRecord, command: Command): Promise<void> {
  const cwd = record.folder;
  openTerminal(deps.terminal, { kind: 'command', command, cwd }, formatArgv(command).slice(0, 2).join(' '));
}

async function stopRun(record: RunRecord): Promise<void> {
  let client: RunClient | undefined;
  try {
    client = await RunClient.connect(record.folder);
    await client.stop(me());
  } catch (error) {
    if (!isNotLive(error)) throw error;
  } finally {
    client?.close();
  }
}

async function openText(path: string, missing: string): Promise<void> {
  const uri = vscode.Uri.file(path);
  const there = await vscode.workspace.fs.stat(uri).then(
    () => true,
    () => false,
  );
  if (there) await vscode.window.showTextDocument(uri, { preview: true });
  else void tell.info(missing);
}
