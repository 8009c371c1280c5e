import type { Node } from 'jsonc-parser';
import type * as z from 'zod';
import { didYouMean } from '../base/suggest';
import { clustersSchema, knownKeys } from './schema';
import type { ConfigDocument, Path, Problem } from './document';
import { secretProblem } from './secrets';

/** What the schema has to say about a file, told in words with places; and the keys that JSON reads twice. */

/** Of one kind; a file with more is not read by a person. */
const MAX_PROBLEMS = 50;
const SECRET_KEY = /password|passwd|passphrase|passcode|secret|token|api[-_ ]?key|private[-_ ]?key|credential/i;

/** Keys that appear twice in one object: JSON readers silently take the last. Also `__proto__`, which is never a name. */
export function keyProblems(document: ConfigDocument): Problem[] {
  const problems: Problem[] = [];
  const visit = (node: Node): void => {
    const seen = new Set<string>();
    for (const child of node.children ?? []) {
      const key = node.type === 'object' ? child.children?.[0] : undefined;
      const name: unknown = key?.value;
      if (key && typeof name === 'string') {
        if (seen.has(name)) {
          problems.push({
            code: 'config-duplicate-key',
            message: `the key "${name}" is there twice`,
            hint: 'Only the last one would count. Remove or rename one of them.',
            offset: key.offset,
          });
        }
        if (name === '__proto__') problems.push(unknownKey(name, key.offset, []));
        seen.add(name);
      }
      visit(child);
    }
  };
  if (document.root) visit(document.root);
  return problems;
}

/** Every problem that the schema finds. */
export function schemaProblems(document: ConfigDocument, issues: readonly z.core.$ZodIssue[]): Problem[] {
  return issues.slice(0, MAX_PROBLEMS).flatMap((issue) => problemsOf(document, issue));
}

function problemsOf(document: ConfigDocument, issue: z.core.$ZodIssue): Problem[] {
  const path = issue.path.filter((segment): segment is string | number => typeof segment !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(path) ?? Object.keys(clustersSchema.shape);
    return issue.keys
      .filter((key) => key !== '__proto__')
      .slice(0, MAX_PROBLEMS)
      .map((key) => {
        const offset = document.offsetOfKey([...path, key]);
        return SECRET_KEY.test(key)
          ? secretProblem(`"${key}" looks like a secret`, offset)
          : unknownKey(key, offset, known);
      });
  }
  if (path[0] === 'backupLocations' && path.length === 2)
    return [locationProblem(document, path, issue.code === 'invalid_key')];
  if (path[0] === 'clusters' && path.length === 3 && path[2] === 'nodes' && !document.node(path))
    return [noNodes(document, path)];
  if (issue.code === 'invalid_key') {
    return [
      bad(
        `the name "${String(path.at(-1))}" ${issue.issues[0]?.message ?? 'is not allowed'}`,
        document.offsetOfKey(path),
      ),
    ];
  }
  const missing = !document.node(path);
  return [
    bad(`${display(path)} ${missing ? `is missing; it ${issue.message}` : issue.message}`, document.offsetOf(path)),
  ];
}

/** `clusters.staging.nodes[0].port` */
function display(path: Path): string {
  if (path.length === 0) return 'the file';
  return path
    .map((segment, index) =>
      typeof segment === 'number' ? `[${String(segment)}]` : `${index === 0 ? '' : '.'}${segment}`,
    )
    .join('');
}

export function bad(
  message: string,
  offset: number,
  hint = 'Correct the value; docs/clusters-json.md describes every key.',
): Problem {
  return { code: 'config-bad-value', message, hint, offset };
}

export function noNodes(document: ConfigDocument, path: Path): Problem {
  return {
    code: 'config-no-nodes',
    message: `the cluster "${String(path[1])}" has no nodes`,
    hint: 'Add at least one: "nodes": [{ "name": "node1", "host": "10.0.0.11" }].',
    offset: document.offsetOf(path),
  };
}

function unknownKey(key: string, offset: number, known: readonly string[]): Problem {
  const hint = didYouMean(key, known, known.length > 0 ? `Known here: ${known.join(', ')}.` : 'Remove it.');
  return { code: 'config-unknown-key', message: `the key "${key}" is not known here`, hint, offset };
}

/** The value is not shown: it may hold a secret. */
function locationProblem(document: ConfigDocument, path: Path, invalidName: boolean): Problem {
  const name = String(path[1]);
  if (!invalidName) {
    return {
      code: 'config-bad-location',
      message: `the address of the backup location "${name}" is not understood`,
      hint: 'Write file:///path, sftp://user@host[:port]/path or restic:repository.',
      offset: document.offsetOf(path),
    };
  }
  const reserved = /^(none|localbackup)$/i.test(name);
  return {
    code: 'config-bad-location',
    message: reserved
      ? `"${name}" is reserved and cannot name a backup location`
      : `"${name}" cannot name a backup location`,
    hint: reserved ? 'Choose another name.' : 'Use letters, digits, ".", "_" and "-"; start with a letter or digit.',
    offset: document.offsetOfKey(path),
  };
}
