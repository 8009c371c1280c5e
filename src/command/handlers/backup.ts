import { ClusterliftError, ExitStatus } from '../../base/errors';
import type { Command } from '../command';
import type { CommandContext } from '../context';

type BackupCommand = Extract<Command, { kind: `backup-${string}` }>;

/** The commands about locations and restore points. */
export function backup(ctx: CommandContext, command: BackupCommand): Promise<ExitStatus> {
  ctx.detach.throwIfAborted();
  return Promise.reject(
    new ClusterliftError({
      code: 'backup-unavailable',
      message: `Backups are not built in yet, so \`${command.kind.replace('-', ' ')}\` can do nothing`,
      hint: 'Upgrade with `backup none`, knowing that there is no way back.',
      exit: ExitStatus.usage,
    }),
  );
}
