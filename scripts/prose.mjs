// Checks of texts for `npm run lint`: how-to pages that can be followed, and English without the patterns that stood
// in native readers' way (docs/glossary.md). Each returns its findings as lines.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LONGEST = 40;
/** A path in backticks: with a slash, in a folder of this repository. Placeholders (`<name>`, `*`) are left out. */
const PATH = /`((?:src|test|scripts|docs|media|l10n|\.github)\/[^`\s*<>{}…]+)`/g;

/** Patterns without a good use. Each has the wording that replaces it. */
const PATTERNS = [
  [/\bwhoever\b/i, 'whoever: name the person or the process'],
  [/\banew\b/i, 'anew: again'],
  [/\blet(s|ting)? go\b/i, 'let go: detach, release, close'],
  [/\bborne\b/i, 'borne: tolerated'],
  [/\bdesign [0-9]/, 'design N: name a page in docs/'],
  [/(?<!there )\bis no (?!longer\b|more\b)[a-z]/i, 'is no X: is not a X'],
];
/** The glossary names the words that are not used; the other pages are history or generated from the code. */
const LEFT_OUT = new Set(['CHANGELOG.md', 'docs/glossary.md', 'docs/errors.md', 'docs/json.md']);

/** @param {string} root @param {readonly string[]} pages paths below `docs/how-to/` @returns {string[]} */
export function howTo(root, pages) {
  const index = readFileSync(join(root, 'docs/how-to/README.md'), 'utf8');
  return pages.flatMap((page) => {
    const text = readFileSync(join(root, page), 'utf8');
    const lines = text.trimEnd().split('\n').length;
    const name = page.replace('docs/how-to/', '');
    const paths = [...text.matchAll(PATH)].map(([, path]) => path);
    return [
      ...(lines > LONGEST ? [`${page} has ${lines} lines, more than ${LONGEST}`] : []),
      ...(name !== 'README.md' && !index.includes(`(${name})`) ? [`docs/how-to/README.md does not list ${name}`] : []),
      ...paths
        .filter((path) => !existsSync(join(root, path)))
        .map((path) => `${page} names ${path}, which does not exist`),
    ];
  });
}

/** @param {string} root @param {readonly string[]} files pages (.md) and sources; of a source, its comments are read */
export function language(root, files) {
  return files
    .filter((file) => !LEFT_OUT.has(file))
    .flatMap((file) => findings(file, readFileSync(join(root, file), 'utf8')).map((each) => `${file}:${each}`));
}

/** @param {string} file its ending says what is read @param {string} text @returns {string[]} `line: pattern` */
export function findings(file, text) {
  return text.split('\n').flatMap((line, at) => {
    // Words in backticks are quoted from the code.
    const read = proseOf(file, line).replace(/`[^`]*`/g, '``');
    return PATTERNS.filter(([pattern]) => pattern.test(read)).map(([, better]) => `${at + 1}: ${better}`);
  });
}

function proseOf(file, line) {
  if (file.endsWith('.md')) return line;
  const comment = file.endsWith('.sh') ? /^\s*#(.*)/ : /^\s*(?:\/\*\*?|\*|\/\/)(.*)|\s\/\/ (.*)/;
  const [, whole = '', trailing = ''] = comment.exec(line) ?? [];
  return whole + trailing;
}
