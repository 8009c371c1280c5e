import * as vscode from 'vscode';
import { after, type Timer } from '../../base/clock';
import type { ClusterliftError } from '../../base/errors';
import { diagnosticOf } from '../shared/diagnostic';
import { Store } from '../shared/store';
import type { ClustersModel } from './model';

/** Milliseconds after the last key. */
const TYPING_MS = 250;

/** What is wrong in clusters.json and can be mended by an edit, as it is typed. What the schema can say, the editor says itself, too. */
export class ClustersDiagnostics extends Store {
  readonly #collection = this.add(vscode.languages.createDiagnosticCollection('clusterlift'));
  readonly #timers = new Map<string, Timer>();

  constructor(private readonly model: ClustersModel) {
    super();
    this.add(model.onDidChange(() => this.#fromFiles()));
    this.add(
      vscode.workspace.onDidChangeTextDocument(({ document }) => {
        if (this.#isOurs(document)) this.#later(document);
      }),
    );
    this.add(vscode.workspace.onDidCloseTextDocument(() => this.#fromFiles()));
    this.add({ dispose: () => this.#timers.forEach((timer) => timer.cancel()) });
  }

  #isOurs(document: vscode.TextDocument): boolean {
    return vscode.workspace.isTrusted && this.model.places().some(({ path }) => path === document.uri.fsPath);
  }

  #fromFiles(): void {
    const unsaved = new Set(
      vscode.workspace.textDocuments.filter((each) => each.isDirty).map((each) => each.uri.fsPath),
    );
    this.#collection.forEach((uri) => {
      if (!unsaved.has(uri.fsPath)) this.#collection.delete(uri);
    });
    for (const { path, problems } of this.model.files) {
      if (!unsaved.has(path)) this.#collection.set(vscode.Uri.file(path), problems.map(placed));
    }
  }

  #later(document: vscode.TextDocument): void {
    const path = document.uri.fsPath;
    this.#timers.get(path)?.cancel();
    const check = async (): Promise<void> => {
      this.#timers.delete(path);
      const { checkClusters } = await import(/* webpackChunkName: "readers" */ '../shared/readers');
      if (document.isClosed || this.disposed) return;
      this.#collection.set(document.uri, checkClusters(document.getText(), path).problems.map(placed));
    };
    this.#timers.set(
      path,
      after(TYPING_MS, () => void check()),
    );
  }
}

function placed(error: ClusterliftError): vscode.Diagnostic {
  const line = Math.max(0, (error.at?.line ?? 1) - 1);
  const column = Math.max(0, (error.at?.column ?? 1) - 1);
  // The editor widens an empty range to the word there.
  return diagnosticOf(error, new vscode.Range(line, column, line, column));
}
