import * as vscode from 'vscode';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { LookClient, Shell } from '../../service/look-client';
import type { LookResult } from '../../service/look-protocol';
import type { ShellRequest } from '../../service/shell-protocol';
import type { Launcher } from '../../service/spawn';
import type { Asker } from '../../ssh/connection';
import { me } from './launch';
import { Store } from './store';

/** Looks, and opens terminals, through the service process: this window itself connects to nothing. */
export class Looker extends Store {
  #client: Promise<LookClient> | undefined;

  constructor(
    private readonly launcher: Launcher,
    private readonly asker: Asker,
    private readonly secrets: () => Promise<Readonly<Record<string, string>>>,
  ) {
    super();
  }

  /**
   * Runs a looking command.
   * @throws ClusterliftError `untrusted`, `service-lost`, `cancelled`; what the command has to say is in the result
   */
  async look(argv: readonly string[], cwd: string, signal?: AbortSignal): Promise<LookResult> {
    const client = await this.#connected();
    return client.look({ argv, cwd, by: me(), secrets: await this.secrets() }, signal);
  }

  /** Opens a terminal on a node. @throws ClusterliftError `untrusted` */
  async shell(request: Omit<ShellRequest, 'id'>, onText: (text: string) => void): Promise<Shell> {
    return (await this.#connected()).shell(request, onText);
  }

  /** Every way to a node goes through here: none in a folder that is not trusted. */
  async #connected(): Promise<LookClient> {
    demandTrust();
    return (this.#client ??= this.#start());
  }

  /** Loaded when somebody looks: starting the window does not pay for it. */
  async #start(): Promise<LookClient> {
    const { LookClient } = await import(/* webpackChunkName: "late" */ '../../service/look-client');
    return this.add(new LookClient(this.launcher, this.asker));
  }

  /** The rows of a command with `--json`; its error is thrown. */
  async rows(argv: readonly string[], cwd: string, signal?: AbortSignal): Promise<readonly unknown[]> {
    const { rows, error, status } = await this.look([...argv, '--json'], cwd, signal);
    if (error && rows.length === 0) throw new ClusterliftError({ ...error, exit: status as ExitStatus });
    return rows;
  }
}

/** @throws ClusterliftError `untrusted` */
export function demandTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new ClusterliftError({
    code: 'untrusted',
    message: vscode.l10n.t('This folder is not trusted, so nothing connects and nothing runs'),
    hint: vscode.l10n.t('Trust the folder with the command Workspaces: Manage Workspace Trust.'),
    exit: ExitStatus.refused,
  });
}
