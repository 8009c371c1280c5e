import * as vscode from 'vscode';
import type { Command, Options } from '../../command/command';
import { formatCommand } from '../../command/format';
import type { NodeModel } from '../../cluster/model';
import type { ClusterRef } from '../clusters/model';
import { SshTerminal } from '../runs/ssh-terminal';
import { RunTerminal, type TerminalDeps, type TerminalJob } from '../runs/terminal';
import type { ClusterliftTasks } from '../tasks/provider';
import { alone, valueOf } from '../wizard/steps';
import { typeName } from '../wizard/upgrade';
import { cwdOf } from '../clusters/argv';

const { l10n } = vscode;

/**
 * Starts a command that a person chose for a cluster, and confirmed if it changes anything: as a task where tasks.json has a word for it, else in a terminal of its own.
 * @param ended called once the command of such a terminal is over
 */
export async function start(
  { tasks, terminal }: { readonly tasks: ClusterliftTasks; readonly terminal: TerminalDeps },
  command: Command,
  ref: ClusterRef,
  ended?: () => void,
): Promise<void> {
  if (!(await tasks.begin(command, ref)))
    openTerminal(terminal, { kind: 'command', command, cwd: cwdOf(ref) }, formatCommand(command).slice(0, 60), ended);
}

/** A terminal that does not belong to a task. */
export function openTerminal(deps: TerminalDeps, job: TerminalJob, name: string, ended?: () => void): void {
  const pty = new RunTerminal(job, deps, { stays: true, ended });
  vscode.window.createTerminal({ name, pty, isTransient: true }).show();
}

/** A terminal on a node, over our own connection; on this machine an ordinary one. */
export function shellOptions(
  { queries }: Pick<TerminalDeps, 'queries'>,
  ref: ClusterRef,
  node: NodeModel,
): vscode.TerminalOptions | vscode.ExtensionTerminalOptions {
  const name = `${ref.label}/${node.name}`;
  if (node.connection === 'local') return { name };
  return { name, pty: new SshTerminal(ref, node.name, queries), isTransient: true };
}

/**
 * Asks before something that changes a cluster; a production cluster's name is typed.
 * @returns the options that answer the run's own confirmation; undefined: a no
 */
export async function confirmed(
  ref: ClusterRef,
  question: { readonly message: string; readonly detail: string; readonly button: string },
): Promise<Pick<Options, 'yes' | 'confirm'> | undefined> {
  const { message, detail, button } = question;
  const choice = await vscode.window.showWarningMessage(message, { modal: true, detail }, button);
  if (choice !== button) return undefined;
  if (!ref.cluster.production) return { yes: true };
  const typed = valueOf(await typeName(alone(message), ref));
  return typed === undefined ? undefined : { yes: true, confirm: typed };
}

/** A question that changes no node. */
export async function sure(message: string, detail: string, button = l10n.t('Yes')): Promise<boolean> {
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, button)) === button;
}
