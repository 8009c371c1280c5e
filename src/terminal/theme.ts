import { plain } from '../base/text';
import { cells, head } from './width';

/**
 * What the terminal can show, and the one place where text becomes colour. Renderers build lines out of parts;
 * whatever foreign text a part carries is stripped here, so that no renderer can forget to.
 */
export interface Theme {
  readonly columns: number;
  readonly unicode: boolean;
  readonly color: boolean;
}

export type Tone = 'good' | 'bad' | 'warn' | 'accent' | 'dim' | 'strong';

/** A piece of a line: text, or text with a meaning that colour underlines (never colour alone). */
export type Part = string | { readonly text: string; readonly tone: Tone | undefined };

/** ECMA-48 SGR. The sixteen basic colours only: they follow the reader's own colours. */
const SGR: Record<Tone, string> = { good: '32', bad: '31', warn: '33', accent: '36', dim: '2', strong: '1' };

export function tone(name: Tone | undefined, text: string): Part {
  return { text, tone: name };
}

export function textOf(part: Part): string {
  return plain(typeof part === 'string' ? part : part.text).replace(/[\t\n]/g, ' ');
}

export function widthOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + cells(textOf(part)), 0);
}

/** Parts → one line, at most `theme.columns` cells wide, no trailing blanks. */
export function paint(parts: readonly Part[], theme: Theme): string {
  const shown = trimEnd(cutParts(parts, theme));
  return shown.map(({ text, tone }) => (theme.color && tone && text.trim() !== '' ? sgr(tone, text) : text)).join('');
}

interface Plain {
  readonly text: string;
  readonly tone: Tone | undefined;
}

function cutParts(parts: readonly Part[], theme: Theme): Plain[] {
  const whole = parts.map((part): Plain => ({
    text: textOf(part),
    tone: typeof part === 'string' ? undefined : part.tone,
  }));
  if (widthOf(parts) <= theme.columns) return whole;
  const { ellipsis } = glyphs(theme);
  let room = theme.columns - cells(ellipsis);
  if (room <= 0) return [{ text: head(ellipsis, theme.columns), tone: undefined }];
  const kept: Plain[] = [];
  for (const part of whole) {
    const text = head(part.text, room);
    room -= cells(text);
    if (text !== part.text) return [...kept, { text: text.trimEnd() + ellipsis, tone: part.tone }];
    kept.push(part);
  }
  return kept;
}

function sgr(name: Tone, text: string): string {
  return `\u001b[${SGR[name]}m${text}\u001b[0m`;
}

function trimEnd(parts: readonly Plain[]): Plain[] {
  const last = parts.findLastIndex((each) => each.text.trim() !== '');
  return parts
    .slice(0, last + 1)
    .map((each, index) => (index === last ? { ...each, text: each.text.trimEnd() } : each));
}

export interface Glyphs {
  readonly done: string;
  readonly failed: string;
  readonly warning: string;
  readonly unknown: string;
  readonly waiting: string;
  readonly arrow: string;
  readonly dot: string;
  readonly ellipsis: string;
  readonly bar: readonly [full: string, empty: string];
  readonly rule: string;
  readonly quote: string;
  readonly track: readonly [done: string, now: string, open: string];
  readonly spinner: readonly string[];
}

const UNICODE: Glyphs = {
  done: '✓',
  failed: '✗',
  warning: '!',
  unknown: '?',
  waiting: '·',
  arrow: '→',
  dot: '·',
  ellipsis: '…',
  bar: ['━', '─'],
  rule: '─',
  quote: '│',
  track: ['●', '◉', '○'],
  spinner: ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'],
};

const ASCII: Glyphs = {
  done: '+',
  failed: 'x',
  warning: '!',
  unknown: '?',
  waiting: '.',
  arrow: '->',
  dot: '-',
  ellipsis: '...',
  bar: ['#', '-'],
  rule: '-',
  quote: '|',
  track: ['#', '>', '.'],
  spinner: ['|', '/', '-', '\\'],
};

export function glyphs(theme: Pick<Theme, 'unicode'>): Glyphs {
  return theme.unicode ? UNICODE : ASCII;
}

/** What can be drawn on: a terminal's stream, or something that looks like one (the editor's task terminal). */
export interface TerminalStream {
  write(text: string): boolean;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  on(event: 'resize' | 'drain', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  off(event: 'resize' | 'drain', listener: () => void): unknown;
}

/**
 * What a stream can show. Colour: https://no-color.org and TERM=dumb switch it off. Not a terminal: 120 columns, no colour.
 * @param env the environment of the process
 */
export function themeOf(
  stream: Pick<TerminalStream, 'isTTY' | 'columns'>,
  env: NodeJS.ProcessEnv,
  platform: NodeJS.Platform = process.platform,
): Theme {
  const tty = stream.isTTY === true;
  const columns = tty && stream.columns !== undefined && stream.columns > 0 ? stream.columns : tty ? 80 : 120;
  const color = tty && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb';
  return { columns, color, unicode: speaksUnicode(env, platform) };
}

function speaksUnicode(env: NodeJS.ProcessEnv, platform: NodeJS.Platform): boolean {
  if (env['TERM'] === 'dumb' || env['TERM'] === 'linux') return false;
  if (platform === 'win32') return env['WT_SESSION'] !== undefined || env['TERM_PROGRAM'] === 'vscode';
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((each) => each !== undefined && each !== '');
  return locale === undefined ? platform === 'darwin' : /utf-?8/i.test(locale);
}
