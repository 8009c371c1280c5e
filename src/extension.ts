import * as vscode from 'vscode';

/** Composition root of the extension: wires the rooms, decides nothing. */
export function activate(context: vscode.ExtensionContext): void {
  context.subscriptions.push(vscode.window.createOutputChannel('Clusterlift', { log: true }));
}
