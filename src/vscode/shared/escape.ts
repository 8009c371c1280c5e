import { line } from '../../base/text';

/**
 * Foreign text where the editor reads markup: what comes from nodes, packages, files and servers is shown as it is,
 * and becomes neither an icon nor a link (a link of a notification may run a command).
 */

/** For labels of quick picks and the status bar: `$(name)` stays text. Other text would keep its backslash. */
export function asLabel(text: string, max = 200): string {
  return line(text, max).replace(/\$\((?=[A-Za-z0-9-]+(?:~[A-Za-z]+)?\))/g, '\\$(');
}

/** For notifications: `[text](command:…)` stays text. */
export function asMessage(text: string, max = 1000): string {
  return line(text, max).replace(/\](?=\()/g, '] ');
}
