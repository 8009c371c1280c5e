import { cells } from './width';

/**
 * Reading one line key by key, as a pure step: what was typed and what to echo. Small on purpose: an answer is short,
 * and a hidden one must never reach readline's history.
 */
export interface EditorState {
  readonly text: string;
  /** Bytes of an escape sequence that has not ended yet. */
  readonly escape: string;
}

export const EMPTY_EDITOR: EditorState = { text: '', escape: '' };

export type EditorEvent =
  | { readonly kind: 'edit'; readonly state: EditorState; readonly echo: string }
  | { readonly kind: 'enter'; readonly text: string; readonly echo: string }
  /** Ctrl-D on an empty line, or Escape: this question only. */
  | { readonly kind: 'cancel' }
  /** Ctrl-C. */
  | { readonly kind: 'interrupt' };

/** Longer answers are cut: nobody types this, and a pasted file should not fill the screen. */
const LONGEST = 4096;

/**
 * @param input characters as they came from a terminal in raw mode
 * @param hidden nothing is echoed, not even how many characters there are
 */
export function typeInto(state: EditorState, input: string, hidden: boolean): EditorEvent {
  let { text, escape } = state;
  let echo = '';
  const erase = (removed: string): void => {
    const width = cells(removed);
    if (!hidden) echo += '\b'.repeat(width) + ' '.repeat(width) + '\b'.repeat(width);
  };
  const chars = Array.from(input);
  for (const [index, char] of chars.entries()) {
    if (escape !== '') {
      escape += char;
      // CSI and SS3 sequences (arrows, bracketed paste marks) are swallowed; ESC and any other key is Alt+key.
      if (escape.length === 2 && (char === '[' || char === 'O')) continue;
      if (escape.length === 2 || /[@-~]/.test(char) || escape.length > 16) escape = '';
      continue;
    }
    switch (char) {
      case '\r':
      case '\n':
        return { kind: 'enter', text, echo };
      case '\u0003':
        return { kind: 'interrupt' };
      case '\u0004':
        if (text === '') return { kind: 'cancel' };
        break;
      case '\u001b':
        // A lone Escape comes alone; a sequence comes with its next bytes.
        if (index === chars.length - 1) return { kind: 'cancel' };
        escape = char;
        break;
      case '\u007f':
      case '\b': {
        const last = Array.from(text).at(-1) ?? '';
        text = text.slice(0, text.length - last.length);
        erase(last);
        break;
      }
      case '\u0015':
        erase(text);
        text = '';
        break;
      default:
        if (char >= ' ' && text.length < LONGEST) {
          text += char;
          if (!hidden) echo += char;
        }
    }
  }
  return { kind: 'edit', state: { text, escape }, echo };
}
