import { line } from '../base/text';

/**
 * Foreign text where the editor reads markup: what comes from nodes, packages, files and servers is shown as it is,
 * and becomes neither an icon nor a link (a link of a notification may run a command).
 */

/** For labels of quick picks and the status bar: `$(name)` stays text. */
export function asLabel(text: string, max = 200): string {
  return line(text, max).replaceAll('$(', '\\$(');
}

/** For notifications: `[text](command:…)` stays text. */
export function asMessage(text: string, max = 1000): string {
  return line(text, max).replace(/\](?=\()/g, '] ');
}
