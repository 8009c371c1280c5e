import { window } from 'vscode';
import { asMessage } from './escape';

/** Notifications. The only place that makes them: whatever foreign text one carries, nothing in it becomes a link. */
export const tell = {
  info: (text: string, ...buttons: string[]): Thenable<string | undefined> =>
    window.showInformationMessage(asMessage(text), ...buttons),
  warning: (text: string, ...buttons: string[]): Thenable<string | undefined> =>
    window.showWarningMessage(asMessage(text), ...buttons),
  error: (text: string, ...buttons: string[]): Thenable<string | undefined> =>
    window.showErrorMessage(asMessage(text), ...buttons),
};
