import { SHELLS } from './command';
import { place, type CommandSpec } from './spec';
import * as values from './values';

/** Commands on Clusterlift itself. */
export const OWN_COMMANDS: readonly CommandSpec[] = [
  {
    kind: 'help',
    name: 'help',
    summary: 'Show help for all commands, or for one.',
    about: [],
    words: [place('topic', values.text('<command>', 'a command'), 'A command, such as upgrade or backup add.', false)],
    options: [],
    changes: false,
    examples: [{ line: 'help backup restore', about: '' }],
  },
  {
    kind: 'version',
    name: 'version',
    summary: 'Show the version of Clusterlift.',
    about: [],
    words: [],
    options: ['json'],
    changes: false,
    examples: [],
  },
  {
    kind: 'completion',
    name: 'completion',
    summary: 'Print a completion script for a shell.',
    about: [],
    words: [place('shell', values.choice(SHELLS), 'The shell.')],
    options: [],
    changes: false,
    examples: [
      { line: 'completion bash >~/.local/share/bash-completion/completions/clusterlift', about: '' },
      { line: 'completion zsh >~/.zfunc/_clusterlift', about: '' },
      { line: 'completion fish >~/.config/fish/completions/clusterlift.fish', about: '' },
    ],
  },
];
