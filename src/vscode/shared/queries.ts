import * as vscode from 'vscode';
import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { QueryClient, Shell } from '../../service/query-client';
import type { QueryResult } from '../../service/query-protocol';
import type { ShellRequest } from '../../service/shell-protocol';
import type { Launcher } from '../../service/spawn';
import type { Asker } from '../../ssh/connection';
import { me } from './launch';
import { Store } from './store';

/** Runs queries and opens terminals through the service process. This window itself connects to nothing. */
export class Queries extends Store {
  #client: Promise<QueryClient> | undefined;

  constructor(
    private readonly launcher: Launcher,
    private readonly asker: Asker,
    private readonly secrets: () => Promise<Readonly<Record<string, string>>>,
  ) {
    super();
  }

  /**
   * Runs a command that only reads.
   * @throws ClusterliftError `untrusted`, `service-lost`, `cancelled`; what the command has to say is in the result
   */
  async query(argv: readonly string[], cwd: string, signal?: AbortSignal): Promise<QueryResult> {
    const client = await this.#connected();
    return client.query({ argv, cwd, by: me(), secrets: await this.secrets() }, signal);
  }

  /** Opens a terminal on a node. @throws ClusterliftError `untrusted` */
  async shell(request: Omit<ShellRequest, 'id'>, onText: (text: string) => void): Promise<Shell> {
    return (await this.#connected()).shell(request, onText);
  }

  /** Every way to a node goes through here: none in a folder that is not trusted. */
  async #connected(): Promise<QueryClient> {
    demandTrust();
    return (this.#client ??= this.#start());
  }

  /** Loaded with the first query: starting the window does not pay for it. */
  async #start(): Promise<QueryClient> {
    const { QueryClient } = await import(/* webpackChunkName: "on-demand" */ '../../service/query-client');
    return this.add(new QueryClient(this.launcher, this.asker));
  }

  /** The rows of a command with `--json`; its error is thrown. */
  async rows(argv: readonly string[], cwd: string, signal?: AbortSignal): Promise<readonly unknown[]> {
    const { rows, error, status } = await this.query([...argv, '--json'], cwd, signal);
    if (error && rows.length === 0) throw new ClusterliftError({ ...error, exit: status as ExitStatus });
    return rows;
  }
}

/** @throws ClusterliftError `untrusted` */
export function demandTrust(): void {
  if (vscode.workspace.isTrusted) return;
  throw new ClusterliftError({
    code: 'untrusted',
    message: vscode.l10n.t('This folder is not trusted, so Clusterlift does not connect or run anything'),
    hint: vscode.l10n.t('Trust the folder with the command Workspaces: Manage Workspace Trust.'),
    exit: ExitStatus.refused,
  });
}
