import * as vscode from 'vscode';
import { ClusterliftError, ExitStatus, messageOf, withCode } from '../../base/errors';
import type { OutputChannels } from '../output/channels';
import { backupCommands } from './backups';
import { clusterCommands } from './clusters';
import type { Handlers } from './deps';
import { runCommands } from './runs';
import { tell } from '../shared/tell';

const { l10n } = vscode;

/** The handler of every command. */
export const HANDLERS: Handlers = { ...clusterCommands, ...backupCommands, ...runCommands };

/** What a person sees of an error: the cause and the next step; the rest is in the log. */
export function reportError(error: unknown, channels: OutputChannels): void {
  const ours = error instanceof ClusterliftError;
  if (ours && (error.exit === ExitStatus.interrupted || error.code === 'cancelled')) return;
  channels.engine.error(ours ? withCode(error) : messageOf(error));
  const text = ours ? `${error.message}. ${error.hint} [${error.code}]` : messageOf(error);
  const show = l10n.t('Show Log');
  void tell.error(text, show).then((choice) => {
    if (choice === show) channels.engine.show();
  });
}
