import { ExitStatus } from '../base/errors';
import type { Command } from './command';
import type { CommandContext } from './context';

/**
 * Does what a command line says. Handlers are loaded when they are needed, so that `--help` stays quick.
 * @returns the exit status; errors are thrown
 */
export async function dispatch(command: Command, ctx: CommandContext): Promise<ExitStatus> {
  switch (command.kind) {
    case 'upgrade':
      return (await import('./handlers/upgrade')).upgrade(ctx, command);
    case 'check':
      return (await import('./handlers/upgrade')).check(ctx, command.package, command.options);
    case 'status':
      return (await import('./handlers/status')).status(ctx, command.options);
    case 'provision':
      return (await import('./handlers/provision')).provision(ctx, command.mode, command.options);
    case 'package-inspect':
      return (await import('./handlers/inspect')).inspect(ctx, command.package, command.options);
    case 'runs':
      return (await import('./handlers/runs')).listRuns(ctx, command.run);
    case 'runs-abandon':
      return (await import('./handlers/runs')).abandon(ctx, command.run, command.options);
    case 'attach':
      return (await import('./handlers/runs')).attach(ctx, command.run);
    case 'stop':
      return (await import('./handlers/runs')).stopRun(ctx, command.run);
    case 'resume':
      return (await import('./handlers/resume')).resume(ctx, command.run, command.options);
    case 'unlock':
      return (await import('./handlers/unlock')).unlock(ctx, command.options);
    case 'backup-add':
    case 'backup-remove':
    case 'backup-list':
    case 'backup-create':
    case 'backup-verify':
    case 'backup-restore':
    case 'backup-clean':
      return (await import('./handlers/backup')).backup(ctx, command);
    case 'help': {
      const { helpText } = await import('./help');
      ctx.ui.print(helpText(command.topic, ctx.ui.theme().columns));
      return ExitStatus.ok;
    }
    case 'version':
      ctx.ui.print(`clusterlift ${ctx.version}`);
      return ExitStatus.ok;
    case 'completion': {
      const { completionScript } = await import('./completion');
      ctx.ui.print(completionScript(command.shell));
      return ExitStatus.ok;
    }
  }
}
