import libraryText from './lib.sh';

/** lib.sh as it is sent. */
const LIBRARY = withoutComments(libraryText);

/** The text as it is sent: the library and the script, without lines that hold only a comment. */
export function compose(...texts: readonly string[]): string {
  return [LIBRARY, ...texts.map(withoutComments)].join('\n');
}

/** What stands behind the library; undefined: it does not stand before this text. */
export function behindLibrary(script: string): string | undefined {
  return script.startsWith(`${LIBRARY}\n`) ? script.slice(LIBRARY.length + 1) : undefined;
}

function withoutComments(text: string): string {
  return text.replace(/^[ \t]*#.*\n/gm, '');
}
