import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { ClusterliftError, ExitStatus, messageOf } from '../base/errors';
import { semanticProblems } from './checks';
import { ConfigDocument, type Problem } from './document';
import { modelOf } from './from-json';
import type { ClustersFile } from './model';
import { keyProblems, schemaProblems } from './rules';
import { clustersSchema } from './schema';

/** Bytes. A thousand nodes take a tenth of it. */
const MAX_BYTES = 1024 * 1024;
const MAX_PROBLEMS = 100;
/** Without waiting for a writer, should it be a pipe. (Windows has no such flag.) */
const READ = constants.O_RDONLY | (process.platform === 'win32' ? 0 : constants.O_NONBLOCK);

/** Everything that is wrong with one clusters.json, in the order of the file. Its code is that of the first problem. */
export class ConfigError extends ClusterliftError {
  readonly problems: readonly ClusterliftError[];

  constructor(first: ClusterliftError, others: readonly ClusterliftError[]) {
    const problems = [first, ...others];
    const told = problems.map((problem) => `${placeOf(problem)}: ${problem.message}`);
    const message = others.length === 0 ? first.message : `${String(problems.length)} problems\n${told.join('\n')}`;
    super({ ...first.detail(), message });
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** `file:line:column` */
function placeOf({ at }: ClusterliftError): string {
  return at ? `${at.file}:${String(at.line)}:${String(at.column)}` : '';
}

/** What became of a text: the model, or what is wrong with it. */
export type CheckedClusters =
  | { readonly file: ClustersFile; readonly problems: readonly [] }
  | { readonly file: undefined; readonly problems: readonly [ClusterliftError, ...ClusterliftError[]] };

/** Reads a clusters.json from its text. Pure; never throws. @param path where it comes from, for messages and the model */
export function checkClusters(text: string, path: string): CheckedClusters {
  const document = ConfigDocument.parse(path, text.startsWith('\uFEFF') ? text.slice(1) : text);
  if (document.syntaxProblems.length > 0) return failed(document, document.syntaxProblems);
  const parsed = clustersSchema.safeParse(document.value());
  const problems = [
    ...keyProblems(document),
    ...semanticProblems(document),
    ...(parsed.success ? [] : schemaProblems(document, parsed.error.issues)),
  ];
  if (!parsed.success || problems.length > 0) return failed(document, problems);
  return { file: modelOf(parsed.data, path), problems: [] };
}

function failed(document: ConfigDocument, problems: readonly Problem[]): CheckedClusters {
  const secrets = new Set(problems.filter(({ code }) => code === 'config-secret').map(({ offset }) => offset));
  const seen = new Set<string>();
  const kept = problems
    .filter(({ code, offset, message }) => {
      const key = JSON.stringify([code, offset, code === 'config-bad-value' ? message : '']);
      const again = seen.has(key);
      seen.add(key);
      return !again && (code === 'config-secret' || !secrets.has(offset));
    })
    .sort((a, b) => a.offset - b.offset)
    .slice(0, MAX_PROBLEMS)
    .map((problem) => document.error(problem));
  const [first, ...others] = kept;
  return { file: undefined, problems: [first ?? document.error(unnamed), ...others] };
}

const unnamed: Problem = {
  code: 'config-bad-value',
  message: 'this is not a clusters.json',
  hint: 'See docs/clusters-json.md.',
  offset: 0,
};

/**
 * Loads a clusters.json.
 * @throws ConfigError with every problem, each with file, line and column; `config-unreadable`, `config-too-large`
 */
export async function loadClusters(path: string): Promise<ClustersFile> {
  const { file, problems } = checkClusters(await readClustersText(path), path);
  if (file) return file;
  const [first, ...others] = problems;
  throw new ConfigError(first, others);
}

/** The text of a clusters.json: a regular file of at most 1 MiB, in UTF-8. */
export async function readClustersText(path: string): Promise<string> {
  const bytes = await readBounded(path);
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new ClusterliftError({
      code: 'config-syntax',
      message: `${path} is not UTF-8 text`,
      hint: 'Save it again as UTF-8.',
      exit: ExitStatus.usage,
      at: { file: path, line: 1, column: 1 },
      cause,
    });
  }
}

async function readBounded(path: string): Promise<Buffer> {
  const unreadable = (message: string, cause?: unknown): ClusterliftError =>
    new ClusterliftError({
      code: 'config-unreadable',
      message,
      hint: 'Check the path and its permissions.',
      exit: ExitStatus.usage,
      cause,
    });
  try {
    await using file = await open(path, READ);
    const stat = await file.stat();
    if (!stat.isFile()) throw unreadable(`${path} is not a file`);
    const buffer = Buffer.alloc(MAX_BYTES + 1);
    let size = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, size, buffer.length - size, size);
      size += bytesRead;
      if (bytesRead === 0) return buffer.subarray(0, size);
      if (size > MAX_BYTES) break;
    }
  } catch (error) {
    throw error instanceof ClusterliftError ? error : unreadable(`cannot read ${path}: ${messageOf(error)}`, error);
  }
  throw new ClusterliftError({
    code: 'config-too-large',
    message: `${path} is larger than 1 MiB`,
    hint: 'Split it over several files and choose with --config FILE.',
    exit: ExitStatus.usage,
  });
}
