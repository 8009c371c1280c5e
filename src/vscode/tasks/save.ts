import { applyEdits, modify, parseTree, findNodeAtLocation } from 'jsonc-parser';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { TaskDefinition } from './definition';

const { l10n } = vscode;

/** The words of a command line that we wrote ourselves (`formatCommand`). */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s'\\]|'[^']*'|\\.)+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? ''),
  );
}

/** The text of a tasks.json with one more task; comments and layout stay. */
export function withTask(text: string, label: string, definition: TaskDefinition): string {
  const body = text.trim() === '' ? '{\n  "version": "2.0.0",\n  "tasks": []\n}\n' : text;
  const root = parseTree(body);
  const tasks = root && findNodeAtLocation(root, ['tasks']);
  const entry = { label, ...definition, problemMatcher: [] };
  const formattingOptions = { insertSpaces: true, tabSize: 2, eol: body.includes('\r\n') ? '\r\n' : '\n' };
  const place = tasks?.type === 'array' ? ['tasks', tasks.children?.length ?? 0] : ['tasks'];
  const value = tasks?.type === 'array' ? entry : [entry];
  return applyEdits(body, modify(body, place, value, { formattingOptions, isArrayInsertion: tasks?.type === 'array' }));
}

/** Adds a task to the tasks.json of a folder and shows it there. */
export async function saveTask(
  definition: TaskDefinition,
  label: string,
  folder: vscode.WorkspaceFolder | undefined,
): Promise<void> {
  const target = folder ?? vscode.workspace.workspaceFolders?.[0];
  if (!target) {
    void vscode.window.showWarningMessage(l10n.t('Open a folder first: tasks are saved in its tasks.json.'));
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
