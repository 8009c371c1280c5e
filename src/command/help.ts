import { COMMANDS, GROUPS } from './grammar';
import { OPTION_KEYS, OPTIONS } from './options';
import type { CommandSpec, WordSpec } from './spec';
import type { AnyOption } from './tokens';

/** Columns; narrower is not readable, wider neither. */
const NARROWEST = 40;
const WIDEST = 120;
const INDENT = 2;

/**
 * The help on everything, a group (`backup`) or a command (`backup add`).
 * @param width columns of the terminal
 */
export function helpText(topic: string | undefined, width = 80): string {
  const columns = Math.min(WIDEST, Math.max(NARROWEST, width));
  const spec = COMMANDS.find((each) => each.name === topic);
  if (spec) return commandHelp(spec, columns);
  const group = topic === undefined ? undefined : GROUPS[topic];
  return topic === undefined || group === undefined ? overview(columns) : groupHelp(topic, group, columns);
}

/** `clusterlift upgrade [<ISO>|<URL>] [serial|fast] [backup <location>|none]` */
export function usageLine(spec: CommandSpec): string {
  const options = spec.options.length > 0 ? ['[options]'] : [];
  const needed = (spec.needs ?? []).map((key) => optionUsage(OPTIONS[key]));
  return ['clusterlift', spec.name, ...spec.words.map(wordUsage), ...needed, ...options].join(' ');
}

function overview(width: number): string {
  const rows = COMMANDS.map((spec): Row => [[spec.name, ...spec.words.map(wordUsage)].join(' '), spec.summary]);
  return text([
    wrap('clusterlift – upgrade a whole cluster of Linux nodes over SSH', width),
    ['Usage: clusterlift [cluster] <command> [options]'],
    ['Commands:', ...table(rows, width)],
    [
      ...wrap(
        'Clusters are read from the nearest .vscode/clusters.json, or else from your own file. Use --config to name another file, and --cluster to choose a cluster if the file has several.',
        width,
      ),
    ],
    ['Exit status:', ...table(EXIT_STATUSES, width)],
    [
      'Secrets without a terminal:',
      ...table(SECRETS, width),
      ...wrap('Each also as …_FILE: the path of a file that contains the secret.', width, INDENT),
    ],
    ...examples(commandNamed('upgrade'), width),
    wrap('More: clusterlift help <command>', width),
  ]);
}

function groupHelp(name: string, about: string, width: number): string {
  const specs = COMMANDS.filter((spec) => spec.name.startsWith(`${name} `));
  const rows = specs.map((spec): Row => [[spec.name, ...spec.words.map(wordUsage)].join(' '), spec.summary]);
  return text([
    [about],
    [`Usage: clusterlift ${name} <command> [options]`],
    ['Commands:', ...table(rows, width)],
    wrap(`More: clusterlift help ${name} <command>`, width),
  ]);
}

function commandHelp(spec: CommandSpec, width: number): string {
  const words = spec.words.flatMap((word): Row[] => {
    if (word.form === 'choice') return word.choices.map((each) => [each.word, each.about]);
    return [[word.form === 'after' ? `${word.keyword} ${word.value.shown}` : word.value.shown, word.about]];
  });
  const options = OPTION_KEYS.filter((key) => spec.options.includes(key)).map((key): Row => [
    optionUsage(OPTIONS[key]),
    OPTIONS[key].about,
  ]);
  return text([
    wrap(spec.summary, width),
    wrap(`Usage: ${usageLine(spec)}`, width, 0, 'Usage: '.length),
    ...spec.about.map((paragraph) => wrap(paragraph, width)),
    words.length > 0 ? ['Words:', ...table(words, width)] : [],
    ['Options:', ...table([...options, ['-h, --help', 'Show this help.']], width)],
    ...examples(spec, width),
  ]);
}

function commandNamed(name: string): CommandSpec | undefined {
  return COMMANDS.find((spec) => spec.name === name);
}

function examples(spec: CommandSpec | undefined, width: number): string[][] {
  const lines = (spec?.examples ?? []).flatMap(({ line, about }) => [
    ...(about === '' ? [] : wrap(`# ${about}`, width, INDENT)),
    `${' '.repeat(INDENT)}clusterlift ${line}`,
  ]);
  return lines.length > 0 ? [['Examples:', ...lines]] : [];
}

/** Design 3. */
const EXIT_STATUSES: readonly Row[] = [
  ['0', 'all nodes verified at the target version'],
  ['1', 'the run failed, even if it was rolled back'],
  ['2', 'wrong usage or configuration'],
  ['3', 'refused by a check; nothing was changed'],
  ['4', 'an outcome is unknown, or your decision is needed'],
  ['5', 'locked by another run'],
  ['130', 'interrupted'],
];

const SECRETS: readonly Row[] = [
  ['CLUSTERLIFT_SSH_PASSWORD', 'password of the login users of the nodes'],
  ['CLUSTERLIFT_BACKUP_PASSWORD', 'password of the account on a backup server'],
  ['CLUSTERLIFT_KEY_PASSPHRASE', 'passphrase of the private keys'],
  ['CLUSTERLIFT_BECOME_PASSWORD', 'password for sudo or doas'],
  ['CLUSTERLIFT_RESTIC_PASSWORD', 'password of restic repositories'],
  ['CLUSTERLIFT_URL_AUTH', 'user:password, or a token, for downloads'],
];

type Row = readonly [left: string, right: string];

function wordUsage(word: WordSpec): string {
  if (word.form === 'choice') return `[${word.choices.map((each) => each.word).join('|')}]`;
  const shown = word.form === 'after' ? `${word.keyword} ${word.value.shown}` : word.value.shown;
  return word.required ? shown : `[${shown}]`;
}

function optionUsage(option: AnyOption): string {
  return option.value ? `${option.name} ${option.value.shown}` : option.name;
}

/** Two columns; a long left side gets a line of its own. */
function table(rows: readonly Row[], width: number): string[] {
  const longest = Math.max(...rows.map(([left]) => left.length));
  const column = INDENT + Math.min(longest, Math.floor(width * 0.36)) + 2;
  return rows.flatMap(([left, right]) => {
    const wrapped = wrap(right, width, column);
    const first = ' '.repeat(INDENT) + left;
    if (first.length + 2 > column) return [...wrap(left, width, INDENT, INDENT), ...wrapped];
    return [first.padEnd(column) + (wrapped[0] ?? '').slice(column), ...wrapped.slice(1)];
  });
}

/** Breaks between words; a word longer than a line stays whole. @param hanging indent of the lines after the first */
function wrap(paragraph: string, width: number, indent = 0, hanging = indent): string[] {
  const lines: string[] = [];
  let line = ' '.repeat(indent);
  let empty = true;
  for (const word of paragraph.split(' ')) {
    if (!empty && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(hanging);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}

function text(blocks: readonly (readonly string[])[]): string {
  return `${blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n')}\n`;
}
