import type { ExitStatus } from '../../../base/errors';
import type { Command } from '../../command';
import type { CommandContext } from '../../context';
import { cleanPoints } from './clean';
import { addLocation, listLocations, removeLocation } from './locations';
import { listPoints, verifyPoint } from './points';
import { createPoint, restorePoint } from './runs';

type BackupCommand = Extract<Command, { kind: `backup-${string}` }>;

/** The commands about locations and restore points. */
export function backup(ctx: CommandContext, command: BackupCommand): Promise<ExitStatus> {
  const { options } = command;
  switch (command.kind) {
    case 'backup-add':
      return addLocation(ctx, command, options);
    case 'backup-remove':
      return removeLocation(ctx, command.name, options);
    case 'backup-list':
      return command.location === undefined ? listLocations(ctx, options) : listPoints(ctx, command.location, options);
    case 'backup-create':
      return createPoint(ctx, command);
    case 'backup-verify':
      return verifyPoint(ctx, command.point, options);
    case 'backup-restore':
      return restorePoint(ctx, command);
    case 'backup-clean':
      return cleanPoints(ctx, command.location, command.keep, options);
  }
}
