import * as vscode from 'vscode';
import { ClusterliftError, messageOf, withCode } from '../../base/errors';
import { line } from '../../base/text';
import type { Shell } from '../../service/query-client';
import type { ShellEnd } from '../../service/shell-protocol';
import type { ClusterRef } from '../clusters/model';
import { cwdOf } from '../clusters/argv';
import type { Queries } from '../shared/queries';
import { Store } from '../shared/store';

const { l10n } = vscode;

/** Until the editor says how large the terminal is. */
const FIRST_SIZE = { columns: 80, rows: 24 };

/** A terminal on a node, over our own connection and host-key check. Closing it ends the shell there. */
export class SshTerminal extends Store implements vscode.Pseudoterminal {
  readonly #write = this.add(new vscode.EventEmitter<string>());
  readonly onDidWrite = this.#write.event;
  readonly #close = this.add(new vscode.EventEmitter<number>());
  readonly onDidClose = this.#close.event;
  #shell: Shell | undefined;
  #size = FIRST_SIZE;
  /** Undefined: it goes on. */
  #ended: number | undefined;

  constructor(
    private readonly ref: ClusterRef,
    private readonly node: string,
    private readonly queries: Pick<Queries, 'shell'>,
  ) {
    super();
  }

  open(size: vscode.TerminalDimensions | undefined): void {
    if (size) this.#size = sizeOf(size);
    void this.#run();
  }

  setDimensions(size: vscode.TerminalDimensions): void {
    this.#size = sizeOf(size);
    this.#shell?.resize(this.#size);
  }

  handleInput(data: string): void {
    if (this.#ended !== undefined) this.#close.fire(this.#ended);
    else this.#shell?.input(data);
  }

  close(): void {
    this.#shell?.close();
    this.dispose();
  }

  async #run(): Promise<void> {
    this.#say(l10n.t('Connecting to {0}…', this.node));
    try {
      const shell = await this.#start();
      // It was closed while the service was started.
      if (this.disposed) shell.close();
      this.#over(await shell.ended);
    } catch (error) {
      this.#failed(error instanceof ClusterliftError ? [withCode(error), error.hint] : [messageOf(error)]);
    }
  }

  async #start(): Promise<Shell> {
    const { cluster, folder, file } = this.ref;
    const request = {
      cluster: cluster.name,
      config: folder ? null : file.path,
      node: this.node,
      cwd: cwdOf(this.ref),
      size: this.#size,
    };
    const shell = await this.queries.shell(request, (text) => {
      if (!this.disposed) this.#write.fire(text);
    });
    this.#shell = shell;
    shell.resize(this.#size);
    return shell;
  }

  /** A shell that was left closes its terminal; whatever else happened is there to be read first. */
  #over({ status, error }: ShellEnd): void {
    if (this.disposed) return;
    if (error) this.#failed([withCode(error), error.hint]);
    else if (status === null) this.#failed([l10n.t('The connection to {0} was lost.', this.node)]);
    else this.#close.fire(status);
  }

  #failed(lines: readonly string[]): void {
    if (this.disposed) return;
    this.#ended = 1;
    for (const each of lines) this.#say(line(each));
    this.#say(l10n.t('Press any key to close this terminal.'));
  }

  #say(text: string): void {
    if (!this.disposed) this.#write.fire(`\r\n\u001b[2m${text}\u001b[0m\r\n`);
  }
}

/** The editor's own object has a prototype that no message carries. */
function sizeOf({ columns, rows }: vscode.TerminalDimensions): { columns: number; rows: number } {
  return { columns, rows };
}
