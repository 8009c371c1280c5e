/** Text from outside is data: before a person sees it, it can neither move a cursor nor pose as something else. */

// CSI, OSC (ended by BEL or ST, or cut off), other escapes, then what is left of C0/C1 except tab and newline,
// then the characters that reorder text (Trojan Source, CVE-2021-42574) or break lines (U+2028, U+2029).
/* eslint-disable no-control-regex -- control characters are the subject here */
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]?|\u001b[\]PX^_][^\u0007\u001b\n]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
/* eslint-enable no-control-regex */

/** Strips ANSI sequences and control characters; keeps tabs and newlines; CR LF becomes LF. */
export function plain(text: string): string {
  return text.replaceAll('\r\n', '\n').replace(ESCAPES, '').replace(CONTROLS, '');
}

/** `n1: the disk is full`; what names the node by itself, such as `n1 cannot be reached`, stays as it is. */
export function aboutNode(where: string | undefined, message: string): string {
  const named = where === undefined || message.startsWith(`${where} `) || message.startsWith(`${where}: `);
  return named ? message : `${where}: ${message}`;
}

/** One bounded, printable line of foreign text. */
export function line(text: string, max = 500): string {
  const flat = plain(text).replace(/\s+/g, ' ').trim();
  return flat.length > max ? `${flat.slice(0, max - 1)}…` : flat;
}

/** The last `count` non-empty lines of a log, each bounded. */
export function lastLines(text: string, count = 10): string[] {
  return plain(text)
    .split('\n')
    .map((each) => (each.length > 500 ? `${each.slice(0, 499)}…` : each).trimEnd())
    .filter((each) => each !== '')
    .slice(-count);
}
