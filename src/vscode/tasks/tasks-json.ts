import { applyEdits, findNodeAtLocation, getNodeValue, modify, parseTree, type Node } from 'jsonc-parser';
import type { TaskDefinition } from './definition';
import { entriesOf, type Told } from './entries';

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

/**
 * Where a task stands in the text of a tasks.json or of a workspace file: the value of the first of the properties that it
 * has, else its name. Undefined: it is not there.
 */
export function placeInTask(
  text: string,
  task: Told,
  properties: readonly string[],
): { readonly offset: number; readonly length: number } | undefined {
  const root = parseTree(text);
  const lists = root ? [['tasks'], ['tasks', 'tasks']].map((path) => findNodeAtLocation(root, path)) : [];
  const nodes = lists.flatMap((list) => (list?.type === 'array' ? (list.children ?? []) : []));
  const values = nodes.map((node): unknown => getNodeValue(node));
  const [wanted] = entriesOf(values, task);
  const entry = wanted && nodes[values.indexOf(wanted)];
  const find = (key: string): Node | undefined => entry && findNodeAtLocation(entry, [key]);
  return [...properties, 'label', 'command'].map(find).find((each) => each !== undefined) ?? entry;
}
