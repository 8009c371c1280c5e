import { NAME } from '../cluster/names';
import { parseDuration, parseSize } from '../base/units';
import { ANSWERS, type Answer, type Decision } from './command';

/** A kind of value on the command line: how it is read, written, described and completed. */
export interface Value<T> {
  /** In help texts: `NAME`. */
  readonly shown: string;
  /** Ends the sentence "… must be". */
  readonly expects: string;
  /** Undefined: not such a value. */
  read(text: string): T | undefined;
  /** What `read` reads back as the same value. */
  write(value: T): string;
  /** All there are, where they are few. */
  readonly choices?: readonly string[];
  readonly completes?: 'file';
}

// eslint-disable-next-line no-control-regex -- they are what is refused
const CONTROLS = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;
const LONGEST = 4096;

export function isText(text: string): boolean {
  return text !== '' && text.length <= LONGEST && !CONTROLS.test(text) && text.isWellFormed();
}

export function text(shown: string, expects: string, more: { readonly completes?: 'file' } = {}): Value<string> {
  return { shown, expects, read: (value) => (isText(value) ? value : undefined), write: (value) => value, ...more };
}

export function name(shown: string, of: string): Value<string> {
  return {
    shown,
    expects: `the name of ${of}`,
    read: (value) => (NAME.test(value) ? value : undefined),
    write: (value) => value,
  };
}

export function choice<const T extends string>(choices: readonly T[]): Value<T> {
  return {
    shown: choices.join('|'),
    expects: `${choices.slice(0, -1).join(', ')} or ${choices.at(-1) ?? ''}`,
    read: (value) => choices.find((each) => each === value),
    write: (value) => value,
    choices,
  };
}

export const nodeNames: Value<readonly string[]> = {
  shown: 'a,b',
  expects: 'names of nodes, separated by commas, each once',
  read: (value) => {
    const names = value.split(',');
    return names.every((each) => NAME.test(each)) && new Set(names).size === names.length ? names : undefined;
  },
  write: (names) => names.join(),
};

export const batches: Value<readonly string[]> = {
  shown: '1,25%,100%',
  expects: 'numbers of nodes or percentages, separated by commas',
  read: (value) => {
    const entries = value.split(',');
    return entries.every((entry) => /^(?:[1-9]\d{0,5}|(?:[1-9]\d?|100)%)$/.test(entry)) ? entries : undefined;
  },
  write: (entries) => entries.join(),
};

export const failures: Value<string> = {
  shown: 'N|N%',
  expects: 'a number of nodes or a percentage up to 100%',
  read: (value) => (/^(?:\d{1,6}|(?:\d{1,2}|100)%)$/.test(value) ? value : undefined),
  write: (value) => value,
};

export const count: Value<number> = {
  shown: 'N',
  expects: 'a whole number from 1',
  read: (value) => (/^[1-9]\d{0,5}$/.test(value) ? Number(value) : undefined),
  write: String,
};

export const sha256: Value<string> = {
  shown: 'HEX',
  expects: 'the 64 hexadecimal digits of a SHA-256 digest',
  read: (value) => (/^[0-9a-f]{64}$/i.test(value) ? value.toLowerCase() : undefined),
  write: (value) => value,
};

const SIZES = [
  ['TiB', 1024 ** 4],
  ['GiB', 1024 ** 3],
  ['MiB', 1024 ** 2],
  ['KiB', 1024],
  ['B', 1],
] as const;

export const rate: Value<number> = {
  shown: 'SIZE',
  expects: 'a size for each second, such as 10MiB',
  read: (value) => {
    const bytes = parseSize(value);
    return bytes !== undefined && bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined;
  },
  write: (bytes) => {
    const [unit, factor] = SIZES.find(([, each]) => bytes % each === 0) ?? ['B', 1];
    return `${String(bytes / factor)}${unit}`;
  },
};

const DURATIONS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;
/** A little more than 24 days: longer than anybody waits. Milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

export const duration: Value<number> = {
  shown: 'TIME',
  expects: 'a duration such as 30m, 2h or 1h30m (at most 24 days)',
  read: (value) => {
    const ms = parseDuration(value);
    return ms !== undefined && Number.isInteger(ms) && ms > 0 && ms <= LONGEST_WAIT ? ms : undefined;
  },
  write: (ms) => {
    let rest = ms;
    let written = '';
    for (const [unit, factor] of DURATIONS) {
      const number = Math.floor(rest / factor);
      if (number > 0) written += `${String(number)}${unit}`;
      rest -= number * factor;
    }
    return written;
  },
};

/** The code of a check, as a report shows it, for all nodes or for one. */
export const override: Value<string> = {
  shown: 'CODE[=NODE]',
  expects: 'the code of a check, as the report shows it, alone or with a node, such as foreign-point=node3',
  read: (value) => {
    const [code = '', node, ...rest] = value.split('=');
    const named = node === undefined || (NAME.test(node) && rest.length === 0);
    return /^[a-z][a-z0-9-]{0,62}$/.test(code) && named ? value : undefined;
  },
  write: (value) => value,
};

export const decision: Value<Decision> = {
  shown: `NODE=${ANSWERS.join('|')}`,
  expects: `a node and ${ANSWERS.join(', ')}, such as node2=done`,
  read: (value) => {
    const [node = '', answer = '', ...rest] = value.split('=');
    return NAME.test(node) && isAnswer(answer) && rest.length === 0 ? { node, answer } : undefined;
  },
  write: ({ node, answer }) => `${node}=${answer}`,
};

function isAnswer(text: string): text is Answer {
  return ANSWERS.some((answer) => answer === text);
}

/** A package: a file, `node:<path>`, or a URL with http or https. */
export const packageSource: Value<string> = {
  shown: '<ISO>|<URL>',
  expects: 'a file, node:<path>, or a URL with http or https',
  read: (value) => {
    if (!isText(value) || value === 'node:') return undefined;
    if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(value)) return value;
    return /^https?:\/\//i.test(value) && URL.canParse(value) ? value : undefined;
  },
  write: (value) => value,
  completes: 'file',
};
