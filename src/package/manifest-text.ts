import {
  createScanner,
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
  type ParseErrorCode,
} from 'jsonc-parser';
import type * as z from 'zod';
import { line } from '../base/text';
import { didYouMean } from '../base/suggest';
import { manifestSchema } from './manifest-schema';

/** What is wrong at one place of the text. */
export interface Problem {
  readonly message: string;
  readonly hint?: string;
  /** In characters, from 0. */
  readonly offset: number;
}

/** Deeper than any manifest; the parser is recursive. */
const MOST_DEPTH = 20;
const MOST_PROBLEMS = 20;
// The scanner's kinds of tokens (a const enum, which isolated modules cannot import).
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, END] = [1, 2, 3, 4, 17];

/** JSON with comments, and where each thing in it stands. */
export class ManifestText {
  private constructor(
    private readonly text: string,
    private readonly root: Node | undefined,
    private readonly syntax: readonly Problem[],
  ) {}

  static parse(text: string): ManifestText {
    const deep = tooDeep(text);
    if (deep !== undefined) return new ManifestText(text, undefined, [deep]);
    const errors: ParseError[] = [];
    const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
    const syntax = errors.slice(0, MOST_PROBLEMS).map(({ error, offset }) => ({ message: wordsOf(error), offset }));
    if (root === undefined && syntax.length === 0) syntax.push({ message: 'it is empty', offset: 0 });
    return new ManifestText(text, root, syntax);
  }

  /** What is wrong before the schema is asked: broken JSON, and keys that would be read twice. */
  problems(): readonly Problem[] {
    return this.syntax.length > 0 || this.root === undefined ? this.syntax : repeatedKeys(this.root);
  }

  value(): unknown {
    return this.root && (getNodeValue(this.root) as unknown);
  }

  /** What the schema says, with places. */
  problemsOf(issue: z.core.$ZodIssue): Problem[] {
    const path = issue.path.filter((each) => typeof each !== 'symbol');
    if (issue.code === 'unrecognized_keys')
      return issue.keys.slice(0, MOST_PROBLEMS).map((key) => this.unknownKey(path, key));
    const name = path.length === 0 ? 'it' : `"${path.join('.')}"`;
    if (path.length > 0 && this.node(path) === undefined) {
      return [{ message: `${name} is missing`, offset: this.endOf(path.slice(0, -1)) }];
    }
    return [{ message: `${name} ${issue.message}`, offset: this.offsetOf(path) }];
  }

  /** Line and column from 1. */
  position(offset: number): { readonly line: number; readonly column: number } {
    const before = this.text.slice(0, offset).split(/\r\n|\n|\r/);
    return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
  }

  private unknownKey(path: (string | number)[], key: string): Problem {
    const offset = this.node([...path, key])?.parent?.offset ?? this.offsetOf(path);
    const hint = didYouMean(key, keysAt(path), 'Remove it, or use a Clusterlift that knows it.');
    return { message: `the key "${line(key, 60)}" is unknown`, hint, offset };
  }

  private node(path: (string | number)[]): Node | undefined {
    return this.root && findNodeAtLocation(this.root, path);
  }

  /** The closing brace of an object: where something is missing. */
  private endOf(path: (string | number)[]): number {
    const node = this.node(path);
    return node === undefined ? this.offsetOf(path) : node.offset + node.length - 1;
  }

  /** Of the thing itself, else of the nearest thing around it. */
  private offsetOf(path: (string | number)[]): number {
    for (let length = path.length; length >= 0; length--) {
      const node = this.node(path.slice(0, length));
      if (node !== undefined) return node.offset;
    }
    return 0;
  }
}

/** The keys that the schema knows in the object at a place. */
function keysAt(path: readonly (string | number)[]): string[] {
  const shape: Record<string, unknown> = manifestSchema.shape;
  if (path.length === 0) return Object.keys(shape);
  let inner = shape[String(path[0])];
  while (hasUnwrap(inner)) inner = inner.unwrap();
  return hasShape(inner) ? Object.keys(inner.shape) : [];
}

function hasUnwrap(value: unknown): value is { unwrap(): unknown } {
  return typeof value === 'object' && value !== null && 'unwrap' in value && typeof value.unwrap === 'function';
}

function hasShape(value: unknown): value is { shape: object } {
  return typeof value === 'object' && value !== null && 'shape' in value && typeof value.shape === 'object';
}

function wordsOf(error: ParseErrorCode): string {
  const words = printParseErrorCode(error)
    .replace(/(?<=[a-z])(?=[A-Z])/g, ' ')
    .toLowerCase();
  return `it is not JSON: ${words}`;
}

function tooDeep(text: string): Problem | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let token: number = scanner.scan(); token !== END; token = scanner.scan()) {
    if (token === OPEN_BRACE || token === OPEN_BRACKET) depth++;
    if (token === CLOSE_BRACE || token === CLOSE_BRACKET) depth--;
    if (depth > MOST_DEPTH) return { message: 'it is nested too deeply', offset: scanner.getTokenOffset() };
  }
  return undefined;
}

/** JSON readers silently take the last of two equal keys; `__proto__` is never a key. */
function repeatedKeys(node: Node): Problem[] {
  const seen = new Set<unknown>(['__proto__']);
  return (node.children ?? []).flatMap((child) => {
    const key = node.type === 'object' ? child.children?.[0] : undefined;
    const twice = key !== undefined && seen.has(key.value);
    if (key !== undefined) seen.add(key.value);
    const problems = repeatedKeys(child);
    return twice
      ? [{ message: `the key "${line(String(key.value), 60)}" is there twice`, offset: key.offset }, ...problems]
      : problems;
  });
}
