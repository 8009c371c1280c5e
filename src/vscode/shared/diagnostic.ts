import * as vscode from 'vscode';
import type { ClusterliftError } from '../../base/errors';

/** An error of ours where an edit can mend it. */
export function diagnosticOf({ message, hint, code }: ClusterliftError, range: vscode.Range): vscode.Diagnostic {
  const diagnostic = new vscode.Diagnostic(range, `${message}. ${hint}`, vscode.DiagnosticSeverity.Error);
  diagnostic.source = 'Clusterlift';
  diagnostic.code = code;
  return diagnostic;
}
