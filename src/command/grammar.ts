import type { CommandKind } from './command';
import { BACKUP_COMMANDS } from './backup-commands';
import { CLUSTER_COMMANDS } from './cluster-commands';
import { OWN_COMMANDS } from './own-commands';
import { RUN_COMMANDS } from './run-commands';
import type { CommandSpec } from './spec';

/**
 * The command language (docs/commands.md) as data. The parser, the help, the shell completion, the palette and the tasks all read this table;
 * none of them knows a command by itself.
 */
export const COMMANDS: readonly CommandSpec[] = [
  ...CLUSTER_COMMANDS,
  ...BACKUP_COMMANDS,
  ...RUN_COMMANDS,
  ...OWN_COMMANDS,
];

/** First words that are no command by themselves. */
export const GROUPS: Readonly<Record<string, string>> = {
  backup: 'Manage backup locations and restore points.',
  package: 'Work with upgrade packages.',
};

export function commandSpec(kind: CommandKind): CommandSpec {
  const found = COMMANDS.find((each) => each.kind === kind);
  if (!found) throw new RangeError(`no such command: ${kind}`);
  return found;
}

/** The words that mean something in a command and so cannot be a package without its folder. */
export function keywordsOf(spec: CommandSpec): string[] {
  return spec.words.flatMap((word) => {
    if (word.form === 'place') return [];
    return word.form === 'after' ? [word.keyword] : word.choices.map((each) => each.word);
  });
}
