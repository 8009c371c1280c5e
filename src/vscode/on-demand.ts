import * as vscode from 'vscode';
import { HANDLERS, reportError } from './commands/register';
import type { CommandDeps } from './commands/deps';
import { nodeShell } from './commands/runs';
import { Targets, type Args } from './commands/targets';
import { demandTrust } from './shared/queries';
import { actOn } from './commands/rollback';
import { RollBackPanels } from './rollback/panel';
import { Store } from './shared/store';
import { PackagePicker } from './wizard/package';
import { UpgradeWizard } from './wizard/upgrade';

/** What the part that is loaded at once hands to the part that is loaded when somebody does something. */
export type Core = Omit<CommandDeps, 'targets' | 'packages' | 'wizard' | 'rollBack'>;

/** Everything that a window needs only when a person acts: commands, wizards, pages. */
export class OnDemand extends Store {
  readonly rollBack: RollBackPanels;
  readonly #deps: CommandDeps;
  readonly #trusted: ReadonlySet<string>;

  constructor(
    private readonly core: Core,
    context: vscode.ExtensionContext,
  ) {
    super();
    this.#trusted = inTrustOnly(context);
    const { clusters, points, status, runs, queries, tasks, terminal } = core;
    const packages = new PackagePicker(queries, context.globalState);
    this.rollBack = this.add(
      new RollBackPanels({
        extension: context.extensionUri,
        clusters,
        points,
        status,
        runs,
        queries,
        act: (...what) => actOn({ points, tasks, terminal }, ...what),
      }),
    );
    this.#deps = {
      ...core,
      packages,
      rollBack: this.rollBack,
      targets: new Targets(clusters, runs, points),
      wizard: new UpgradeWizard({ queries, packages, status }),
    };
  }

  /** Runs a command; errors end here, told to the person. */
  async command(name: string, args: Args): Promise<void> {
    try {
      // Disabled commands are hidden from people only: another extension, or a link, may still run them.
      if (this.#trusted.has(name)) demandTrust();
      await HANDLERS[name]?.(this.#deps, args);
    } catch (error) {
      reportError(error, this.core.channels);
    }
  }

  /** The terminal profile: on a node that is asked for. */
  async terminalProfile(): Promise<vscode.TerminalProfile | undefined> {
    try {
      demandTrust();
      const shell = await nodeShell(this.#deps, []);
      if (!shell) return undefined;
      // The editor leaves a closed panel closed.
      const opened = vscode.window.onDidOpenTerminal((terminal) => {
        if (terminal.name !== shell.name) return;
        opened.dispose();
        terminal.show();
      });
      this.add(opened);
      return new vscode.TerminalProfile(shell);
    } catch (error) {
      reportError(error, this.core.channels);
      return undefined;
    }
  }
}

/** Commands that package.json enables in trusted workspaces only. */
function inTrustOnly({ extension }: vscode.ExtensionContext): ReadonlySet<string> {
  const { contributes } = extension.packageJSON as {
    contributes: { commands: { command: string; enablement?: string }[] };
  };
  const wanting = contributes.commands.filter(({ enablement }) => enablement?.includes('isWorkspaceTrusted') === true);
  return new Set(wanting.map(({ command }) => command.replace('clusterlift.', '')));
}
