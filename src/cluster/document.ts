import {
  createScanner,
  findNodeAtLocation,
  getNodeValue,
  parseTree,
  printParseErrorCode,
  type Node,
  type ParseError,
} from 'jsonc-parser';
import type { ErrorCode } from '../base/catalogue';
import { ClusterliftError, ExitStatus } from '../base/errors';
import { line as oneLine } from '../base/text';

/** A path into the file, such as `['clusters', 'staging', 'nodes', 0]`. */
export type Path = readonly (string | number)[];

/** What is wrong at one place of the file. */
export interface Problem {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** Offset in the text, from 0. */
  readonly offset: number;
}

/** Deeper than any clusters.json; the parser is recursive. */
const MAX_DEPTH = 50;
const MAX_SYNTAX_PROBLEMS = 10;

/** JSON with comments, and where each thing in it stands. */
export class ConfigDocument {
  private readonly lineStarts: readonly number[];

  private constructor(
    readonly file: string,
    readonly text: string,
    readonly root: Node | undefined,
    /** With syntax problems, what else the tree says is guesswork. */
    readonly syntaxProblems: readonly Problem[],
  ) {
    const starts = [0];
    for (const match of text.matchAll(/\r\n|\n|\r/g)) starts.push(match.index + match[0].length);
    this.lineStarts = starts;
  }

  static parse(file: string, text: string): ConfigDocument {
    const tooDeep = depthProblem(text);
    if (tooDeep) return new ConfigDocument(file, text, undefined, [tooDeep]);
    const errors: ParseError[] = [];
    const root = parseTree(text, errors, { allowTrailingComma: true, disallowComments: false });
    const problems = errors.slice(0, MAX_SYNTAX_PROBLEMS).map(syntaxProblem);
    if (!root && problems.length === 0) problems.push(syntax('the file is empty', 0));
    return new ConfigDocument(file, text, root, problems);
  }

  /** The plain value of the file. Its objects have no prototype, so a key such as `constructor` is only a key. */
  value(): unknown {
    return this.root ? (getNodeValue(this.root) as unknown) : undefined;
  }

  node(path: Path): Node | undefined {
    return this.root && findNodeAtLocation(this.root, [...path]);
  }

  /** The text at a place, if there is one. */
  textAt(path: Path): string | undefined {
    const value: unknown = this.node(path)?.value;
    return typeof value === 'string' ? value : undefined;
  }

  /** The keys of the object at a place. */
  keysAt(path: Path): string[] {
    const node = this.node(path);
    const keys = (node?.type === 'object' ? (node.children ?? []) : []).map(
      (each): unknown => each.children?.[0]?.value,
    );
    return [...new Set(keys.filter((key): key is string => typeof key === 'string'))];
  }

  /** The texts in the list at a place. */
  textsAt(path: Path): { readonly value: string; readonly offset: number }[] {
    const node = this.node(path);
    return (node?.type === 'array' ? (node.children ?? []) : []).flatMap((child) => {
      const value: unknown = child.value;
      return typeof value === 'string' ? [{ value, offset: child.offset }] : [];
    });
  }

  /** Where something stands; what is missing stands at the nearest thing around it. */
  offsetOf(path: Path): number {
    for (let length = path.length; length >= 0; length--) {
      const node = this.node(path.slice(0, length));
      if (node) return node.offset;
    }
    return 0;
  }

  /** Where the key of a property stands. */
  offsetOfKey(path: Path): number {
    return this.node(path)?.parent?.children?.[0]?.offset ?? this.offsetOf(path);
  }

  /** Line and column from 1; a column counts UTF-16 units, as editors do. */
  position(offset: number): { file: string; line: number; column: number } {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { file: this.file, line: low + 1, column: offset - (this.lineStarts[low] ?? 0) + 1 };
  }

  error(problem: Problem): ClusterliftError {
    const { code, hint, offset } = problem;
    return new ClusterliftError({
      code,
      message: oneLine(problem.message),
      hint,
      exit: ExitStatus.usage,
      at: this.position(offset),
    });
  }
}

function syntax(what: string, offset: number): Problem {
  return {
    code: 'config-syntax',
    message: what,
    hint: 'The file is JSON; comments and trailing commas are allowed. Correct this place.',
    offset,
  };
}

function syntaxProblem(error: ParseError): Problem {
  const words = printParseErrorCode(error.error)
    .replace(/(?<=.)[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)
    .toLowerCase();
  return syntax(`not valid JSON: ${words}`, error.offset);
}

/** Brackets are counted before the recursive parser sees them. Token kinds: 1 `{`, 2 `}`, 3 `[`, 4 `]`, 17 end (jsonc-parser's SyntaxKind). */
function depthProblem(text: string): Problem | undefined {
  const scanner = createScanner(text, true);
  let depth = 0;
  for (let kind: number = scanner.scan(); kind !== 17; kind = scanner.scan()) {
    if (kind === 1 || kind === 3) depth++;
    if (kind === 2 || kind === 4) depth--;
    if (depth > MAX_DEPTH) return syntax(`nested more than ${String(MAX_DEPTH)} levels deep`, scanner.getTokenOffset());
  }
  return undefined;
}
