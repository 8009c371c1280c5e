import { BACKUP_ERRORS } from './backup';
import { CHECK_ERRORS } from './check';
import { CLUSTER_ERRORS } from './cluster';
import { COMMAND_ERRORS } from './command';
import type { ErrorEntry } from './entry';
import { PACKAGE_ERRORS } from './package';
import { RESTORE_ERRORS } from './restore';
import { RUN_ERRORS } from './run';
import { SSH_ERRORS } from './ssh';
import { ExitStatus } from './exit-status';

const CATALOGUE = {
  ...COMMAND_ERRORS,
  ...CLUSTER_ERRORS,
  ...SSH_ERRORS,
  ...PACKAGE_ERRORS,
  ...CHECK_ERRORS,
  ...RUN_ERRORS,
  ...BACKUP_ERRORS,
  ...RESTORE_ERRORS,
};

/** Every code of an error or finding. docs/errors.md is generated from the catalogue by scripts/generate-errors.ts. */
export type ErrorCode = keyof typeof CATALOGUE;

/** A code that is read from a journal, a node or another process. It may be of another version: then it is only shown. */
export type ReadCode = ErrorCode | (string & { readonly [read]: never });
declare const read: unique symbol;

/** A code that comes from outside, as it is. */
export function readCode(text: string): ReadCode {
  return text as ReadCode;
}

/** A set of codes to sort errors by. The compiler checks each one; codes from outside may be looked up. */
export function codeSet(...codes: readonly ErrorCode[]): ReadonlySet<string> {
  return new Set(codes);
}

/** @returns undefined for a code of another version */
export function entryOf(code: string): ErrorEntry | undefined {
  if (Object.hasOwn(CATALOGUE, code)) return CATALOGUE[code as ErrorCode];
  return code.startsWith('task-') ? CATALOGUE['task-PROPERTY'] : undefined;
}

/** The status of a command that ends with this code. */
export function exitOf(code: string): ExitStatus {
  const exit = entryOf(code)?.exit ?? ExitStatus.failed;
  return typeof exit === 'number' ? exit : exit[0];
}

/** All entries by the heading of their table, for docs/errors.md. */
export const ERROR_TABLES: Readonly<Record<string, Readonly<Record<string, ErrorEntry>>>> = {
  'Command line, service and editor': COMMAND_ERRORS,
  'clusters.json': CLUSTER_ERRORS,
  'Connections and nodes': SSH_ERRORS,
  Packages: PACKAGE_ERRORS,
  'Checks before a run': CHECK_ERRORS,
  Runs: RUN_ERRORS,
  Backups: BACKUP_ERRORS,
  'Restore points': RESTORE_ERRORS,
};
