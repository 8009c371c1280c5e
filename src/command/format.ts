import { shellWord } from '../base/shell';
import type { Command } from './command';
import { commandSpec } from './grammar';
import { OPTIONS } from './options';
import { slipOf } from './parse';
import type { WordKey, WordSpec } from './spec';
import type { AnyOption } from './tokens';

/**
 * The command line that means the same, for a POSIX shell: shown by palette and tasks, kept in the plan.
 * Secrets are left out: user, password and query of a URL, the password of a backup address.
 */
export function formatCommand(command: Command): string {
  return ['clusterlift', ...formatArgv(command)].map(shellWord).join(' ');
}

/** The command line of a run, as its plan keeps it: to run it, not to look at it, and not how it was asked about. */
export function formatRun(command: Command): string {
  const options = Object.entries(command.options).filter(
    ([key]) => key !== 'dryRun' && key !== 'json' && key !== 'ask',
  );
  return formatCommand({ ...command, options: Object.fromEntries(options) } as Command);
}

/** The same as words, without the name of the program. */
export function formatArgv(command: Command): string[] {
  return argvOf(command, wordsOf(command));
}

/** The words for a process of our own, with the whole URL of a package: for its control channel, never to be shown or kept. */
export function wholeArgv(command: Command): string[] {
  const given = 'package' in command ? { package: command.package } : {};
  return argvOf(command, { ...wordsOf(command), ...given });
}

type Words = Readonly<Partial<Record<WordKey, string | undefined>>>;

function argvOf(command: Command, words: Words): string[] {
  const spec = commandSpec(command.kind);
  const rest = spec.words.flatMap((word) => written(word, words[word.key]));
  const options = spec.options.flatMap((key) => {
    const option: AnyOption = OPTIONS[key];
    const value: unknown = command.options[key];
    return value === undefined ? [] : optionWords(option, value);
  });
  const name = spec.name.split(' ');
  return rest.some((word) => word.startsWith('-'))
    ? [...name, ...options, '--', ...rest]
    : [...name, ...rest, ...options];

  function written(word: WordSpec, value: string | undefined): string[] {
    if (value === undefined) return [];
    if (word.form === 'after') return [word.keyword, value];
    if (word.key === 'topic') return value.split(' ');
    // A file named like a word of the command needs its folder.
    return [word.form === 'place' && !word.required && slipOf(spec, value) !== undefined ? `./${value}` : value];
  }
}

function optionWords({ name, form, value }: AnyOption, given: unknown): string[] {
  if (!value) return [name];
  const entries: unknown[] = form === 'list' && Array.isArray(given) ? given : [given];
  return entries.flatMap((entry) => {
    const text = value.write(entry);
    return text.startsWith('-') ? [`${name}=${text}`] : [name, text];
  });
}

function wordsOf(command: Command): Words {
  switch (command.kind) {
    case 'upgrade':
      return { package: publicPackage(command.package), mode: command.mode, backup: command.backup };
    case 'check':
    case 'package-inspect':
      return { package: publicPackage(command.package) };
    case 'provision':
      return { mode: command.mode };
    case 'backup-add':
      return { name: command.name, uri: command.uri.replace(PASSWORD, '$1$2@') };
    case 'backup-remove':
      return { name: command.name };
    case 'backup-list':
    case 'backup-create':
      return { location: command.location };
    case 'backup-verify':
    case 'backup-restore':
      return { point: command.point };
    case 'backup-clean':
      return { location: command.location, keep: String(command.keep) };
    case 'runs':
    case 'runs-abandon':
    case 'attach':
    case 'resume':
    case 'stop':
      return { run: command.run };
    case 'help':
      return { topic: command.topic };
    case 'completion':
      return { shell: command.shell };
    case 'status':
    case 'unlock':
    case 'version':
      return {};
  }
}

const PASSWORD = /(:\/\/)([^/@\s:]*):(?!\d{0,5}(?:\/|$))[^@\s]*@/;

/** A URL without user, password, query and fragment; anything else as it is. */
export function publicPackage(source: string | undefined): string | undefined {
  if (source === undefined || !/^https?:\/\//i.test(source) || !URL.canParse(source)) return source;
  const url = new URL(source);
  if (url.username === '' && url.password === '' && url.search === '' && url.hash === '') return source;
  url.username = url.password = url.search = url.hash = '';
  return url.href;
}
