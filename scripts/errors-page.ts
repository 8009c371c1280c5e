import { ERROR_TABLES } from '../src/base/catalogue';
import type { ErrorEntry } from '../src/base/catalogue/entry';

const HEAD = `# Errors and findings

Generated from \`src/base/catalogue/\` by \`npx tsx scripts/generate-errors.ts\`.

Every error, warning and finding ends with its code in square brackets, such as \`[host-unreachable]\`. The message says what
happened this time; the table says what the code means in general.

**Status** is the exit status of a command that ends with the error (see [commands.md](commands.md)). Where there are two, the
situation decides. \`-\`: it is only ever a warning. A finding of the checks that blocks a run always ends with status 3, or 5
if only locks block it. It can be overridden with \`--override CODE\` if the report offers that.

A code that is not on this page comes from another version of Clusterlift.
`;

/** The text of docs/errors.md: each code with cause, next step and exit status. Pure. */
export function errorsPage(): string {
  const tables = Object.entries(ERROR_TABLES).map(([title, entries]) => {
    const rows = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
    return `\n## ${title}\n\n| Code | Status | Cause | What to do |\n| --- | --- | --- | --- |\n${rows.map(row).join('')}`;
  });
  return HEAD + tables.join('');
}

function row([code, { exit, cause, next }]: readonly [string, ErrorEntry]): string {
  const status = exit === undefined ? '-' : [exit].flat().join(' or ');
  return `| \`${code}\` | ${status} | ${cell(cause)} | ${cell(next)} |\n`;
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
