import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { TaskDefinition } from './definition';
import { withTask } from './tasks-json';
import { tell } from '../shared/tell';

const { l10n } = vscode;

/** Adds a task to the tasks.json of a folder and shows it there. */
export async function saveTask(
  definition: TaskDefinition,
  label: string,
  folder: vscode.WorkspaceFolder | undefined,
): Promise<void> {
  const target = folder ?? vscode.workspace.workspaceFolders?.[0];
  if (!target) {
    void tell.warning(l10n.t('Open a folder first. Tasks are saved in its tasks.json.'));
    return;
  }
  const uri = vscode.Uri.file(join(target.uri.fsPath, '.vscode', 'tasks.json'));
  const before = await vscode.workspace.openTextDocument(uri).then(
    (each) => each.getText(),
    () => '',
  );
  const after = withTask(before, label, definition);
  await vscode.workspace.fs.createDirectory(vscode.Uri.file(dirname(uri.fsPath)));
  await vscode.workspace.fs.writeFile(uri, Buffer.from(after));
  const editor = await vscode.window.showTextDocument(uri);
  const at = editor.document.positionAt(after.lastIndexOf(`"label": ${JSON.stringify(label)}`));
  editor.revealRange(new vscode.Range(at, at), vscode.TextEditorRevealType.InCenter);
}
