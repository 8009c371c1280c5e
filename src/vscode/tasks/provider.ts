import * as vscode from 'vscode';
import { dirname } from 'node:path';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import { findClustersFile } from '../../cluster/find';
import type { Command } from '../../command/command';
import { formatCommand } from '../../command/format';
import type { ClusterRef, ClustersModel } from '../clusters/model';
import { demandTrust } from '../shared/queries';
import type { RunsModel } from '../runs/model';
import { looksOnly, optionsFor } from '../clusters/argv';
import type { TerminalDeps, TerminalJob } from '../runs/terminal';
import { commandOf, definitionOf, givenFor, nameOf, refusal, TASK_TYPE, type TaskDefinition } from './definition';
import type { TaskDiagnostics } from './diagnostics';
import { entriesOf, isRecord, standsIn } from './entries';
import { openRun } from './open-run';
import { Permission } from './permission';

const { l10n } = vscode;

/** Tasks of type `clusterlift`: those of tasks.json, the few that are offered, and those that the commands start. */
export class ClusterliftTasks implements vscode.TaskProvider {
  constructor(
    private readonly clusters: ClustersModel,
    private readonly runs: RunsModel,
    private readonly deps: TerminalDeps,
    private readonly diagnostics: Pick<TaskDiagnostics, 'ended'>,
  ) {}

  /** Only what changes no installed version: one Enter on Run Task must not upgrade production. Connects to nothing. */
  provideTasks(): vscode.Task[] {
    return this.clusters.clusters.flatMap((ref) => {
      const locations = [...ref.file.locations.map(({ name }) => name), 'localbackup'];
      const options = optionsFor(ref);
      const commands: Command[] = [
        { kind: 'check', options },
        ...locations.map((location): Command => ({ kind: 'backup-create', location, options })),
      ];
      return commands.flatMap((command) => this.taskOf(command, ref) ?? []);
    });
  }

  /** Keeps the definition as it is: the editor matches by it. */
  resolveTask(task: vscode.Task): vscode.Task | undefined {
    if (task.definition.type !== TASK_TYPE) return undefined;
    const { definition, scope, name } = task;
    const resolved = new vscode.Task(
      definition,
      scope ?? vscode.TaskScope.Workspace,
      name === '' ? nameOf(definition as unknown as TaskDefinition) : name,
      'clusterlift',
      this.#execution(task),
      [],
    );
    resolved.isBackground = task.isBackground;
    resolved.presentationOptions = task.presentationOptions;
    resolved.runOptions = task.runOptions;
    if (task.detail !== undefined) resolved.detail = task.detail;
    if (task.group) resolved.group = task.group;
    return resolved;
  }

  /**
   * Starts the task of a command that a person has just confirmed: this one start asks no more.
   * @returns false: tasks.json has no word for the command
   */
  async begin(command: Command, ref: ClusterRef): Promise<boolean> {
    const { confirm } = command.options;
    const definition = definitionOf(command);
    if (!definition) return false;
    const permission = new Permission({ ...definition });
    const task = this.taskOf(command, ref, (asked) => (permission.take(asked) ? { confirm } : undefined));
    if (!task) return false;
    try {
      await vscode.tasks.executeTask(task);
    } catch (error) {
      permission.revoke();
      throw error;
    }
    return true;
  }

  /** The task of a command; undefined for commands that tasks.json has no word for. */
  taskOf(command: Command, ref: ClusterRef, answer: Answers = () => undefined): vscode.Task | undefined {
    const definition = definitionOf(command);
    if (!definition) return undefined;
    const scope = ref.folder ?? vscode.TaskScope.Workspace;
    const name = nameOf({ ...definition, cluster: ref.label });
    const task = new vscode.Task({ ...definition }, scope, name, 'clusterlift', undefined, []);
    task.detail = formatCommand(commandOf({ ...definition }));
    task.execution = this.#execution(task, givenFor(command), answer);
    task.presentationOptions = { reveal: vscode.TaskRevealKind.Always, clear: true, showReuseMessage: false };
    return task;
  }

  /** Variables of the definition are resolved only in here. */
  #execution(
    task: vscode.Task,
    completed = (definition: vscode.TaskDefinition): Readonly<Record<string, unknown>> => definition,
    answer: Answers = () => undefined,
  ): vscode.CustomExecution {
    return new vscode.CustomExecution(async (definition) => {
      const { RunTerminal } = await import(/* webpackChunkName: "on-demand" */ '../runs/terminal');
      const given = answer(definition) ?? (isWritten(task) ? {} : undefined);
      return new RunTerminal(await this.#jobOf(completed(definition), task, given), this.deps, {
        stays: false,
        ended: (status, error) => void this.diagnostics.ended(task, status, error),
      });
    });
  }

  async #jobOf(
    definition: Readonly<Record<string, unknown>>,
    task: vscode.Task,
    given: Given | undefined,
  ): Promise<TerminalJob> {
    try {
      demandTrust();
      const refused = refusal(definition, startsItself(task));
      if (refused) throw refused;
      const cwd = this.#cwd(definition, task);
      const command = this.#completed(commandOf(definition), given);
      const open = await this.#openRun(command, cwd);
      return open === undefined ? { kind: 'command', command, cwd } : { kind: 'follow', run: open };
    } catch (error) {
      if (error instanceof ClusterliftError) return { kind: 'refused', error };
      throw error;
    }
  }

  /**
   * A task that a person wrote or has just confirmed runs without asking; a production cluster's name is asked for by the
   * run itself, with the plan. Any other start (recently used, run again, by another extension) is asked about.
   */
  #completed(command: Command, given: Given | undefined): Command {
    const { confirm, ...options } = command.options;
    const typed = given && (given.confirm ?? confirm);
    const name = typed === undefined ? {} : { confirm: typed };
    if (looksOnly(command)) return { ...command, options: { ...options, ...name } } as Command;
    const { cluster, config } = options;
    const ref = cluster === undefined ? undefined : this.clusters.byName(cluster, config);
    const own = config === undefined && ref && !ref.folder ? { config: ref.file.path } : {};
    const answers = given && !options.ask ? { ...name, yes: true } : { ask: true };
    return { ...command, options: { ...options, ...own, ...answers } } as Command;
  }

  #cwd({ cluster }: Readonly<Record<string, unknown>>, { scope }: vscode.Task): string {
    if (typeof scope === 'object') return scope.uri.fsPath;
    const ref = typeof cluster === 'string' ? this.clusters.byName(cluster) : undefined;
    const folder = ref?.folder ?? vscode.workspace.workspaceFolders?.[0];
    if (folder) return folder.uri.fsPath;
    const [first] = this.clusters.places();
    if (first) return dirname(first.path);
    throw new ClusterliftError({
      code: 'task-folder',
      message: l10n.t('No folder is open to run the task in'),
      hint: l10n.t('Open a folder.'),
      exit: ExitStatus.usage,
    });
  }

  async #openRun(command: Command, cwd: string): Promise<string | undefined> {
    if (command.options.dryRun) return undefined;
    const { env, platform } = process;
    const { config } = command.options;
    // Without a file, the run itself says so.
    const file = await findClustersFile({ cwd, env, platform, config }).catch(() => undefined);
    return file === undefined ? undefined : openRun(this.runs.records, command, file.path);
  }
}

/** What a person answered already: the name of a production cluster, where it was typed. */
interface Given {
  readonly confirm?: string | undefined;
}

/** What was answered for this start; undefined: nothing, so the run asks. */
type Answers = (definition: Readonly<Record<string, unknown>>) => Given | undefined;

/** Does the task stand in the tasks.json of its folder, of the workspace, or of the person? */
function isWritten(task: vscode.Task): boolean {
  return tasksOf(task).some((all) => standsIn(all, task.definition));
}

/** The lists of tasks that a task can come from. */
function tasksOf({ scope }: vscode.Task): unknown[] {
  const folder = typeof scope === 'object' ? scope.uri : undefined;
  const found = vscode.workspace.getConfiguration('tasks', folder).inspect('tasks');
  return [found?.workspaceFolderValue, found?.workspaceValue, found?.globalValue];
}

/** The API does not tell `runOn`: it is read where the person wrote it. */
function startsItself(task: vscode.Task): { isBackground: boolean; runOn: unknown } {
  const ours = tasksOf(task).flatMap((all) => entriesOf(all, task));
  const runOn = ours.some(({ runOptions }) => isRecord(runOptions) && runOptions['runOn'] === 'folderOpen');
  return {
    isBackground: task.isBackground || ours.some(({ isBackground }) => isBackground === true),
    runOn: runOn ? 'folderOpen' : undefined,
  };
}
