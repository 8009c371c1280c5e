import * as vscode from 'vscode';
import { after } from '../../base/clock';
import { Store } from '../shared/store';
import type { GoesOn } from './terminal';
import { tell } from '../shared/tell';

const { l10n } = vscode;

/** Milliseconds: why a terminal was closed is told a moment after it is gone. */
const REASON_MS = 1000;

/** Says once that a run goes on when its terminal was closed by a person; not when the window ends. */
export class Detached extends Store {
  /** What goes on though its terminal is gone, and nobody was told of yet. */
  readonly #waiting = new Map<vscode.Pseudoterminal, GoesOn>();

  constructor() {
    super();
    this.add(
      vscode.window.onDidCloseTerminal(({ creationOptions, exitStatus }) => {
        const pty = 'pty' in creationOptions ? creationOptions.pty : undefined;
        // Terminals of tasks do not tell their pseudoterminal: the one that was closed just now is meant.
        const key = pty && this.#waiting.has(pty) ? pty : [...this.#waiting.keys()][0];
        const what = key && this.#waiting.get(key);
        if (!key || !what) return;
        this.#waiting.delete(key);
        if (exitStatus?.reason !== vscode.TerminalExitReason.Shutdown) void this.#tell(what);
      }),
    );
  }

  closed(what: GoesOn, pty: vscode.Pseudoterminal): void {
    this.#waiting.set(pty, what);
    after(REASON_MS, () => void this.#waiting.delete(pty));
  }

  async #tell(what: GoesOn): Promise<void> {
    const stop = l10n.t('Stop Run');
    if ('preparing' in what) {
      const text = l10n.t('"{0}" is still being prepared in the background. Nothing has changed yet.', what.preparing);
      if ((await tell.info(text, stop)) === stop) await what.stop();
      return;
    }
    const { run } = what;
    const follow = l10n.t('Follow');
    const cluster = /^\d+T\d+Z-(.*)-[0-9a-f]+$/.exec(run)?.[1] ?? run;
    const choice = await tell.info(l10n.t('The run on {0} continues in the background.', cluster), stop, follow);
    if (choice === undefined) return;
    await vscode.commands.executeCommand(choice === stop ? 'clusterlift.stop' : 'clusterlift.follow', {
      kind: 'run',
      run,
    });
  }
}
