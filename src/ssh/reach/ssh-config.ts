import { matchesPattern } from './known-hosts';

/** The options of ssh_config(5) that we honour; raw values: `~` and tokens are not yet expanded. */
export interface SshOptions {
  hostname?: string;
  user?: string;
  port?: string;
  identityfile: string[];
  identitiesonly?: string;
  identityagent?: string;
  proxyjump?: string;
  proxycommand?: string;
  hostkeyalias?: string;
  userknownhostsfile?: string[];
  globalknownhostsfile?: string[];
  stricthostkeychecking?: string;
  kexalgorithms?: string;
  ciphers?: string;
  macs?: string;
  hostkeyalgorithms?: string;
  pubkeyacceptedalgorithms?: string;
  requiredrsasize?: string;
}

/** What the files are asked about, and how they are read. Effects come in here: the evaluation itself is pure. */
export interface SshQuery {
  /** As the person wrote it. */
  readonly host: string;
  /** The user that beats the files, for `Match user`. */
  readonly user: string | undefined;
  readonly localUser: string;
  /** The text of a file; undefined: there is none. */
  readonly read: (path: string) => string | undefined;
  /** The files that a pattern of `Include` names, sorted; relative patterns are resolved by it. */
  readonly glob: (pattern: string) => readonly string[];
}

const MAX_INCLUDE_DEPTH = 16; // as OpenSSH
const LISTS = new Set(['userknownhostsfile', 'globalknownhostsfile']);
const SINGLE = new Set([
  'hostname',
  'user',
  'port',
  'identitiesonly',
  'identityagent',
  'proxyjump',
  'proxycommand',
  'hostkeyalias',
  'stricthostkeychecking',
  'kexalgorithms',
  'ciphers',
  'macs',
  'hostkeyalgorithms',
  'pubkeyacceptedalgorithms',
  'requiredrsasize',
]);
/** Names that ssh_config(5) still takes for others. */
const OLD_NAMES = new Map([['pubkeyacceptedkeytypes', 'pubkeyacceptedalgorithms']]);

/**
 * Evaluates ssh_config files in order: the first value of an option wins, identity files add up.
 * `Match exec` is never run and never matches, and neither does a criterion that we do not know.
 */
export function evaluate(files: readonly string[], query: SshQuery): SshOptions {
  const options: SshOptions = { identityfile: [] };
  for (const file of files) readInto(options, file, query, true, 0);
  return options;
}

function readInto(options: SshOptions, file: string, query: SshQuery, applies: boolean, depth: number): void {
  const text = query.read(file);
  if (text === undefined) return;
  let active = applies;
  for (const line of text.split('\n')) {
    const [name, ...words] = splitLine(line);
    const keyword = name === undefined ? undefined : (OLD_NAMES.get(name) ?? name);
    switch (keyword) {
      case undefined:
        break;
      case 'host':
        active = applies && matchesList(words, query.host);
        break;
      case 'match':
        active = applies && matchesCriteria(words, options, query);
        break;
      case 'include':
        if (depth >= MAX_INCLUDE_DEPTH || !active) break;
        for (const pattern of words) {
          for (const each of query.glob(pattern)) readInto(options, each, query, true, depth + 1);
        }
        break;
      default:
        if (active) assign(options, keyword, words, line);
    }
  }
}

function assign(options: SshOptions, keyword: string, words: readonly string[], line: string): void {
  const [first] = words;
  if (first === undefined) return;
  if (keyword === 'identityfile') {
    if (!options.identityfile.includes(first)) options.identityfile.push(first);
  } else if (LISTS.has(keyword)) {
    options[keyword as 'userknownhostsfile' | 'globalknownhostsfile'] ??= [...words];
  } else if (SINGLE.has(keyword)) {
    // Whichever way through a proxy comes first switches the other off.
    if (keyword === 'proxyjump' && options.proxycommand !== undefined) return;
    if (keyword === 'proxycommand') {
      if (options.proxyjump === undefined) options.proxycommand ??= rawValue(line);
      return;
    }
    options[keyword as 'hostname'] ??= first;
  }
}

/** A space-separated list of patterns: one that matches, and no negated one that does. */
function matchesList(patterns: readonly string[], text: string): boolean {
  let found = false;
  for (const pattern of patterns) {
    const negated = pattern.startsWith('!');
    if (!matchesPattern(negated ? pattern.slice(1) : pattern, text)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

function matchesCriteria(words: readonly string[], options: SshOptions, query: SshQuery): boolean {
  if (words.length === 0) return false;
  const subjects: Partial<Record<string, string>> = {
    host: options.hostname === undefined ? query.host : options.hostname.replaceAll('%h', query.host),
    originalhost: query.host,
    user: query.user ?? options.user ?? query.localUser,
    localuser: query.localUser,
  };
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    const negated = word.startsWith('!');
    const criterion = (negated ? word.slice(1) : word).toLowerCase();
    if (criterion === 'all') {
      if (negated) return false;
      continue;
    }
    const subject = subjects[criterion];
    const patterns = words[++at];
    if (subject === undefined || patterns === undefined) return false;
    if (matchesList(patterns.split(','), subject) === negated) return false;
  }
  return true;
}

/** Keyword in lower case and its arguments; nothing for a comment or an empty line. `Key value`, `Key=value`, `Key "a b"`. */
function splitLine(line: string): string[] {
  const match = /^\s*"?([A-Za-z]\w*)"?(?:\s*=\s*|\s+)(.*)$/.exec(line.trimEnd());
  if (!match) return [];
  const [, keyword = '', rest = ''] = match;
  return [keyword.toLowerCase(), ...splitWords(rest)];
}

function rawValue(line: string): string {
  return line.trim().replace(/^\w+(?:\s*=\s*|\s+)/, '');
}

// As OpenSSH's argv_split: both quotes, a backslash before a quote or a backslash, `#` begins a comment.
function splitWords(text: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = '';
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at);
    const next = text.charAt(at + 1);
    if (char === '\\' && next !== '' && (/["'\\]/.test(next) || (quote === '' && next === ' '))) {
      word = (word ?? '') + next;
      at++;
    } else if (quote !== '') {
      if (char === quote) quote = '';
      else word = (word ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      word ??= '';
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === '#' && word === undefined) {
      return words;
    } else {
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  return words;
}
