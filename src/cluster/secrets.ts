import type { Node } from 'jsonc-parser';
import type { ConfigDocument, Problem } from './document';
import { hasPassword } from './names';

const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File/;
/** Secrets that stand in values, whatever the key. The value is never shown. */
export function secretProblems(document: ConfigDocument): Problem[] {
  const problems: Problem[] = [];
  const visit = (node: Node): void => {
    const value: unknown = node.value;
    if (typeof value === 'string') {
      const what = PRIVATE_KEY.test(value) ? 'a private key' : hasPassword(value) ? 'a password' : undefined;
      if (what !== undefined) problems.push(secretProblem(`there is ${what} in this text`, node.offset));
    }
    for (const child of node.children ?? []) visit(child);
  };
  if (document.root) visit(document.root);
  return problems;
}

export function secretProblem(what: string, offset: number): Problem {
  return {
    code: 'config-secret',
    message: `${what}; secrets are never kept in this file`,
    hint: 'Remove it. Clusterlift asks for secrets, or takes them from CLUSTERLIFT_… variables and files (see docs/commands.md).',
    offset,
  };
}
