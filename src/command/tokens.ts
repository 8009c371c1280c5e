import type { ClusterliftError } from '../base/errors';
import { didYouMean } from '../base/suggest';
import type { OptionKey } from './command';
import { OPTION_KEYS, OPTIONS } from './options';
import { quoted, usage } from './usage';
import type { Value } from './values';

/** An option as the parser and the writer need it, whatever its type. */
export interface AnyOption {
  readonly name: string;
  readonly about: string;
  readonly form: 'flag' | 'value' | 'list';
  readonly value?: Value<unknown>;
}

export interface Tokens {
  readonly words: readonly string[];
  /** `true`, a value, or the values of a list. */
  readonly options: ReadonlyMap<OptionKey, unknown>;
  readonly help: boolean;
  readonly version: boolean;
  /** Not thrown: a request for help is answered all the same. */
  readonly problems: readonly ClusterliftError[];
}

const HELP = ['-h', '--help'];
const VERSION = '--version';

/** Takes a command line apart: `--name value` or `--name=value`, anywhere; everything after `--` is a word. */
export function tokenize(argv: readonly string[]): Tokens {
  const words: string[] = [];
  const problems: ClusterliftError[] = [];
  const options = new Map<OptionKey, unknown>();
  let help = false;
  let version = false;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    if (word === '--') {
      words.push(...argv.slice(index + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') words.push(word);
    else if (HELP.includes(word)) help = true;
    else if (word === VERSION) version = true;
    else if (takeOption(word, argv[index + 1], options, problems)) index++;
  }
  return { words, options, help, version, problems };
}

/** Did it take the word after it, too? */
function takeOption(
  word: string,
  after: string | undefined,
  options: Map<OptionKey, unknown>,
  problems: ClusterliftError[],
): boolean {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word : word.slice(0, equals);
  const key = OPTION_KEYS.find((each) => OPTIONS[each].name === name);
  if (key === undefined) {
    const known = [...OPTION_KEYS.map((each) => OPTIONS[each].name), '--help', VERSION];
    const hint = didYouMean(name, known, 'See clusterlift help, or the help of the command: --help.');
    problems.push(usage('unknown-option', `there is no option ${quoted(name)}`, hint));
    return false;
  }
  const spec: AnyOption = OPTIONS[key];
  if (!spec.value) {
    if (equals >= 0) problems.push(usage('unexpected-value', `${name} takes no value`, `Write ${name} alone.`));
    set(options, key, spec, true, problems);
    return false;
  }
  const taken = equals < 0 && after !== undefined && !after.startsWith('-');
  const text = equals < 0 ? (taken ? after : undefined) : word.slice(equals + 1);
  if (text === undefined) {
    const dashed = after === undefined ? '' : ` A value that starts with "-" is written ${name}=VALUE.`;
    const hint = `Write ${name} ${spec.value.shown}.${dashed}`;
    problems.push(usage('missing-value', `${name} needs a value`, hint));
    return false;
  }
  const value = spec.value.read(text);
  if (value === undefined) problems.push(badValue(name, text, spec.value));
  else set(options, key, spec, value, problems);
  return taken;
}

export function badValue(
  name: string,
  text: string,
  value: Pick<Value<unknown>, 'expects' | 'choices'>,
): ClusterliftError {
  const hint = didYouMean(text, value.choices ?? [], `It must be ${value.expects}.`);
  return usage('bad-value', `${name}: ${quoted(text)} is not ${value.expects}`, hint);
}

function set(
  options: Map<OptionKey, unknown>,
  key: OptionKey,
  spec: AnyOption,
  value: unknown,
  problems: ClusterliftError[],
): void {
  const old = options.get(key);
  if (spec.form !== 'list') {
    if (old !== undefined) problems.push(twice(spec.name));
    options.set(key, value);
    return;
  }
  const entries: unknown[] = Array.isArray(old) ? old : [];
  const written = spec.value?.write(value);
  if (entries.some((entry) => spec.value?.write(entry) === written))
    problems.push(twice(`${spec.name} ${written ?? ''}`));
  options.set(key, [...entries, value]);
}

function twice(what: string): ClusterliftError {
  return usage('duplicate-option', `${what} is there twice`, 'Write it once.');
}
