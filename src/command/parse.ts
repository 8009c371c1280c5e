import { advice, AsIs } from '../base/shell';
import { didYouMean, nearest } from '../base/suggest';
import { SHELLS, type Command, type Options } from './command';
import { COMMANDS, GROUPS, keywordsOf } from './grammar';
import { OPTIONS } from './options';
import type { CommandSpec, WordKey, WordSpec } from './spec';
import { badValue, tokenize, type Tokens } from './tokens';
import { quoted, usage } from './usage';

/**
 * Reads a command line (without the name of the program), with or without the leading word `cluster`.
 * @throws ClusterliftError with status 2 and a code that starts with `usage-`
 */
export function parseCommand(argv: readonly string[]): Command {
  const tokens = tokenize(argv);
  const words = tokens.words[0] === 'cluster' ? tokens.words.slice(1) : tokens.words;
  if (tokens.help) return helpOn(words, false);
  for (const problem of tokens.problems) throw problem;
  if (tokens.version) return { kind: 'version', options: {} };
  if (words.length === 0) return { kind: 'help', options: {} };
  const spec = findCommand(words);
  if (!spec) throw unknownCommand(words);
  const options = optionsOf(tokens, spec);
  const rest = words.slice(spec.name.split(' ').length);
  if (spec.kind === 'help') return helpOn(rest, true);
  const command = build(spec, readWords(spec, rest), options);
  checkConflicts(command);
  return command;
}

/** The command with the longest name that the words begin with: `runs abandon` before `runs`. */
function findCommand(words: readonly string[]): CommandSpec | undefined {
  const begins = (name: string): boolean => name.split(' ').every((word, index) => words[index] === word);
  return COMMANDS.filter((spec) => begins(spec.name)).sort((a, b) => b.name.length - a.name.length)[0];
}

/** @param strict asked by name (`help X`), so that X must exist; with `--help` whatever fits will do */
function helpOn(words: readonly string[], strict: boolean): Command {
  const [first = ''] = words;
  const topic = findCommand(words)?.name ?? (Object.hasOwn(GROUPS, first) ? first : undefined);
  if (topic === undefined && words.length > 0 && strict) throw unknownCommand(words);
  return { kind: 'help', ...(topic === undefined ? {} : { topic }), options: {} };
}

function unknownCommand(words: readonly string[]): Error {
  const [first = '', second] = words;
  if (Object.hasOwn(GROUPS, first)) {
    const group = COMMANDS.map((spec) => spec.name).filter((name) => name.startsWith(`${first} `));
    const lasts = group.map((name) => name.slice(first.length + 1));
    const oneOf = `Write one of: ${group.join(', ')}.`;
    if (second === undefined) return usage('missing-word', `${first} alone is no command`, oneOf);
    const near = nearest(second, lasts);
    const hint = near === undefined ? oneOf : `Did you mean "${first} ${near}"?`;
    return usage('unknown-command', `there is no command ${quoted(`${first} ${second}`)}`, hint);
  }
  const message = `there is no command ${quoted(first)}`;
  const whole = COMMANDS.find((spec) => spec.name.endsWith(` ${first}`));
  if (whole) return usage('unknown-command', message, `Did you mean "${whole.name}"?`);
  if (/\.iso$|^https?:/i.test(first)) {
    return usage('unknown-command', message, 'A package is upgraded with: clusterlift upgrade <ISO>|<URL>.');
  }
  const known = [...COMMANDS.map((spec) => spec.name), ...Object.keys(GROUPS)];
  return usage('unknown-command', message, didYouMean(first, known, 'See: clusterlift help.'));
}

function optionsOf(tokens: Tokens, spec: CommandSpec): Options {
  for (const key of tokens.options.keys()) {
    if (spec.options.includes(key)) continue;
    const homes = COMMANDS.filter((each) => each.options.includes(key)).map((each) => each.name);
    const { name } = OPTIONS[key];
    throw usage('option-not-here', `${spec.name} does not take ${name}`, `It belongs to: ${homes.join(', ')}.`);
  }
  for (const key of spec.needs ?? []) {
    if (tokens.options.has(key)) continue;
    const { name } = OPTIONS[key];
    throw usage(
      'missing-option',
      `${spec.name} needs ${name}`,
      advice`See: \`clusterlift help ${new AsIs(spec.name)}\`.`,
    );
  }
  // The table of options says of each key what its value reads as; the compiler has checked that table against `Options`.
  return Object.fromEntries(tokens.options);
}

type Words = ReadonlyMap<WordKey, string>;

function readWords(spec: CommandSpec, words: readonly string[]): Words {
  const found = new Map<WordKey, string>();
  const places = spec.words.filter((each) => each.form === 'place');
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? '';
    const place = places.find((each) => !found.has(each.key));
    const marked = place?.required === true ? undefined : markedBy(spec, word);
    if (marked?.form === 'choice') take(found, marked, word);
    else if (marked?.form === 'after') take(found, marked, words[++index]);
    else if (!place) throw unexpected(spec, word);
    else {
      if (!place.required) refuseSlip(spec, word);
      take(found, place, word);
    }
  }
  for (const each of spec.words) {
    if (each.form === 'choice' || !each.required || found.has(each.key)) continue;
    const what = each.form === 'after' ? `${each.keyword} ${each.value.shown}` : each.value.shown;
    throw usage(
      'missing-word',
      `${spec.name} needs ${what}`,
      advice`See: \`clusterlift help ${new AsIs(spec.name)}\`.`,
    );
  }
  return found;
}

/** The choice or keyword that a word is. */
function markedBy(spec: CommandSpec, word: string): Exclude<WordSpec, { form: 'place' }> | undefined {
  return spec.words
    .filter((each) => each.form !== 'place')
    .find((each) => (each.form === 'after' ? each.keyword === word : each.choices.some((one) => one.word === word)));
}

function take(found: Map<WordKey, string>, spec: WordSpec, word: string | undefined): void {
  const before = found.get(spec.key);
  if (spec.form === 'choice') {
    if (before === word) throw usage('duplicate-word', `"${before ?? ''}" is there twice`, 'Write it once.');
    if (before !== undefined) {
      throw usage('conflict', `"${before}" and "${word ?? ''}" exclude each other`, 'Write one of them.');
    }
    found.set(spec.key, word ?? '');
    return;
  }
  const name = spec.form === 'after' ? spec.keyword : spec.value.shown;
  if (word === undefined)
    throw usage('missing-word', `"${name}" needs a word after it`, `Write ${name} ${spec.value.shown}.`);
  if (before !== undefined) throw usage('duplicate-word', `"${name}" is there twice`, 'Write it once.');
  if (spec.value.read(word) === undefined) throw badValue(name, word, spec.value);
  found.set(spec.key, word);
}

/** `upgrade serail` is not a package of that name. */
function refuseSlip(spec: CommandSpec, word: string): void {
  const near = slipOf(spec, word);
  if (near === undefined) return;
  const hint = `Did you mean "${near}"? If it is a file, write ./${word}.`;
  throw usage('unknown-word', `${quoted(word)} is no word of ${spec.name}`, hint);
}

/** The keyword that a bare word was probably meant to be; a file name has a dot or a slash. */
export function slipOf(spec: CommandSpec, word: string): string | undefined {
  return /[./\\:]/.test(word) ? undefined : nearest(word, keywordsOf(spec));
}

function unexpected(spec: CommandSpec, word: string): Error {
  const hint = didYouMean(word, keywordsOf(spec), advice`See: \`clusterlift help ${new AsIs(spec.name)}\`.`);
  return usage('unexpected-word', `${spec.name} does not know what to do with ${quoted(word)}`, hint);
}

function checkConflicts(command: Command): void {
  const { options } = command;
  if (command.kind === 'upgrade' && command.mode === 'serial' && options.batch) {
    throw usage(
      'conflict',
      '"serial" and --batch exclude each other',
      'serial is one node at a time; leave one of them out.',
    );
  }
  if (options.ask && (options.yes || options.confirm !== undefined)) {
    const answer = options.yes ? '--yes' : '--confirm';
    throw usage('conflict', `--ask and ${answer} exclude each other`, 'Leave one of them out.');
  }
  const nodes = options.decide?.map((each) => each.node) ?? [];
  const twice = nodes.find((node, index) => nodes.indexOf(node) < index);
  if (twice !== undefined) {
    throw usage('conflict', `there are two decisions for ${twice}`, 'Write one --decide for each node.');
  }
}

function build({ kind }: CommandSpec, words: Words, options: Options): Command {
  const get = (key: WordKey): string => words.get(key) ?? '';
  const some = <const K extends WordKey>(key: K): Readonly<Partial<Record<K, string>>> => {
    const word = words.get(key);
    const found: Partial<Record<WordKey, string>> = word === undefined ? {} : { [key]: word };
    return found;
  };
  switch (kind) {
    case 'upgrade':
      return { kind, ...some('package'), ...modeOf(words), ...backupOf(words), options };
    case 'check':
      return { kind, ...some('package'), options };
    case 'provision':
      return { kind, ...modeOf(words), options };
    case 'backup-add':
      return { kind, name: get('name'), uri: get('uri'), options };
    case 'backup-remove':
      return { kind, name: get('name'), options };
    case 'backup-list':
      return { kind, ...some('location'), options };
    case 'backup-create':
      return { kind, location: get('location'), options };
    case 'backup-verify':
    case 'backup-restore':
      return { kind, point: get('point'), options };
    case 'backup-clean':
      return { kind, location: get('location'), keep: Number(get('keep')), options };
    case 'package-inspect':
      return { kind, package: get('package'), options };
    case 'runs-abandon':
      return { kind, run: get('run'), options };
    case 'runs':
    case 'attach':
    case 'resume':
    case 'stop':
      return { kind, ...some('run'), options };
    case 'unlock':
      return { kind, options: { ...options, reason: options.reason ?? '' } };
    case 'help':
      return { kind, ...some('topic'), options };
    case 'status':
    case 'version':
      return { kind, options };
    case 'completion':
      return { kind, shell: SHELLS.find((shell) => shell === words.get('shell')) ?? 'bash', options };
  }
}

function modeOf(words: Words): { mode?: 'serial' | 'fast' } {
  const mode = words.get('mode');
  return mode === 'serial' || mode === 'fast' ? { mode } : {};
}

/** `None` in any case is `none`. */
function backupOf(words: Words): { backup?: string } {
  const backup = words.get('backup');
  if (backup === undefined) return {};
  return { backup: backup.toLowerCase() === 'none' ? 'none' : backup };
}
