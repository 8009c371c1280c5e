import { applyEdits, findNodeAtLocation, modify, parseTree } from 'jsonc-parser';
import type { TaskDefinition } from './definition';

/** The words of a command line that we wrote ourselves (`formatCommand`). */
export function wordsOf(line: string): string[] {
  return [...line.matchAll(/(?:[^\s'\\]|'[^']*'|\\.)+/g)].map(([word]) =>
    word.replaceAll(/'([^']*)'|\\(.)/g, (_, quoted?: string, escaped?: string) => quoted ?? escaped ?? ''),
  );
}

/** The text of a tasks.json with one more task; comments and layout stay. */
export function withTask(text: string, label: string, definition: TaskDefinition): string {
  const body = text.trim() === '' ? '{\n  "version": "2.0.0",\n  "tasks": []\n}\n' : text;
  const root = parseTree(body);
  const tasks = root && findNodeAtLocation(root, ['tasks']);
  const entry = { label, ...definition, problemMatcher: [] };
  const formattingOptions = { insertSpaces: true, tabSize: 2, eol: body.includes('\r\n') ? '\r\n' : '\n' };
  const place = tasks?.type === 'array' ? ['tasks', tasks.children?.length ?? 0] : ['tasks'];
  const value = tasks?.type === 'array' ? entry : [entry];
  return applyEdits(body, modify(body, place, value, { formattingOptions, isArrayInsertion: tasks?.type === 'array' }));
}
