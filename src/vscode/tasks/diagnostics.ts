import * as vscode from 'vscode';
import { ExitStatus, type ClusterliftError } from '../../base/errors';
import { diagnosticOf } from '../shared/diagnostic';
import { Store } from '../shared/store';

/** Where a value that was refused stands; the first of these that the task has. */
const PROPERTIES: Readonly<Record<string, readonly string[]>> = {
  'cluster-unknown': ['cluster'],
  'cluster-ambiguous': ['cluster'],
  'config-missing': ['config'],
  'confirm-wrong-name': ['confirm'],
  'location-unknown': ['location', 'backup'],
  'package-not-found': ['package'],
  'point-unknown': ['point'],
  'rollback-needs-backup': ['onFailure'],
  'task-starts-itself': ['isBackground', 'runOptions'],
  'usage-unknown-location': ['location', 'backup'],
  'usage-unknown-node': ['nodes'],
  'usage-wrong-confirmation': ['confirm'],
};

/**
 * What was refused of a task of tasks.json and can be mended there, until the file is edited or the task does well. How
 * nodes fail is not a matter of the file.
 */
export class TaskDiagnostics extends Store {
  readonly #collection = this.add(vscode.languages.createDiagnosticCollection('clusterlift.tasks'));

  constructor() {
    super();
    this.add(
      vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
        if (contentChanges.length > 0) this.#collection.delete(document.uri);
      }),
    );
    // The file may be written outside of this window.
    this.add(
      vscode.workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('tasks')) this.#collection.clear();
      }),
    );
  }

  /** A task came to its end. @param error why nothing was done; undefined: it was */
  async ended(task: vscode.Task, status: ExitStatus, error: ClusterliftError | undefined): Promise<void> {
    const uri = fileOf(task);
    if (!uri) return;
    const others = (this.#collection.get(uri) ?? []).filter((each) => nameIn(each) !== task.name);
    if (status === ExitStatus.ok) this.#collection.set(uri, others);
    if (!error || !isOfTheFile(error, task)) return;
    const document = await vscode.workspace.openTextDocument(uri).then(undefined, () => undefined);
    const { placeInTask } = await import(/* webpackChunkName: "on-demand" */ './tasks-json');
    const place = document && placeInTask(document.getText(), task, propertiesOf(error));
    if (!place || this.disposed) return;
    const range = new vscode.Range(document.positionAt(place.offset), document.positionAt(place.offset + place.length));
    this.#collection.set(uri, [...others, named(task.name, diagnosticOf(error, range))]);
  }
}

const NAMES = new WeakMap<vscode.Diagnostic, string>();

function named(task: string, diagnostic: vscode.Diagnostic): vscode.Diagnostic {
  NAMES.set(diagnostic, task);
  return diagnostic;
}

function nameIn(diagnostic: vscode.Diagnostic): string | undefined {
  return NAMES.get(diagnostic);
}

/** Undefined: a task of the user, whose file has no name that the API tells. */
function fileOf({ scope }: vscode.Task): vscode.Uri | undefined {
  if (typeof scope === 'object') return vscode.Uri.joinPath(scope.uri, '.vscode', 'tasks.json');
  return scope === vscode.TaskScope.Workspace ? vscode.workspace.workspaceFile : undefined;
}

/** Mistakes in clusters.json are shown there. */
function isOfTheFile({ code, exit }: ClusterliftError, { definition }: vscode.Task): boolean {
  if (code === 'config-missing') return definition['config'] !== undefined;
  return Object.hasOwn(PROPERTIES, code) || (exit === ExitStatus.usage && !code.startsWith('config-'));
}

function propertiesOf({ code }: ClusterliftError): readonly string[] {
  if (Object.hasOwn(PROPERTIES, code)) return PROPERTIES[code] ?? [];
  return code.startsWith('task-') ? [code.slice('task-'.length)] : [];
}
