/** Quotes a word for a POSIX shell. The only quoting function for values; they never hold NUL. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The same, where a plain word stays as it is: for commands that people read, and may paste. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : quote(word);
}
