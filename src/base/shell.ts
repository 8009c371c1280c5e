/** Quotes a word for a POSIX shell. The only quoting function for values; they never hold NUL. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The same, where a plain word stays as it is: for commands that people read, and may paste. */
export function shellWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : quote(word);
}

/** Words of ours that stand in a command as they are, such as `backup restore`. */
export class AsIs {
  constructor(readonly text: string) {}
}

/**
 * A text for people with commands between backticks. What is filled in there becomes (a part of) one word of a shell, so that
 * a command can be pasted whatever a node, a package or a server put into it; elsewhere it stays as it is.
 */
export function advice(texts: TemplateStringsArray, ...values: readonly (string | number | AsIs)[]): string {
  let [said = ''] = texts;
  let ticks = ticksIn(said);
  values.forEach((value, index) => {
    const isCommand = ticks % 2 === 1;
    const text = value instanceof AsIs ? value.text : String(value);
    said += isCommand && !(value instanceof AsIs) ? inCommand(text, /[\s`]$/.test(said)) : text;
    const next = texts[index + 1] ?? '';
    said += next;
    ticks += ticksIn(next);
  });
  return said;
}

function ticksIn(text: string): number {
  return text.split('`').length - 1;
}

/** @param first the word begins with it: a dash would make it an option */
function inCommand(value: string, first: boolean): string {
  // A backtick would end the command for who reads it.
  const text = value.replaceAll('`', '?');
  return shellWord(first && text.startsWith('-') ? `./${text}` : text);
}

const PLAIN = '[A-Za-z0-9_@%+=:,./-]+';
const QUOTED = "'[^']*'(?:\\\\''[^']*')*";
const OWN_COMMAND = new RegExp(`^clusterlift(?: (?:${PLAIN}|${QUOTED}))*$`);

/** Is a command line of a plan one that can be pasted: words for our own program, and nothing else for a shell? */
export function isOwnCommand(text: string): boolean {
  return OWN_COMMAND.test(text);
}
