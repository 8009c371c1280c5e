/** How many terminal cells a text takes, and cutting it to so many without splitting a character. */

/** East Asian Wide and Fullwidth blocks (Unicode 16, EastAsianWidth.txt), merged where gaps are unassigned. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff00, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18d08],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];
const ASCII = /^[ -~]*$/;
const ZERO = /^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]$/u;
const EMOJI = /^\p{Emoji_Presentation}$/u;
const EMOJI_SELECTOR = 0xfe0f;

/** Cells of one code point: 0, 1 or 2. Follows wcwidth, which terminals and tmux follow; where they differ, the larger. */
function cellsOf(char: string): number {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x300) return 1;
  // Makes the symbol before it an emoji, which many terminals then draw two cells wide.
  if (code === EMOJI_SELECTOR) return 1;
  if (ZERO.test(char)) return 0;
  if (EMOJI.test(char)) return 2;
  for (const [low, high] of WIDE) {
    if (code < low) return 1;
    if (code <= high) return 2;
  }
  return 1;
}

/** Terminal cells of a text without control characters. */
export function cells(text: string): number {
  if (ASCII.test(text)) return text.length;
  let sum = 0;
  for (const char of text) sum += cellsOf(char);
  return sum;
}

/** The longest start of the text that takes at most `max` cells; combining marks stay with their letter. */
export function head(text: string, max: number): string {
  if (ASCII.test(text)) return text.slice(0, Math.max(0, max));
  let used = 0;
  let end = 0;
  for (const char of text) {
    used += cellsOf(char);
    if (used > max) break;
    end += char.length;
  }
  return text.slice(0, end);
}

/** The longest end of the text that takes at most `max` cells. */
export function tail(text: string, max: number): string {
  const chars = Array.from(text);
  let used = 0;
  let start = chars.length;
  while (start > 0) {
    used += cellsOf(chars[start - 1] ?? '');
    if (used > max) break;
    start--;
  }
  return chars.slice(start).join('');
}

/** Cuts to `max` cells and says so with an ellipsis: of a path the end matters, of a sentence the start. */
export function cut(text: string, max: number, keep: 'start' | 'end' = 'start', ellipsis = '…'): string {
  if (cells(text) <= max) return text;
  const room = max - cells(ellipsis);
  if (room <= 0) return head(ellipsis, max);
  return keep === 'start' ? head(text, room).trimEnd() + ellipsis : ellipsis + tail(text, room);
}

/** Fills with blanks to `width` cells; a longer text stays as it is. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - cells(text)));
  return align === 'left' ? text + blanks : blanks + text;
}

/** Breaks at blanks into lines of at most `width` cells; a word that is longer than a line is broken. */
export function wrap(text: string, width: number): string[] {
  const most = Math.max(1, width);
  const lines: string[] = [];
  let current = '';
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    if (current !== '' && cells(current) + 1 + cells(word) <= most) {
      current += ` ${word}`;
      continue;
    }
    if (current !== '') lines.push(current);
    current = word;
    while (cells(current) > most) {
      const start = head(current, most) || (Array.from(current)[0] ?? '');
      lines.push(start);
      current = current.slice(start.length);
    }
  }
  if (current !== '') lines.push(current);
  return lines;
}
